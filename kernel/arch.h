// SPDX-License-Identifier: BSD-2-Clause
// What the kernel core needs from the architecture: a contract of functions. x86 fulfils it in kernel/x86/, the host
// unit tests with a model of their own (tests/unit/arch_host.c).
#pragma once

#include "thread.h"

void *phys_to_virt(uint64_t physical); // only for memory that is in the window
uint64_t virt_to_phys(const void *address);
// Shows or hides a physical range in the window. Tables for it were set aside at boot, so it cannot fail. What was
// hidden may be cached until each CPU has called arch_window_flush.
void arch_window_map(uint64_t base, uint64_t size);
void arch_window_unmap(uint64_t base, uint64_t size);
void arch_window_flush(void);

// TSC; the present CPU; a preemption point: interrupts that are pending are taken. All invariants must hold there.
#ifdef HOST_TEST
uint64_t arch_time(void);
struct cpu *this_cpu(void);
void arch_preempt_point(void);
#else
#include "x86/inline.h"
#endif
unsigned arch_cpu_count(void);         // those that run, numbered from 0; does not change after boot
struct cpu *arch_cpu(unsigned number); // NULL when there is none
// Interrupts a CPU that runs, also out of a guest or HLT: it calls cpu_interrupt(). What was stored before is seen
// there. Interrupts that come together may arrive as one. To itself it works, too.
void arch_ipi(struct cpu *cpu);
void arch_timer_arm(uint64_t deadline); // one-shot, absolute TSC; TIMER_NONE stops it

enum status arch_task_init(struct task *task); // kernel half of the tables, PCID
void arch_task_release(struct task *task);     // gives back what arch_task_init and arch_task_ports took
// Opens or closes *count I/O ports, at most PORT_STEPS, and says how many it came to: none when it made a piece of the
// task's bitmap instead. Errors: ERR_MEMORY (to close never fails, and is always complete).
enum status arch_task_ports(struct task *task, uint64_t first, uint64_t *count, bool allow);
enum status arch_guest_init(struct guest *guest);
void arch_guest_detach(struct guest *guest); // its vCPUs enter it no more
void arch_guest_release(struct guest *guest);
// This CPU uses no translation of the space any more that was taken out of its tables.
void arch_space_flush(struct space *space);
// Nobody runs in it any more, and this CPU holds nothing of it: CR3 (the idle loop too), tags.
void arch_space_leave(struct space *space);

// The thread dies: on CPU 0, nothing leads to its vCPU any more, and the vCPU page is not mapped any more. A step at a
// time; true: that was all.
bool arch_thread_detach(struct thread *thread);
// This CPU, the thread's home, holds nothing of it: FPU and debug owner (its state is saved), VMCS, translations of the
// vCPU page. It can go on on another CPU.
void arch_thread_leave(struct thread *thread);
void arch_thread_release(struct thread *thread); // then: gives back what it had
// Takes at most VCPU_PAGES pages of the thread's pool. page_address, and the two pages behind it if it
// needs them, are reserved.
#define VCPU_PAGES 6
enum status arch_vcpu_create(struct thread *thread, struct guest *guest, uint64_t page_address);
// FLAG_SLOW, or 0: what its state word begins with.
uint32_t arch_thread_flags(const struct task *task, enum thread_kind kind);
enum status arch_thread_area(struct thread *thread); // a save area for the extended state, once; on CPU 0. ERR_MEMORY
enum status arch_thread_fpu(struct thread *thread, bool use);
// Executes the system call in `thread->regs`, of a thread that came here for it, on an empty stack.
_Noreturn void arch_syscall(struct thread *thread);
// Makes `thread` the current one and returns to user mode; does not come back.
_Noreturn void arch_return(struct thread *thread);
_Noreturn void arch_idle(void);
// The calling thread's vcpu_run. Sets the thread's result.
void arch_vcpu_run(struct thread *thread);
// A signal bound to the thread's vCPU was raised: if it is in its guest, on whatever CPU, it leaves it.
void arch_vcpu_kick(struct thread *thread);
// The signal bound to it was destroyed, or the vCPU is: the binding ends on both sides.
void arch_vcpu_unbind(struct thread *thread);
struct signal;
// ERR_STATE: not a vCPU; ERR_BUSY: bound already
enum status arch_vcpu_bind(struct thread *thread, struct signal *signal);

enum status arch_irq_bind(unsigned gsi, uint32_t flags, void *irq); // irq = NULL releases
void arch_irq_mask(unsigned gsi, bool mask);
enum status arch_hw_ctl(uint64_t op, uint64_t words[6]);
bool arch_log_byte(char byte); // false when the port is not ready for it
void log_text(const char *text);
_Noreturn void panic(const char *what, uint64_t value); // a bug in the kernel, or a machine that it cannot run on
