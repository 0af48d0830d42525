// SPDX-License-Identifier: BSD-2-Clause
// Misdeeds with the processor's registers and privileged instructions.
#include "bad.h"

#define WRMSR_ROUNDS 2

static bool spared_msr(uint32_t index)
{
    return index == 0x1b; // APIC_BASE: off once is off for ever on some
}

static void msr_range(uint32_t first, uint32_t count, uint32_t *read, uint32_t *written)
{
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t low, high;
        TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(i) : "memory");
        *read += trapped == NO_TRAP;
        for (uint32_t round = 0; round < WRMSR_ROUNDS && !spared_msr(i); round++) {
            low = rnd();
            high = round % 2 ? rnd() : 0;
            TRY("wrmsr", ::"a"(low), "d"(high), "c"(i) : "memory");
            *written += trapped == NO_TRAP;
        }
    }
}

void do_msr(void)
{
    uint32_t read = 0, written = 0;

    msr_range(0, 0x2000, &read, &written);
    msr_range(0x40000000, 0x200, &read, &written);
    msr_range(0x4b564d00, 0x10, &read, &written);
    msr_range(0xc0000000, 0x2000, &read, &written);
    msr_range(0xc0010000, 0x2000, &read, &written);
    for (uint32_t i = 0; i < 500; i++)
        msr_range(rnd(), 1, &read, &written);
    print("msr done: %u reads and %u writes were taken\n", read, written);
}

void do_cpuid(void)
{
    static const uint32_t begins[] = {0, 0x40000000, 0x80000000, 0xc0000000, 0xfffffff0};
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 5 * 48 * 40; i++) {
        uint32_t a = begins[i % 5] + i / 5 % 48, b, c = i / 240, d;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        sum += a ^ b ^ c ^ d;
    }
    print("cpuid done: 0x%x\n", sum);
}

#define EACH(name, code) EACH_AT(name, rnd(), code)
#define EACH_AT(name, at, code)                                                         \
    do {                                                                                \
        uint32_t a_ = rnd(), c_ = (at), d_ = rnd();                                     \
        TRY(code, : "+a"(a_), "+c"(c_), "+d"(d_)::"memory", "ebx");                     \
        print(trapped == NO_TRAP ? name " passed\n" : name " exception %u\n", trapped); \
    } while (0)

void do_privileged(void)
{
    static uint32_t area[1024] __attribute__((aligned(4096)));
    uint32_t at = (uint32_t)area;

    EACH("ud2", "ud2");
    EACH("vmxon", ".byte 0xf3, 0x0f, 0xc7, 0x31"); // (%ecx)
    EACH("vmcall", ".byte 0x0f, 0x01, 0xc1");
    EACH("vmlaunch", ".byte 0x0f, 0x01, 0xc2");
    EACH("vmresume", ".byte 0x0f, 0x01, 0xc3");
    EACH("vmxoff", ".byte 0x0f, 0x01, 0xc4");
    EACH("vmfunc", ".byte 0x0f, 0x01, 0xd4");
    EACH("vmrun", ".byte 0x0f, 0x01, 0xd8");
    EACH("vmmcall", ".byte 0x0f, 0x01, 0xd9");
    EACH("vmload", ".byte 0x0f, 0x01, 0xda");
    EACH("vmsave", ".byte 0x0f, 0x01, 0xdb");
    EACH("stgi", ".byte 0x0f, 0x01, 0xdc");
    EACH("clgi", ".byte 0x0f, 0x01, 0xdd");
    EACH("skinit", ".byte 0x0f, 0x01, 0xde");
    EACH("invlpga", ".byte 0x0f, 0x01, 0xdf");
    EACH("monitor", ".byte 0x0f, 0x01, 0xc8");
    EACH("mwait", ".byte 0x0f, 0x01, 0xc9");
    EACH("getsec", ".byte 0x0f, 0x37");
    EACH("rsm", ".byte 0x0f, 0xaa");
    EACH("xsetbv", ".byte 0x0f, 0x01, 0xd1");
    EACH("rdpmc", "rdpmc");
    EACH("rdtscp", ".byte 0x0f, 0x01, 0xf9");
    EACH("rdrand", ".byte 0x0f, 0xc7, 0xf0");
    EACH("invd", "invd");
    EACH("wbinvd", "wbinvd");
    EACH("pause", "pause");
    EACH("clts", "clts");
    EACH("int1", ".byte 0xf1");
    EACH("int 0x80", "int $0x80");
    EACH_AT("invept", at, ".byte 0x66, 0x0f, 0x38, 0x80, 0x01"); // (%ecx)
    EACH_AT("invvpid", at, ".byte 0x66, 0x0f, 0x38, 0x81, 0x01");
    EACH_AT("invpcid", at, ".byte 0x66, 0x0f, 0x38, 0x82, 0x01");
    // XSETBV with CR4.OSXSAVE: all values, then back to x87 alone.
    TRY("mov %%cr4, %%eax; or $0x40000, %%eax; mov %%eax, %%cr4", ::: "eax", "memory");
    for (uint32_t i = 0; i < 500; i++)
        TRY(".byte 0x0f, 0x01, 0xd1", ::"a"(i < 256 ? i : rnd()), "d"(i % 3 ? 0 : rnd()),
            "c"(i % 5 == 0)
            : "memory");
    TRY(".byte 0x0f, 0x01, 0xd1", ::"a"(1), "d"(0), "c"(0) : "memory");
    print("privileged done\n");
}

// Random bits in CR0 and CR4, paging and protection aside; and in the debug registers.
void do_cr(void)
{
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t cr0 = (rnd() & ~0x80000000u) | 1, cr4 = rnd() & 0x7ff;
        TRY("mov %0, %%cr0", ::"r"(cr0) : "memory");
        TRY("mov %0, %%cr4", ::"r"(cr4) : "memory");
        TRY("mov %0, %%cr2", ::"r"(rnd()) : "memory");
        TRY("mov %0, %%cr3", ::"r"(rnd()) : "memory");
        TRY("mov %0, %%dr6", ::"r"(rnd()) : "memory");
        TRY("mov %0, %%dr0", ::"r"(rnd()) : "memory");
        TRY("lmsw %%ax", ::"a"(rnd() & 0xfffe) : "memory");
        TRY("mov %%cr0, %%eax; mov %%cr3, %%eax; mov %%cr4, %%eax; mov %%dr7, %%eax; mov %%dr3, "
            "%%eax",
            ::
                : "eax", "memory");
        TRY(".byte 0x0f, 0x22, 0xc8", ::"a"(rnd()) : "memory"); // CR1, which is not there
        TRY(".byte 0x0f, 0x22, 0xf8", ::"a"(rnd()) : "memory"); // CR7
    }
    TRY("mov %0, %%cr0", ::"r"(0x11) : "memory");
    TRY("mov %0, %%cr4", ::"r"(0) : "memory");
    print("cr done\n");
}

// Reads CR0 the old way while the cache is off by it: with SVM that is an exit.
void do_smsw(void)
{
    uint16_t word;
    uint32_t cr0;

    __asm__ volatile("mov %0, %%cr0" ::"r"(0x40000011) : "memory");
    __asm__ volatile("smsw %0" : "=r"(cr0));
    __asm__ volatile("smsw %0" : "=m"(word));
    __asm__ volatile("mov %0, %%cr0" ::"r"(0x11) : "memory");
    print("smsw done: 0x%x 0x%x\n", cr0, word);
}

// Reserved bits too.
void do_cr4(void)
{
    print("cr4 begins\n");
    for (uint32_t i = 0; i < 3000; i++)
        TRY("mov %0, %%cr4", ::"r"(i % 2 ? rnd() : 1u << rnd() % 32) : "memory");
    TRY("mov %0, %%cr4", ::"r"(0) : "memory");
    print("cr4 done\n");
}

// A jump to a task gate's kin, a TSS: hardware task switching.
void do_task(void)
{
    static uint32_t tss[64];
    uint64_t base = (uint32_t)tss;
    struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } to = {0, 32};

    for (uint32_t i = 3; i < 5; i++)
        gdt[i] = 0x0000890000000067ull | (base & 0xffffff) << 16 | (base >> 24) << 56;
    print("task begins\n");
    TRY("ltr %%ax; ljmp *%1", ::"a"(24), "m"(to) : "memory");
    print("task: exception %u\n", trapped);
}
