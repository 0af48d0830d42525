// SPDX-License-Identifier: BSD-2-Clause
// Misdeeds with addresses: ROM, absent memory, device registers, page tables.
#include "bad.h"

#define MIB     0x100000u
#define LAPIC   0xfee00000u
#define PRESENT 0x07u
#define LARGE   0x80u

// Device registers that end the VM or stop its timer for good are the business of irq.c.
static bool device(uint32_t address)
{
    return address >> 12 == LAPIC >> 12;
}

static void read_write(uint32_t address)
{
    uint32_t value;

    TRY("mov %1, %0", : "=r"(value) : "m"(*(uint32_t *)address) : "memory");
    TRY("movb $0x5a, %0", : "+m"(*(uint32_t *)address)::"memory");
    TRY("lock addl $3, %0", : "+m"(*(uint32_t *)address)::"memory");
}

void do_rom(void)
{
    for (uint32_t address = 0xa0000; address < MIB; address += 0x1000)
        read_write(address);
    for (uint32_t address = memory_end; address >= memory_end; address += MIB)
        if (!device(address))
            read_write(address);
    for (uint32_t address = 0xfec00000; address >= 0xfec00000; address += 0x1000)
        if (!device(address))
            read_write(address);
    read_write(0xffffffff);
    read_write(memory_end - 2);
    print("rom done\n");
}

void do_void(void)
{
    print("jumping\n");
    ((void (*)(void))0xd0000000)();
}

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t table[1024] __attribute__((aligned(4096)));

static void paging_on(void)
{
    TRY("mov %%cr4, %%eax; or $0x10, %%eax; mov %%eax, %%cr4;" // PSE
        "mov %0, %%cr3; mov %%cr0, %%eax; or $0x80000000, %%eax; mov %%eax, %%cr0",
        ::"r"(directory)
        : "eax", "memory");
}

static void paging_off(void)
{
    TRY("mov %%cr0, %%eax; and $0x7fffffff, %%eax; mov %%eax, %%cr0", ::: "eax", "memory");
}

// Page tables with random contents: in RAM, in devices, in themselves, in what is not there.
void do_paging(void)
{
    uint32_t faults = 0;

    directory[0] = PRESENT | LARGE; // this code
    paging_on();
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t at = rnd() % 1023 + 1, address = at << 22 | (rnd() & 0x3fffff);
        static const uint32_t places[] = {0xfec00000, LAPIC,   0xfed00000,
                                          0xa0000,    0xe0000, 0xf0000000};

        switch (rnd() % 4) {
        case 0:
            directory[at] = rnd();
            break;
        case 1:
            directory[at] = places[rnd() % 6] | PRESENT;
            break;
        case 2:
            directory[at] = (rnd() & 0xffc00000) | PRESENT | LARGE;
            break;
        default:
            directory[at] = (uint32_t)table | PRESENT;
            table[address >> 12 & 0x3ff] = rnd() % 2 ? rnd() : (uint32_t)directory | PRESENT;
            table[rnd() % 1024] = 0;
            directory[0] = PRESENT | LARGE;
        }
        __asm__ volatile("mov %0, %%cr3" ::"r"(directory) : "memory");
        // Reads only: a write could hit this code.
        uint32_t value;
        TRY("mov %1, %0", : "=r"(value) : "m"(*(uint32_t *)address) : "memory");
        faults += trapped != NO_TRAP;
        TRY("invlpg %0", ::"m"(*(uint32_t *)address) : "memory");
        directory[0] = PRESENT | LARGE; // accessed bits may have gone anywhere
    }
    paging_off();
    print("paging done: %u faults\n", faults);
}

// The processor's own walk begins in a device, in absent memory.
void do_cr3(void)
{
    print("cr3 begins\n");
    directory[0] = PRESENT | LARGE;
    paging_on();
    __asm__ volatile("mov %0, %%cr3" ::"r"(0xfee00000) : "memory");
    __asm__ volatile("mov %0, %%cr3" ::"r"(0xf0000000) : "memory");
}

// Accesses over the edge of a page, of RAM, of a device; and an instruction that lies on two pages.
void do_straddle(void)
{
    static const uint8_t load[] = {0xa1, 0x20, 0x00, 0xe0, 0xfe, 0xc3}; // mov 0xfee00020, %eax; ret
    static uint8_t pages[3 * 4096] __attribute__((aligned(4096)));
    static const uint32_t edges[] = {0xa0000, 0xfec00000,     0xfec01000,
                                     LAPIC,   LAPIC + 0x1000, 0xfed00000};
    uint32_t value;

    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t back = 1; back < 8; back++) {
            TRY("mov %1, %0", : "=r"(value) : "m"(*(uint32_t *)(edges[i] - back)) : "memory");
            TRY("movw $0, %0", : "+m"(*(uint32_t *)(edges[i] - back))::"memory");
        }
    for (uint32_t back = 1; back < 4; back++) {
        TRY("mov %1, %0", : "=r"(value) : "m"(*(uint32_t *)(memory_end - back)) : "memory");
        TRY("mov %1, %0", : "+m"(*(uint32_t *)(memory_end - back)) : "r"(0x12345678) : "memory");
    }
    for (uint32_t back = 1; back < sizeof(load); back++) {
        uint8_t *code = pages + 4096 - back;
        for (uint32_t i = 0; i < sizeof(load); i++)
            code[i] = load[i];
        TRY("call *%1", : "=a"(value) : "r"(code) : "memory", "ecx", "edx");
        if (trapped != NO_TRAP)
            print("split instruction: exception %u\n", trapped);
    }
    // From RAM to where the page tables put the second half: not the next page of memory.
    directory[0] = (uint32_t)table | PRESENT;
    for (uint32_t i = 0; i < 1024; i++)
        table[i] = i << 12 | PRESENT;
    directory[1023] = LAPIC | 0x1f | LARGE; // the 4 MiB around the Local APIC
    directory[1023] &= 0xffc0009f;
    directory[1019] = 0xfec00000 | 0x9f; // and of the I/O APIC
    uint32_t second = (uint32_t)pages + 4096;
    for (uint32_t i = 0; i < 4; i++)
        pages[8192 + i] = load[2 + i];
    pages[4094] = load[0];
    pages[4095] = load[1];
    table[second >> 12] = (second + 4096) | PRESENT;
    paging_on();
    TRY("call *%1", : "=a"(value) : "r"(pages + 4094) : "memory", "ecx", "edx");
    paging_off();
    print(trapped == NO_TRAP ? "straddle done\n" : "straddle done, exception %u\n", trapped);
}

// Instructions that nobody uses on device registers.
void do_exotic(void)
{
    uint8_t *at = (uint8_t *)0xfed00000; // nothing is there
    uint32_t value;

    print("exotic begins\n");
    TRY("xadd %0, %1", : "=r"(value), "+m"(*at)::"memory");
    TRY("cmpxchg8b %0", : "+m"(*at)::"eax", "edx", "memory");
    TRY("pushl %0; pop %%eax", : "+m"(*at)::"eax", "memory");
    TRY("btsl $7, %0; btcl $3, %0; bsf %0, %%eax", : "+m"(*(uint32_t *)at)::"eax", "memory");
    TRY("shldl $3, %%eax, %0; sarl $1, %0; rcll $1, %0; notl %0; negl %0; mull %0",
        : "+m"(*(uint32_t *)at)::"eax", "edx", "memory");
    TRY("movsbl %0, %%eax; movzwl %0, %%eax; xchg %%eax, %0; cmpl $1, %0; testb $1, %0; setz %0",
        : "+m"(*at)::"eax", "memory");
    TRY("movl $100, %%ecx; mov %0, %%edi; mov %0, %%esi; rep movsb", ::"r"(at)
        : "ecx", "edi", "esi", "memory");
    TRY("movl $100, %%ecx; mov %0, %%edi; rep stosl; mov $100, %%ecx; repe scasb", ::"r"(at)
        : "ecx", "edi", "memory");
    TRY("bound %%eax, %0", : "+m"(*(uint64_t *)at)::"memory");
    TRY("lgdt 0xfed00000(,%0)", ::"r"(0x20000000 - 0x20000000 + 0)
        : "memory"); // limit 0xffff, base all ones
    TRY("lgdt gdt_pointer", ::: "memory");
    TRY("fldenv %0", ::"m"(*at) : "memory");
    TRY("fxsave %0", : "+m"(*at)::"memory");
    print("exotic done\n");
}
