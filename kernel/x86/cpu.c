// SPDX-License-Identifier: BSD-2-Clause
// Set-up of one CPU: descriptor tables, control registers, system-call MSRs.
#include "cpu.h"
#include "apic.h"
#include "domain.h"
#include "virt.h"

struct features features;
extern const char vectors[], syscall_stubs[];

struct idt_entry {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, reserved;
};
static struct idt_entry idt[256];

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void features_init(void)
{
    struct cpuid_regs r = cpuid(1, 0);

    features.pcid = r.ecx >> 17 & 1;
    features.tsc_deadline = r.ecx >> 24 & 1;
    features.pge = r.edx >> 13 & 1;
    features.cr4 = (features.pge ? CR4_PGE : 0) | (features.pcid ? CR4_PCIDE : 0);
    r = cpuid_checked(7, 0);
    features.cr4 |=
        (r.ebx >> 7 & 1 ? CR4_SMEP : 0) | (r.ebx >> 20 & 1 ? CR4_SMAP : 0) | (r.ecx >> 2 & 1 ? CR4_UMIP : 0);
    r = cpuid_checked(0x80000001, 0);
    features.nx = r.edx >> 20 & 1;
    features.gib_pages = r.edx >> 26 & 1;
    for (unsigned i = 0; i < 3; i++) {
        r = cpuid_checked(0x80000002 + i, 0);
        __builtin_memcpy(features.name + 16 * i, &r, 16);
    }
}

static void set_gate(unsigned vector, unsigned ist)
{
    uint64_t entry = (uint64_t)vectors + 8 * (vector < VECTOR_COUNT ? vector : VECTOR_COUNT - 2);

    idt[vector] = (struct idt_entry){.offset0 = entry,
                                     .selector = SEL_KERNEL_CS,
                                     .ist = ist,
                                     .type = 0x8e, // interrupt gate, DPL 0: INT n from user mode is #GP
                                     .offset1 = entry >> 16,
                                     .offset2 = entry >> 32};
}

static void load_tables(struct cpu_local *local, unsigned number)
{
    uint64_t region = CPU_REGIONS + (uint64_t)number * CPU_REGION_SIZE;
    uint64_t tss_base = TSS_BASE + (uint64_t)number * TSS_STRIDE + TSS_OFFSET;
    struct tss *tss = (struct tss *)tss_base;
    const uint64_t limit = sizeof(*tss) + 8192 - 1;

    // A port whose two bitmap bytes are not both within the limit is denied: that takes the last 8 ports, on purpose,
    // instead of a third page for the terminating byte (SDM 1, 19.5.2).
    *tss = (struct tss){.iomap = sizeof(*tss)};
    for (unsigned i = 0; i < 4; i++)
        tss->ist[i] = region + CPU_IST + (i + 1) * CPU_IST_SIZE;
    local->cpu.rsp0 = (uint64_t *)(tss_base + 4);

    uint64_t *gdt = local->gdt;
    gdt[SEL_KERNEL_CS / 8] = 0x00af9b000000ffff;
    gdt[SEL_KERNEL_DS / 8] = 0x00cf93000000ffff;
    gdt[SEL_USER_CS32 / 8] = 0; // no 32-bit user mode; the selector exists because SYSRET counts from it
    gdt[SEL_USER_DS / 8] = 0x00cff3000000ffff;
    gdt[SEL_USER_CS / 8] = 0x00affb000000ffff;
    gdt[SEL_TSS / 8] = (limit & 0xffff) | (tss_base & 0xffffff) << 16 | 0x89ull << 40 | (tss_base >> 24 & 0xff) << 56;
    gdt[SEL_TSS / 8 + 1] = tss_base >> 32;

    struct table_pointer gdtr = {sizeof(local->gdt) - 1, (uint64_t)gdt}, idtr = {sizeof(idt) - 1, (uint64_t)idt};
    asm volatile(
        "lgdt %0; lidt %1; pushq %2; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: mov %3, %%ss; xor %%eax, %%eax\n\t"
        "mov %%eax, %%ds; mov %%eax, %%es; mov %%eax, %%fs; mov %%eax, %%gs; lldt %%ax; ltr %w4" ::"m"(gdtr),
        "m"(idtr), "i"(SEL_KERNEL_CS), "r"(SEL_KERNEL_DS), "r"(SEL_TSS)
        : "rax", "memory");
}

void cpu_setup(unsigned number, uint32_t apic_id)
{
    struct cpu_local *local = (struct cpu_local *)(CPU_REGIONS + (uint64_t)number * CPU_REGION_SIZE + CPU_STACK_TOP);

    cpu_init(&local->cpu, number);
    local->cpu.apic_id = apic_id;
    for (unsigned i = 0; number == 0 && i < 256; i++)
        set_gate(i, i == 1 ? 1 : i == 2 ? 2 : i == 18 ? 3 : i == 8 ? 4 : 0);
    load_tables(local, number);

    write_cr4(read_cr4() | features.cr4);
    write_cr0((read_cr0() & ~(3ull << 29 | 1ull << 2)) | 1ull << 1); // CD, NW, EM off; MP
    domain_init(number == 0);
    fpu_init();
    asm volatile("mov %0, %%dr7" ::"r"(0ull)); // HAZARD: MOV SS + SYSCALL delivers a data breakpoint in ring 0
    wrmsr(MSR_STAR, STAR_VALUE);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_stubs + 16 * number);
    wrmsr(MSR_CSTAR, 0);
    wrmsr(MSR_SFMASK, FMASK_VALUE);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}
