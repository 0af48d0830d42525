// SPDX-License-Identifier: BSD-2-Clause
// What the virtual PC shows to a guest, tested from inside: exceptions, debug registers, string
// port access, odd instructions on device memory, both kinds of interrupt controllers, timers, NMI,
// processor modes. Prints a line for each test, then switches the machine off.
#include <stdbool.h>
#include <stdint.h>

#define COM1    0x3f8
#define LAPIC   ((volatile uint32_t *)0xfee00000)
#define IOAPIC  ((volatile uint32_t *)0xfec00000)
#define NOTHING ((volatile uint32_t *)0xd0000000)
#define NONE    0x100 // probe(): no exception

struct frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags;
};

extern char stubs[], real_begin[], real_finish[], probe_end[];
int probe(void (*code)(void));
uint32_t long_mode(void);
uint32_t real_mode(void);
void on_interrupt(struct frame *frame);
struct multiboot;
int main(const struct multiboot *info);

struct multiboot {
    uint32_t flags, lower, upper, device;
    const char *cmdline;
};

static volatile uint32_t hits[256], last_error, last_eip, last_cr2, last_dr6;
static bool probing, breakpoints = true;
static unsigned failed;

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void print(const char *text)
{
    for (; *text; text++)
        out8(COM1, (uint8_t)*text);
}

static void check(const char *name, bool ok)
{
    failed += !ok;
    print(ok ? "pc: ok " : "pc: WRONG ");
    print(name);
    print("\r\n");
}

static void check_breakpoint(const char *name, bool ok)
{
    if (breakpoints) {
        check(name, ok);
        return;
    }
    print("pc: skipped ");
    print(name);
    print("\r\n");
}

static inline uint32_t eflags_off(void)
{
    __asm__ volatile("cli" ::: "memory");
    return 0;
}

// ---- Descriptor tables

static uint64_t gdt[] = {
    0,
    0x00cf9b000000ffff, // 08: 32-bit code
    0x00cf93000000ffff, // 10: data
    0x00af9b000000ffff, // 18: 64-bit code
    0,
    0x00009b000000ffff, // 28: 16-bit code
    0x000093000000ffff, // 30: 16-bit data
};

static struct {
    uint16_t low, selector, type, high;
} idt[256];

struct __attribute__((packed)) pointer {
    uint16_t limit;
    uint32_t base;
};

static void load_tables(void)
{
    struct pointer g = {sizeof(gdt) - 1, (uint32_t)gdt}, i = {sizeof(idt) - 1, (uint32_t)idt};

    for (unsigned n = 0; n < 256; n++) {
        uint32_t at = (uint32_t)stubs + 16 * n;
        idt[n].low = (uint16_t)at;
        idt[n].selector = 0x08;
        idt[n].type = 0x8e00;
        idt[n].high = (uint16_t)(at >> 16);
    }
    __asm__ volatile("lgdt %0\n\tlidt %1\n\t"
                     "ljmp $0x08, $1f\n1:\tmov %2, %%ds\n\tmov %2, %%es\n\tmov %2, %%ss\n\tmov %2, "
                     "%%fs\n\tmov %2, %%gs"
                     :
                     : "m"(g), "m"(i), "r"(0x10)
                     : "memory");
}

void on_interrupt(struct frame *f)
{
    uint32_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    last_cr2 = cr2;
    hits[f->vector & 255]++;
    last_error = f->error;
    last_eip = f->eip;
    if (f->vector == 1) {
        uint32_t dr6;
        __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
        last_dr6 = dr6;
        dr6 = 0;
        __asm__ volatile("mov %0, %%dr6" : : "r"(dr6));
        f->eflags &= ~0x100u;
        f->eflags |= 0x10000; // RF: go on behind a breakpoint
        return;
    }
    if (f->vector >= 0x20 && f->vector < 0x30) { // the 8259 pair
        if (f->vector >= 0x28)
            out8(0xa0, 0x20);
        out8(0x20, 0x20);
        return;
    }
    if (f->vector >= 0x40 && f->vector < 0x60) {
        LAPIC[0xb0 / 4] = 0;
        return;
    }
    if (probing && f->vector < 32 && f->vector != 2 && f->vector != 3 && f->vector != 4) {
        f->eax = f->vector;
        f->eip = (uint32_t)probe_end;
    }
}

static int try(void (*code)(void))
{
    probing = true;
    int vector = probe(code);
    probing = false;
    return vector;
}

// ---- Exceptions

static void bad_msr(void)
{
    __asm__ volatile("rdmsr" : : "c"(0xc0011fff) : "eax", "edx");
}

static void undefined(void)
{
    __asm__ volatile("ud2");
}

static void vmx_instruction(void)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xc4"); // VMXOFF
}

static void svm_instruction(void)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xdc"); // STGI
}

static void bad_cr0(void)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(0x80000000));
}

static void divide(void)
{
    __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

static void exceptions(void)
{
    check("#GP of an unknown MSR", try(bad_msr) == 13 && last_error == 0);
    check("#UD", try(undefined) == 6 && last_eip == (uint32_t)undefined);
    check("#UD of VMX", try(vmx_instruction) == 6);
    check("#UD of SVM", try(svm_instruction) == 6);
    check("#GP of CR0.PG without PE", try(bad_cr0) == 13);
    check("#DE", try(divide) == 0);
    __asm__ volatile("int3");
    check("INT3", hits[3] == 1);
    __asm__ volatile("int $0x80");
    check("INT n", hits[0x80] == 1);
}

static void debugging(void)
{
    uint32_t value, eip;

    hits[1] = 0;
    // TF is set by POPF; the instruction after it, which exits, is single-stepped.
    __asm__ volatile("pushf\n\torl $0x100, (%%esp)\n\tpopf\n\tcpuid\n1:\tmovl $1b, %0"
                     : "=&r"(eip)
                     : "a"(0), "c"(0)
                     : "ebx", "edx", "cc");
    check("single step over CPUID", hits[1] == 1 && last_eip == eip && last_dr6 & 1 << 14);
    hits[1] = 0;
    value = 0x402; // DR0: execution
    __asm__ volatile("movl $1f, %0\n\tmov %0, %%dr0\n\tmov %1, %%dr7\n\tnop\n1:\tnop"
                     : "=&r"(eip)
                     : "r"(value));
    check_breakpoint("breakpoint", (hits[1] == 1 && last_eip == eip && last_dr6 & 1));
    value = 0;
    __asm__ volatile("mov %0, %%dr7" : : "r"(value));
    __asm__ volatile("mov %%dr0, %0" : "=r"(value));
    check("DR0 keeps its value", value == eip);
    __asm__ volatile("mov %%dr7, %0" : "=r"(value));
    check("DR7 reads as fixed", value == 0x400);
    hits[1] = 0;
    value = 0x2400; // GD
    __asm__ volatile("mov %0, %%dr7" : : "r"(value));
    __asm__ volatile("mov %%dr0, %0" : "=r"(value));
    check("general detect", hits[1] == 1 && last_dr6 & 1 << 13);
    hits[1] = 0;
    if (breakpoints)
        __asm__ volatile(".byte 0xf1");
    check_breakpoint("INT1", hits[1] == 1);
}

// ---- Ports and device memory

static void ports(void)
{
    static const char text[] = "pc: written by rep outsb\r\n";
    const char *from = text;
    uint32_t count = sizeof(text) - 1;
    static uint16_t buffer[300];
    uint16_t *to = buffer;

    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(COM1) : "memory");
    check("rep outsb", count == 0 && from == text + sizeof(text) - 1);
    count = 300;
    __asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(0x200) : "memory");
    bool ones = to == buffer + 300;
    for (unsigned i = 0; i < 300; i++)
        ones = ones && buffer[i] == 0xffff;
    check("rep insw of an absent port", ones);
    check("absent memory", *NOTHING == 0xffffffff && ((volatile uint8_t *)NOTHING)[3] == 0xff);
}

static void device_instructions(void)
{
    volatile uint32_t *svr = LAPIC + 0xf0 / 4;
    uint32_t value, copy = 0, flags;
    const volatile uint32_t *from = LAPIC + 0x30 / 4;
    uint32_t *to = &copy;

    __asm__ volatile("movl $0x1ff, %0" : "=m"(*svr));
    __asm__ volatile("andl $~0xf, %0" : "+m"(*svr));
    check("AND to a device", *svr == 0x1f0);
    __asm__ volatile("orl $0xf, %0" : "+m"(*svr));
    check("OR to a device", *svr == 0x1ff);
    __asm__ volatile("pushl %1\n\tpopl %0" : "=r"(value) : "m"(*svr));
    check("PUSH from a device", value == 0x1ff);
    __asm__ volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
    check("MOVS from a device", copy == LAPIC[0x30 / 4] && to == &copy + 1);
    __asm__ volatile("cmpl $0x1ff, %1\n\tpushf\n\tpopl %0" : "=r"(flags) : "m"(*svr) : "cc");
    check("CMP with a device", flags & 0x40);
    value = 0x17f;
    __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(*svr));
    check("XCHG with a device", value == 0x1ff && *svr == 0x17f);
    __asm__ volatile("movzwl %1, %0" : "=r"(value) : "m"(*svr));
    check("MOVZX from a device", value == 0x17f);
    *svr = 0x1ff;
}

// The guest's vector registers are in the processor while its monitor works.
static void vector_instructions(void)
{
    static uint32_t out[16] __attribute__((aligned(32)));
    volatile uint32_t *svr = LAPIC + 0xf0 / 4;
    uint32_t value, high, features, other;

    __asm__ volatile("mov $0x200, %%eax; mov %%eax, %%cr4; mov %%cr0, %%eax; and $~0xc, %%eax; "
                     "mov %%eax, %%cr0" ::
                         : "eax");
    __asm__ volatile("movd %2, %%xmm7; movd %3, %%xmm1; movd %%xmm1, %0; movd %%xmm7, %1"
                     : "=r"(value), "=r"(other)
                     : "r"(0x12345678), "m"(*svr));
    check("MOVD from a device", value == 0x1ff && other == 0x12345678);
    value = 0x17f;
    __asm__ volatile("movd %1, %%xmm1; movss %%xmm1, %0" : "=m"(*svr) : "r"(value));
    check("MOVSS to a device", *svr == 0x17f);
    __asm__ volatile("movups %2, %%xmm2; movups %%xmm7, %2; movups %%xmm2, %0; movups %%xmm7, %1"
                     : "=m"(out[0]), "=m"(out[4])
                     : "m"(*NOTHING)
                     : "memory");
    check("MOVUPS of absent memory",
          out[0] == ~0u && out[3] == ~0u && out[4] == 0x12345678 && !out[7]);
    __asm__ volatile("fld1; fistpl %0; movq %2, %%mm3; movd %%mm3, %1; emms"
                     : "=m"(out[0]), "=r"(value)
                     : "m"(LAPIC[0x30 / 4]));
    check("MOVQ of MMX from a device", out[0] == 1 && value == LAPIC[0x30 / 4]);
    value = high = 5;
    __asm__ volatile("lock cmpxchg8b %2"
                     : "+a"(value), "+d"(high), "+m"(*NOTHING)
                     : "b"(1), "c"(2));
    check("CMPXCHG8B of absent memory", value == ~0u && high == ~0u);
    __asm__ volatile("xor %%edx, %%edx; divl %1" : "=a"(value) : "m"(*svr), "a"(0x17f * 3) : "edx");
    check("DIV by a device", value == 3);
    *svr = 0x1ff;

    __asm__ volatile("cpuid" : "=c"(features), "=a"(value) : "a"(1) : "ebx", "edx");
    if (~features & (1 << 26 | 1 << 28))
        return;
    __asm__ volatile("mov $0x40200, %%eax; mov %%eax, %%cr4; xor %%ecx, %%ecx; xor %%edx, %%edx; "
                     "mov $7, %%eax; xsetbv" ::
                         : "eax", "ecx", "edx");
    __asm__ volatile("vmovdqu %2, %%ymm2; vmovd %3, %%xmm3; vmovdqu %%ymm3, %1; vmovdqa %%ymm2, %0"
                     : "=m"(out[0]), "=m"(out[8])
                     : "m"(*NOTHING), "m"(*svr)
                     : "memory");
    bool ones = true;
    for (unsigned i = 0; i < 8; i++)
        ones = ones && out[i] == ~0u && out[8 + i] == (i ? 0 : 0x1ff);
    check("VMOVDQU and VMOVD", ones);
}

// ---- Interrupts

static void wait_for(unsigned vector, unsigned count)
{
    for (unsigned i = 0; i < 200 && hits[vector] < count; i++)
        __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}

static void pit_rate(unsigned hz)
{
    unsigned count = 1193182 / hz;

    out8(0x43, 0x34);
    out8(0x40, (uint8_t)count);
    out8(0x40, (uint8_t)(count >> 8));
}

static void interrupts(void)
{
    // The 8259 pair behind LINT0, as firmware leaves it.
    static const uint16_t sequence[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4},    {0x21, 1},
                                           {0x21, 0xfe}, {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2},
                                           {0xa1, 1},    {0xa1, 0xff}};
    for (unsigned i = 0; i < sizeof(sequence) / sizeof(sequence[0]); i++)
        out8(sequence[i][0], (uint8_t)sequence[i][1]);
    pit_rate(200);
    wait_for(0x20, 3);
    check("8254 through the 8259", hits[0x20] >= 3);
    // An interrupt that is not halted for, but taken where IF is set.
    hits[0x20] = 0;
    __asm__ volatile("sti");
    while (hits[0x20] < 2)
        __asm__ volatile("pause");
    eflags_off();
    check("interrupt of running code", hits[0x20] >= 2);
    // Masked there, and through the I/O APIC.
    out8(0x21, 0xff);
    LAPIC[0xf0 / 4] = 0x1ff;
    IOAPIC[0] = 0x15;
    IOAPIC[4] = 0;
    IOAPIC[0] = 0x14;
    IOAPIC[4] = 0x41;
    wait_for(0x41, 3);
    check("8254 through the I/O APIC", hits[0x41] >= 3);
    IOAPIC[0] = 0x14;
    IOAPIC[4] = 1 << 16;
    // APIC timer, one shot.
    LAPIC[0x3e0 / 4] = 0xb;
    LAPIC[0x320 / 4] = 0x42;
    LAPIC[0x380 / 4] = 1000000;
    wait_for(0x42, 1);
    check("APIC timer", hits[0x42] == 1 && LAPIC[0x390 / 4] == 0);
    // IPI to oneself, held back by the task priority.
    LAPIC[0x80 / 4] = 0x50;
    LAPIC[0x300 / 4] = 0x40045;
    __asm__ volatile("sti\n\tnop\n\tcli");
    bool early = hits[0x45];
    LAPIC[0x80 / 4] = 0;
    __asm__ volatile("sti\n\tnop\n\tcli");
    check("IPI and task priority", !early && hits[0x45] == 1);
    LAPIC[0x300 / 4] = 0x40400; // NMI
    for (unsigned i = 0; i < 1000 && !hits[2]; i++)
        __asm__ volatile("pause");
    check("NMI", hits[2] == 1);
    // The interrupt shadow: nothing is taken between STI and the instruction behind it.
    uint32_t inside;
    hits[0x45] = 0;
    LAPIC[0x300 / 4] = 0x40045;
    __asm__ volatile("sti\n\tmovl %1, %0\n\tcli" : "=r"(inside) : "m"(hits[0x45]) : "memory");
    check("STI shadow", inside == 0);
    __asm__ volatile("sti\n\tnop\n\tcli");
    check("interrupt after the shadow", hits[0x45] == 1);
}

// ---- Modes

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096)));
static uint64_t large[4][512] __attribute__((aligned(4096)));

static void touch_hole(void)
{
    *(volatile uint32_t *)0x40000123 = 1;
}

static inline void set_cr0(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint32_t get_cr0(void)
{
    uint32_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void set_cr4(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static void faults_and_devices(const char *what)
{
    check(what, try(touch_hole) == 14 && last_cr2 == 0x40000123 && last_error == 2);
    check("device under these tables", (LAPIC[0x30 / 4] & 0xf0) == 0x10 && *NOTHING == 0xffffffff);
}

static void modes(void)
{
    uint32_t cr0 = get_cr0();

    // Cache control is kept from the machine, but shows.
    set_cr0(cr0 | 1 << 30);
    check("CR0.CD shows", get_cr0() & 1 << 30);
    set_cr0(cr0);
    check("CR0.CD goes", !(get_cr0() & 1 << 30));
    set_cr0(cr0 | 8);
    __asm__ volatile("clts");
    check("CLTS", !(get_cr0() & 8));
    __asm__ volatile("lmsw %w0" : : "r"(0xe));
    check("LMSW keeps PE", (get_cr0() & 0xf) == 0xf);
    set_cr0(cr0);

    for (unsigned i = 0; i < 1024; i++)
        directory[i] = i << 22 | 0x83;
    directory[0x40000000 >> 22] = 0;
    set_cr4(0x10);
    __asm__ volatile("mov %0, %%cr3" : : "r"(directory));
    set_cr0(cr0 | 1u << 31);
    faults_and_devices("32-bit paging");
    set_cr0(cr0);

    for (unsigned i = 0; i < 4 * 512; i++)
        large[i / 512][i % 512] = (uint64_t)i << 21 | 0x83;
    large[1][0] = 0;
    for (unsigned i = 0; i < 4; i++)
        pdpt[i] = (uint32_t)large[i] | 1;
    set_cr4(0x20);
    __asm__ volatile("mov %0, %%cr3" : : "r"(pdpt));
    set_cr0(cr0 | 1u << 31);
    faults_and_devices("PAE paging");
    set_cr0(cr0);

    for (unsigned i = 0; i < 4; i++)
        pdpt[i] |= 3;
    pml4[0] = (uint32_t)pdpt | 3;
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4));
    check("64-bit mode and back", long_mode() == LAPIC[0x30 / 4]);
    set_cr4(0);

    for (char *from = real_begin, *to = (char *)0x8000; from < real_finish; from++, to++)
        *(volatile char *)to = *from;
    check("real mode and back", real_mode() == 0xffff);
    load_tables();
}

int main(const struct multiboot *info)
{
    // QEMU 7.2 does not arm a nested guest's breakpoints, and stops at INT1: there the command line
    // ends in "-".
    for (const char *c = info->cmdline; *c; c++)
        breakpoints = *c != '-';
    load_tables();
    print("pc: begins\r\n");
    exceptions();
    debugging();
    ports();
    device_instructions();
    vector_instructions();
    interrupts();
    modes();
    print(failed ? "pc: FAILED\r\n" : "pc: all well\r\n");
    __asm__ volatile("outw %%ax, %%dx" : : "a"(5 << 10 | 1 << 13), "d"(0x604));
    for (;;)
        __asm__ volatile("hlt");
}
