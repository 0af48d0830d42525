// SPDX-License-Identifier: BSD-2-Clause
// Faults of user threads: every exception that user level can raise, with vector, error code,
// address and RIP as the processor defines them (SDM 3A 6.15), told to the supervisor by the fault
// signal; the thread goes on when it is resumed.
#include "ktest.h"

enum { SIGNAL = T, TASK, THREAD, MEM, CODE, OTHER };

#define V(n) (1u << (n))
#define ENDS V(31) // or no fault
#define ANY  0xffffffffu

void probe_read(uint64_t address)
{
    (void)*(volatile uint8_t *)address;
}

void probe_write(uint64_t address)
{
    *(volatile uint8_t *)address = 1;
}

void probe_exec(uint64_t address)
{
    ((void (*)(void))address)();
}

static struct fault fault_of(unsigned thread)
{
    struct message m = {THREAD_FAULT, {0}};

    sys_thread_ctl(thread, &m);
    return (struct fault){m.w[0], m.w[1], m.w[2], m.w[3],
                          m.w[4] == REPORT_FAULTED && m.w[0] == 6 &&
                              m.w[3] == (uint64_t)thread_end};
}

struct fault probe(unsigned task, void (*entry)(uint64_t), uint64_t argument)
{
    sys_destroy(PROBE);
    sys_cap_drop(SLOT_TASK, PROBE);
    EXPECT_OK(thread_new(PROBE, task, THREAD_ACTIVE, PRIORITY_COUNT - 2, entry, argument));
    EXPECT_EQ(thread_report_of(PROBE), REPORT_FAULTED);
    return fault_of(PROBE);
}

// clang-format off
#define FAULTS \
    F(hlt, V(13), 0, "", "hlt") \
    F(cli, V(13), 0, "", "cli") \
    F(sti, V(13), 0, "", "sti") \
    F(lgdt, V(13), 0, "", "lgdt (%rsp)") \
    F(lidt, V(13), 0, "", "lidt (%rsp)") \
    F(lldt, V(13), 0, "xor %eax, %eax", "lldt %ax") \
    F(ltr, V(13), 0, "mov $0x40, %eax", "ltr %ax") \
    F(sgdt, V(13) | ENDS, 0, "sub $24, %rsp", "sgdt 8(%rsp); add $24, %rsp") \
    F(str, V(13) | ENDS, 0, "", "str %eax") \
    F(smsw, V(13) | ENDS, 0, "", "smsw %eax") \
    F(lmsw, V(13), 0, "", "lmsw %ax") \
    F(clts, V(13), 0, "", "clts") \
    F(read_cr0, V(13), 0, "", "mov %cr0, %rax") \
    F(write_cr3, V(13), 0, "", "mov %rax, %cr3") \
    F(write_cr4, V(13), 0, "", "mov %rax, %cr4") \
    F(write_cr8, V(13), 0, "", "mov %rax, %cr8") \
    F(read_dr7, V(13), 0, "", "mov %dr7, %rax") \
    F(write_dr0, V(13), 0, "", "mov %rax, %dr0") \
    F(rdmsr, V(13), 0, "mov $0x1b, %ecx", "rdmsr") \
    F(wrmsr, V(13), 0, "mov $0x1b, %ecx", "wrmsr") \
    F(rdpmc, V(13) | V(6), 0, "xor %ecx, %ecx", "rdpmc") \
    F(xsetbv, V(13) | V(6), 0, "xor %ecx, %ecx; xor %edx, %edx; mov $1, %eax", "xsetbv") \
    F(invlpg, V(13), 0, "", "invlpg (%rsp)") \
    F(invd, V(13), 0, "", "invd") \
    F(wbinvd, V(13), 0, "", "wbinvd") \
    F(swapgs, V(13), 0, "", "swapgs") \
    F(sysret, V(13), 0, "lea thread_end, %rcx", "sysretq") \
    F(sysenter, V(13) | V(6), 0, "", "sysenter") \
    F(sysexit, V(13) | V(6), 0, "", "sysexitl") \
    F(in, V(13), 0, "mov $0x80, %edx", "in %dx, %al") \
    F(out, V(13), 0, "mov $0x80, %edx", "out %al, %dx") \
    F(out_com1, V(13), 0, "mov $0x3f8, %edx", "out %al, %dx") \
    F(in32, V(13), 0, "mov $0xcfc, %edx", "in %dx, %eax") \
    F(ins, V(13), 0, "lea -64(%rsp), %rdi; mov $0x80, %edx", "insb") \
    F(outs, V(13), 0, "lea -64(%rsp), %rsi; mov $0x80, %edx", "outsb") \
    F(int2, V(13), 0x12, "", "int $2") \
    F(int3, V(13), 0x1a, "", "int3") \
    F(int8, V(13), 0x42, "", "int $8") \
    F(int14, V(13), 0x72, "", "int $14") \
    F(int32, V(13), 0x102, "", "int $32") \
    F(int128, V(13), 0x402, "", "int $0x80") \
    F(int255, V(13), 0x7fa, "", "int $255") \
    F(load_kernel_ds, V(13), 0x10, "mov $0x10, %eax", "mov %eax, %ds") \
    F(load_beyond, V(13), 0xfff8, "mov $0xfff8, %eax", "mov %eax, %es") \
    F(load_null_ss, V(13), 0, "xor %eax, %eax", "mov %eax, %ss") \
    F(load_tss_ds, V(13), 0x40, "mov $0x43, %eax", "mov %eax, %ds") \
    F(lret_kernel, V(13) | V(14), ANY, "pushq $0x10; pushq $thread_end", "lretq") \
    F(lret_32, V(13) | V(11) | V(14), ANY, "pushq $0x23; pushq $thread_end", "lretq") \
    F(iret_kernel, V(13) | V(14), ANY, \
      "pushq $0x18; pushq $0x1000; pushq $0x202; pushq $0x10; pushq $thread_end", "iretq") \
    F(long_instruction, V(13), 0, "", ".fill 15, 1, 0x66; nop") \
    F(non_canonical, V(13), 0, "mov $0x800000000000, %rax", "mov (%rax), %al") \
    F(non_canonical_write, V(13), 0, "mov $0xffff7fffffffffff, %rax", "mov %al, (%rax)") \
    F(non_canonical_stack, V(12) | V(13), 0, "mov $0x800000001000, %rsp", "push %rax") \
    F(ud2, V(6), 0, "", "ud2") \
    F(push_es, V(6), 0, "", ".byte 0x06") \
    F(lock_nop, V(6), 0, "", ".byte 0xf0, 0x90") \
    F(into, V(6), 0, "", ".byte 0xce") \
    F(vmcall, V(6) | V(13), 0, "", "vmcall") \
    F(vmmcall, V(6) | V(13), 0, "", "vmmcall") \
    F(vmlaunch, V(6) | V(13), 0, "", "vmlaunch") \
    F(vmxoff, V(6) | V(13), 0, "", "vmxoff") \
    F(vmread, V(6) | V(13), 0, "", "vmread %rax, %rcx") \
    F(invept, V(6) | V(13), 0, "", "invept (%rsp), %rax") \
    F(vmrun, V(6) | V(13), 0, "", "vmrun %rax") \
    F(vmload, V(6) | V(13), 0, "", "vmload %rax") \
    F(stgi, V(6) | V(13), 0, "", "stgi") \
    F(clgi, V(6) | V(13), 0, "", "clgi") \
    F(invlpga, V(6) | V(13), 0, "", "invlpga %rax, %ecx") \
    F(monitor, V(6), 0, "lea (%rsp), %rax; xor %ecx, %ecx; xor %edx, %edx", "monitor") \
    F(mwait, V(6), 0, "xor %ecx, %ecx; xor %eax, %eax", "mwait") \
    F(stac, V(6), 0, "", "stac") \
    F(rdfsbase, V(6), 0, "", "rdfsbase %rax") \
    F(wrgsbase, V(6), 0, "", "wrgsbase %rax") \
    F(invpcid, V(6) | V(13), 0, "", "invpcid (%rsp), %rax") \
    F(rsm, V(6), 0, "", "rsm") \
    F(divide, V(0), 0, "xor %ecx, %ecx; xor %edx, %edx", "div %ecx") \
    F(divide_overflow, V(0), 0, "mov $8, %edx; mov $2, %ecx", "div %ecx") \
    F(sse, V(7), 0, "", "movq %rax, %xmm0") \
    F(x87, V(7), 0, "", "fld1") \
    F(fwait, V(7), 0, "", "fwait") \
    F(fxsave, V(7), 0, "and $-64, %rsp; sub $512, %rsp", "fxsave (%rsp)") \
    F(mmx, V(7), 0, "", "paddb %mm1, %mm0") \
    F(alignment, V(17) | ENDS, 0, "pushf; orl $0x40000, (%rsp); popf", "mov 1(%rsp), %eax") \
    F(bad_stack, V(6), 0, "xor %esp, %esp", "ud2") \
    F(kernel_stack, V(6), 0, "mov $0xffffffffa0005000, %rsp", "ud2") \
    F(hole_stack, V(6), 0, "mov $0x900000000000, %rsp", "ud2")

#define F(name, vectors, error, before, instruction) \
    __asm__(".pushsection .text\nf_" #name ": " before "\nf_" #name "_at: " instruction "\nret\n.popsection"); \
    extern const char f_##name[], f_##name##_at[];
FAULTS
#undef F
static const struct {
    const char *name, *entry, *at;
    uint32_t vectors, error;
} faults[] = {
#define F(name, vectors, error, before, instruction) {#name, f_##name, f_##name##_at, vectors, error},
    FAULTS
#undef F
};
// clang-format on

static void t_instructions(void)
{
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct fault f = probe(SLOT_TASK, (void (*)(uint64_t))faults[i].entry, 0);
        if (f.ended && faults[i].vectors & ENDS)
            continue;
        // QEMU 7.2 counts 16 bytes, not 8, for an entry of the IDT.
        if (!machine_bochs && f.error == (faults[i].error & ~2u) * 2 + 2)
            f.error = faults[i].error;
        if (f.ended || !(faults[i].vectors >> f.vector & 1) || f.rip != (uint64_t)faults[i].at ||
            (faults[i].error != ANY && f.error != faults[i].error))
            ktest_fail(__FILE__, __LINE__, "%s: vector %lu error 0x%lx rip - at 0x%lx%s",
                       faults[i].name, f.vector, f.error, f.rip - (uint64_t)faults[i].at,
                       f.ended ? " ended" : "");
    }
}

// A jump out of the address space: processors differ in whether the jump or the fetch faults.
static void t_non_canonical_jump(void)
{
    static const uint64_t targets[] = {0x0000800000000000, 0x8000000000000000, 0xffff7ffffffff000,
                                       0xfff0000000000000};

    for (unsigned i = 0; i < 4; i++) {
        struct fault f = probe(SLOT_TASK, probe_exec, targets[i]);
        EXPECT(f.vector == 13 || f.vector == 14);
        EXPECT(!f.ended);
    }
}

static void expect_page_fault(struct fault f, uint64_t address, uint64_t error, uint64_t mask)
{
    EXPECT_EQ(f.vector, 14);
    EXPECT_EQ(f.address, address);
    EXPECT_EQ(f.error & mask, error);
}

static void t_page_faults(void)
{
    enum { P = 1, W = 2, U = 4, I = 16 };

    EXPECT_OK(ram_new(MEM, 0, 4 * PAGE));
    expect_page_fault(probe(SLOT_TASK, probe_read, VIEW + 5), VIEW + 5, U, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_write, VIEW + 0xfff), VIEW + 0xfff, U | W, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_exec, VIEW), VIEW, U | I, ANY);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ));
    EXPECT(probe(SLOT_TASK, probe_read, VIEW + 5).ended);
    expect_page_fault(probe(SLOT_TASK, probe_write, VIEW + 5), VIEW + 5, P | U | W, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_exec, VIEW + 5), VIEW + 5, P | U | I, ANY);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, PAGE, VIEW + PAGE, PAGE, MAP_READ | MAP_WRITE));
    EXPECT(probe(SLOT_TASK, probe_write, VIEW + PAGE).ended);
    expect_page_fault(probe(SLOT_TASK, probe_exec, VIEW + PAGE), VIEW + PAGE, P | U | I, ANY);
    *(volatile uint8_t *)(VIEW + PAGE) = 0xc3; // RET
    EXPECT_OK(sys_map(SLOT_TASK, MEM, PAGE, VIEW + 2 * PAGE, PAGE, MAP_READ | MAP_EXEC));
    EXPECT(probe(SLOT_TASK, probe_exec, VIEW + 2 * PAGE).ended);
    expect_page_fault(probe(SLOT_TASK, probe_write, VIEW + 2 * PAGE), VIEW + 2 * PAGE, P | U | W,
                      ANY);
    EXPECT_OK(sys_unmap(SLOT_TASK, VIEW + PAGE, PAGE));
    expect_page_fault(probe(SLOT_TASK, probe_read, VIEW + PAGE), VIEW + PAGE, U, ANY);
    // The program's own text, constants and page zero
    expect_page_fault(probe(SLOT_TASK, probe_write, (uint64_t)thread_end), (uint64_t)thread_end,
                      P | U | W, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_write, (uint64_t)&faults[0]), (uint64_t)&faults[0],
                      P | U | W, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_exec, (uint64_t)&faults[0]), (uint64_t)&faults[0],
                      P | U | I, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_read, 0), 0, U, ANY);
    expect_page_fault(probe(SLOT_TASK, probe_write, INFO_ADDRESS), INFO_ADDRESS, P | U | W, ANY);
    // The kernel's half: image, object table, CPU regions with their stacks, devices, window, TSS
    static const uint64_t kernel[] = {0xffffffff80100000, 0xffffffff90000000, 0xffffffffa0004ff8,
                                      0xffffffffb0000000, 0xffff800000100000, 0xffff808000000000,
                                      0xffff810000000000, 0xffffffffffffffff};
    for (unsigned i = 0; i < sizeof(kernel) / sizeof(kernel[0]); i++) {
        expect_page_fault(probe(SLOT_TASK, probe_read, kernel[i]), kernel[i], U, U | W | I);
        expect_page_fault(probe(SLOT_TASK, probe_write, kernel[i]), kernel[i], U | W, U | W | I);
        expect_page_fault(probe(SLOT_TASK, probe_exec, kernel[i]), kernel[i], U | I, U | W | I);
    }
}

// SYSCALL as the last instruction below the hole: SYSRET gets the highest address that the kernel
// lets user code run at. One page higher RCX would not be canonical, and SYSRET would fault in ring
// 0 on the user's stack.
static void t_last_page(void)
{
    EXPECT_OK(ram_new(MEM, 0, PAGE));
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ | MAP_WRITE));
    *(volatile uint16_t *)(VIEW + PAGE - 2) = 0x050f; // SYSCALL
    EXPECT_STATUS(sys_map(SLOT_TASK, MEM, 0, USER_END, PAGE, MAP_READ), ERR_RANGE);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, USER_END - PAGE, PAGE, MAP_READ | MAP_EXEC));
    struct fault f = probe(SLOT_TASK, (void (*)(uint64_t))(USER_END - 2), SYS_YIELD);
    expect_page_fault(f, USER_END, 0x14, ANY);
    EXPECT_EQ(f.rip, USER_END);
    f = probe(SLOT_TASK, (void (*)(uint64_t))(USER_END - 2), SYS_VCPU_RUN);
    expect_page_fault(f, USER_END, 0x14, ANY);
    EXPECT_OK(sys_unmap(SLOT_TASK, USER_END - PAGE, PAGE));
}

// ---- single step
__asm__(".pushsection .text\n"
        "step: pushf; orl $0x100, (%rsp); popf\n"
        "step_at: nop\n"
        "step_after: nop; mov $4, %edi; syscall\n"
        "step_syscall: pushf; andl $~0x100, (%rsp); popf; ret\n"
        // MOV SS holds the trap off until SYSCALL has gone to ring 0 (CVE-2018-8897)
        "mov_ss: mov %ss, %eax; mov $4, %edi; pushf; orl $0x100, (%rsp); popf\n"
        "mov %eax, %ss; syscall; nop; ret\n"
        // likewise POP SS; with a system call that faults back to user level by IRET later
        "pop_ss: mov %ss, %eax; mov $4, %edi; push %rax; pushf; orl $0x100, (%rsp); popf\n"
        "pop_ss_at: .byte 0x36; mov %eax, %ss; syscall; nop; pop %rax; ret\n"
        ".popsection");
extern const char step[], step_at[], step_after[], step_syscall[], mov_ss[], pop_ss[];

static void t_single_step(void)
{
    struct fault f = probe(SLOT_TASK, (void (*)(uint64_t))step, 0);
    EXPECT_EQ(f.vector, 1);
    EXPECT_EQ(f.rip, step_after);
    // The supervisor steps on: each RESUME runs one instruction, SYSCALL and its return among them.
    bool past = false;
    for (unsigned i = 0; i < 20 && !fault_of(PROBE).ended; i++) {
        EXPECT_OK(sys_thread_set(PROBE, THREAD_RESUME, 0));
        f = fault_of(PROBE);
        EXPECT(f.vector == 1 || f.ended);
        past = past || f.rip >= (uint64_t)step_syscall;
    }
    EXPECT(past);
    EXPECT(fault_of(PROBE).ended);
    // Set by the supervisor
    EXPECT_OK(sys_thread_start(PROBE, (uint64_t)step_at, stack_new(), 0)); // without TF
    EXPECT(fault_of(PROBE).ended);
    struct message m = {THREAD_READ, {0}};
    EXPECT_OK(sys_thread_ctl(PROBE, &m));
    m.label = THREAD_WRITE;
    m.w[0] = (uint64_t)step_at;
    m.w[2] |= 0x100;
    EXPECT_OK(sys_thread_ctl(PROBE, &m));
    EXPECT_OK(sys_thread_set(PROBE, THREAD_RESUME, 0));
    f = fault_of(PROBE);
    EXPECT_EQ(f.vector, 1);
    EXPECT_EQ(f.rip, step_after);
}

static void t_mov_ss(void)
{
    for (unsigned i = 0; i < 20; i++) {
        struct fault f = probe(SLOT_TASK, (void (*)(uint64_t))(i & 1 ? pop_ss : mov_ss), 0);
        EXPECT(f.vector == 1 || f.ended);
        for (unsigned n = 0; n < 10 && !fault_of(PROBE).ended; n++)
            sys_thread_set(PROBE, THREAD_RESUME, 0);
    }
}

// ---- the fault signal
static void t_signal(void)
{
    uint64_t bits;

    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(task_new(TASK, SLOT_POOL, SIGNAL, 37, true));
    EXPECT_OK(thread_new(THREAD, TASK, THREAD_ACTIVE, 30, probe_write, 0x1234));
    EXPECT_OK(sys_wait(SIGNAL, ktest_tsc() + ticks(1000000), &bits));
    EXPECT_EQ(bits, 1ull << 37);
    EXPECT_EQ(thread_report_of(THREAD), REPORT_FAULTED);
    struct fault f = fault_of(THREAD);
    EXPECT(f.vector == 14 && f.address == 0x1234 && f.error == 6);
    // The supervisor repairs the cause and resumes: the instruction runs again.
    EXPECT_OK(ram_new(MEM, 0, PAGE));
    EXPECT_OK(sys_map(TASK, MEM, 0, 0x1000, PAGE, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_thread_set(THREAD, THREAD_RESUME, 0));
    EXPECT_OK(sys_wait(SIGNAL, ktest_tsc() + ticks(1000000), &bits));
    EXPECT(fault_of(THREAD).ended);
    EXPECT_OK(sys_map(SLOT_TASK, MEM, 0, VIEW, PAGE, MAP_READ));
    EXPECT_EQ(*(volatile uint8_t *)(VIEW + 0x234), 1);
    EXPECT_OK(sys_destroy(SIGNAL)); // a fault that nobody hears is no error
    EXPECT_OK(sys_thread_start(THREAD, 0x5000, stack_new(), 0));
    WAIT_UNTIL(fault_of(THREAD).address == 0x5000);
}

// A system call on a stack that is nonsense: the kernel never uses it.
__asm__(".pushsection .text\n"
        "bad_stack: mov %rdi, %rsp; mov $4, %edi; syscall; ud2\n"
        ".popsection");
extern const char bad_stack[];

static void t_bad_stack(void)
{
    static const uint64_t stack_pointers[] = {
        0, 1, 0xdeadbeef, USER_END, 0x0000800000000000, 0xffffffffa0005000, ~0ull};

    for (unsigned i = 0; i < sizeof(stack_pointers) / sizeof(stack_pointers[0]); i++) {
        struct fault f = probe(SLOT_TASK, (void (*)(uint64_t))bad_stack, stack_pointers[i]);
        struct message m = {THREAD_READ, {0}};
        EXPECT_EQ(f.vector, 6);
        EXPECT_OK(sys_thread_ctl(PROBE, &m));
        EXPECT_EQ(m.w[1], stack_pointers[i]);
    }
}

void tests_faults(void)
{
    ktest_run("fault/instructions", t_instructions);
    ktest_run("fault/non-canonical-jump", t_non_canonical_jump);
    ktest_run("fault/pages", t_page_faults);
    ktest_run("fault/last-page", t_last_page);
    ktest_run("fault/single-step", t_single_step);
    ktest_run("fault/mov-ss-syscall", t_mov_ss);
    ktest_run("fault/signal", t_signal);
    ktest_run("fault/bad-stack", t_bad_stack);
}
