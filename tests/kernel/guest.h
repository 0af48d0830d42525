// SPDX-License-Identifier: BSD-2-Clause
// What guest.S and its driver vcpu_drive.c agree on: addresses in the guest, and its commands, each
// named after the instruction that it executes.
#pragma once

#define GUEST_BASE   0x8000  // the image; entered in real mode
#define GUEST_COUNTS 0x16000 // uint32_t for each vector
#define READY_PORT   0x77

// clang-format off
#define GUEST_COMMANDS \
    X(nop) X(cpuid) X(in) X(out) X(rdmsr) X(wrmsr) X(hlt) X(load) X(store) X(read_cr0) \
    X(write_cr0) X(read_cr4) X(write_cr4) X(reload_cr3) X(read_dr7) X(write_dr7) X(xsetbv) \
    X(invd) X(wbinvd) X(vmmcall) X(vmcall) X(vmrun) X(vmload) X(vmsave) X(stgi) X(clgi) X(skinit) \
    X(invlpga) X(vmxon) X(vmxoff) X(vmclear) X(vmptrld) X(vmlaunch) X(vmread) X(invept) X(getsec) \
    X(monitor) X(mwait) X(rdpmc) X(rsm) X(read_cr8) X(write_cr8) X(int3) X(int41) X(spin) \
    X(spin_open) X(count) X(xmm_write) X(xmm_read) X(xsave) X(xrstor) X(fxsave) X(fxrstor) X(swapgs) X(rdtsc) X(invlpg) X(pause) \
    X(read_cr2) X(rdtscp) X(triple) X(step) X(stack) X(syscall) X(clts) X(lmsw) X(xgetbv) \
    X(shadow) X(invpcid) X(load32) X(store32) X(open) X(open_cr8) X(user)
// clang-format on
