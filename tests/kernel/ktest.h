// SPDX-License-Identifier: BSD-2-Clause
// The kernel's tests: a root task that runs on the kernel alone. Each test prints "PASS name" or
// "FAIL name: where, what", and cleans up: a test that leaves objects behind has failed. ktest.c is
// the frame, each test_*.c has the tests of one subject.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bulkhead/syscall.h"

#define PAGE 4096ull

// ---- Slots of the root task. Those from T to T_END are emptied after each test, and what they
// name is destroyed.
enum { S_NEVER = 90, T = 100, T_END = 400 };
#define FREE_SLOT 399 // for creations that must fail

// ---- Addresses that tests may map at, in any task
#define VIEW  0x60000000ull
#define VIEW2 0x68000000ull

extern const struct boot_info *boot;
extern bool machine_bochs; // the emulator is Bochs, else QEMU
extern unsigned
    ram_slot; // the largest RAM object; its first RAM_ALIGN-aligned bytes are at ram_offset
extern uint64_t ram_offset;
#define RAM_ALIGN 0x200000ull

void ktest_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ktest_check(bool ok, const char *name); // a test by itself
void ktest_run(const char *name, void (*test)(void));
void ktest_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool ktest_equal(const char *file, int line, const char *what, uint64_t got, uint64_t want);
bool ktest_status(const char *file, int line, const char *what, enum status got, enum status want);

#define EXPECT(condition)                                     \
    do {                                                      \
        if (!(condition))                                     \
            ktest_fail(__FILE__, __LINE__, "%s", #condition); \
    } while (0)
#define EXPECT_EQ(got, want) \
    ktest_equal(__FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define EXPECT_STATUS(got, want) ktest_status(__FILE__, __LINE__, #got, (got), (want))
#define EXPECT_OK(got)           EXPECT_STATUS(got, OK)

static inline uint64_t ktest_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
uint64_t ticks(uint64_t microseconds);
void sleep_us(uint64_t microseconds); // lower priorities run
// Sleeps until the condition holds; emulators may be slow, so for as long as two seconds.
#define WAIT_UNTIL(condition)                                  \
    do {                                                       \
        for (unsigned i_ = 0; !(condition) && i_ < 4000; i_++) \
            sleep_us(500);                                     \
        EXPECT(condition);                                     \
    } while (0)

// ---- raw.S: a system call with every register chosen and every register seen
enum { A, C, D, B, SP, BP, SI, DI }; // then 8..15
struct raw {
    uint64_t r[16]; // r[SP] is not loaded
    uint64_t rflags;
    uint64_t rsp_before, rsp_after;
};
void raw_syscall(struct raw *raw);
extern const char raw_return[]; // where it comes back to
void raw_fill(struct raw *raw, uint64_t operation,
              uint64_t seed);        // patterns in all registers; rdi = operation
extern const uint8_t raw_message[7]; // indices of the message's registers: label, w0..w5

// ---- Things to test with. `slot`: the slot to fill in the root task.
uint64_t stack_new(void); // top of a fresh 8 KiB stack, given back after the test
// A thread of `task` that runs `entry(argument)`; when that returns, the thread faults (#UD).
enum status thread_new(unsigned slot, unsigned task, enum thread_kind kind, unsigned priority,
                       void (*entry)(uint64_t), uint64_t argument);
enum status ram_new(unsigned slot, uint64_t offset,
                    uint64_t size); // a child of the largest RAM object
// A task with the program of this one; with `share` also its variables. It has no capabilities.
// Faults raise `signal`'s `bit`.
enum status task_new(unsigned slot, unsigned pool, unsigned signal, unsigned bit, bool share);
enum status program_map(unsigned task, bool share); // what task_new maps
void give(unsigned task, unsigned slot, unsigned to_slot, unsigned rights);
uint64_t slots_free(unsigned pool);
uint64_t pages_free(unsigned pool);
unsigned thread_report_of(unsigned slot); // enum thread_report
void thread_end(void);

// ---- The tests
void tests_objects(void);
void tests_capabilities(void);
void tests_memory(void);
void tests_stale(void);
void tests_ipc(void);
void tests_threads(void);
void tests_faults(void);
void tests_schedule(void);
void tests_budget(void);
bool clock_is_exact(void); // it counts instructions: Bochs, QEMU with -icount
void tests_destroy(void);
void tests_devices(void);
void tests_fpu(void);
void tests_fpu_owners(void);
void t_domains(void);
void tests_fuzz(void);
void test_vcpu(void);

// ---- A thread of higher priority than this one: runs `entry` at once, until it faults or returns
// (then the fault is #UD at thread_end)
struct fault {
    uint64_t vector, error, address, rip;
    bool ended; // no fault
};
#define PROBE (T_END - 5) // its slot; it stays there until the test's end or the next probe
struct fault probe(unsigned task, void (*entry)(uint64_t), uint64_t argument);
void probe_read(uint64_t address);
void probe_write(uint64_t address);
void probe_exec(uint64_t address);
