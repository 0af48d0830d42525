// SPDX-License-Identifier: BSD-2-Clause
// Drives the guest of guest.S from a vCPU thread: what test_vcpu.c and test_confinement.c share.
// The guest waits at READY for a command; each function that lets it run returns at its next exit.
#pragma once

#include "bulkhead/syscall.h"
#include "bulkhead/vcpu.h"
#include "guest.h"
#include "ktest.h"

#define X(name) G_##name,
enum guest_command { GUEST_COMMANDS G_COUNT };
#undef X

extern const char guest_image[], guest_image_end[], guest_lstar[];

#define GUEST_RAM 0x200000ull
#define RAM_VIEW  0x50000000ull // where this task sees the guest's memory
#define PAGE_VIEW 0x51000000ull
#define APIC_VIEW (PAGE_VIEW + 0x1000)
#define FPU_VIEW  (PAGE_VIEW + 0x2000)

static struct vcpu_page *const page = (struct vcpu_page *)PAGE_VIEW;
static volatile uint32_t *const apic = (volatile uint32_t *)APIC_VIEW; // by offset / 4
static volatile uint64_t *const fpu = (volatile uint64_t *)FPU_VIEW;
static uint8_t *const ram = (uint8_t *)RAM_VIEW;

extern bool guest_on_vmx;        // VT-x, else SVM
extern bool guest_has_apic;      // APIC virtualization
extern enum status guest_status; // of the last vcpu_run

// State at the guest's first instruction, in real mode, with its image anew and every group dirty.
void guest_reset(void);
// Runs on as the vCPU page says. EXIT_CLASSES: vcpu_run failed, see guest_status.
enum vcpu_exit guest_run(void);
// Starts a command and returns its first exit. The guest stands at READY.
enum vcpu_exit guest_go(enum guest_command command);
bool guest_is_ready(enum vcpu_exit exit);
// The command ends with the next exit.
bool guest_finish(void);
// The command has no exit but READY.
bool guest_plain(enum guest_command command);
// Runs until READY, doing what a vmm does for control registers and EFER. False, and logged:
// another exit.
bool guest_settle(enum vcpu_exit exit);
// Moves RIP behind the instruction that exited.
void guest_skip(void);
// MOV to and from control registers, decoded or not, and moves on.
void guest_emulate_cr(void);
void guest_inject(uint32_t type, uint32_t vector, uint32_t window);
// How often the guest's handler of a vector ran.
uint32_t guest_count(unsigned vector);

// What the guest must not reach. The vCPU is useless after the second without guest_reset().
void test_confinement(void);
void test_confinement_cr4(void);
// APIC virtualization; the guest is at READY before and after.
void test_apic(void);
void test_apic_hostile(void);                                       // boots it itself
void test_apic_create(unsigned guest, unsigned mem, unsigned slot); // a page to map, a free slot
