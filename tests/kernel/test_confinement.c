// SPDX-License-Identifier: BSD-2-Clause
// Each line of the kernel's confinement lists (kernel/x86/vmx, kernel/x86/svm), tried by the guest
// in guest.S: it exits or faults.
#include "vcpu_drive.h"

// What the guest tries must exit, or fault in the guest.
static void tries(enum guest_command command, enum vcpu_exit expected, const char *name)
{
    enum vcpu_exit exit = guest_go(command);

    if (exit == expected) {
        if (exit == EXIT_CR)
            guest_emulate_cr();
        else
            guest_skip();
        ktest_check(guest_finish(), name);
        return;
    }
    ktest_check(guest_is_ready(exit) && page->gpr[R14] == 0x106, name);
    if (!guest_is_ready(exit))
        guest_settle(exit);
}

void test_confinement(void)
{
    page->gpr[RSI] = 0x2000;
    page->gpr[RAX] = 0x2000;
    page->gpr[RCX] = page->gpr[RDX] = 0;
    tries(G_vmrun, EXIT_UNDEFINED, "must: VMRUN");
    tries(G_vmload, EXIT_UNDEFINED, "must: VMLOAD");
    tries(G_vmsave, EXIT_UNDEFINED, "must: VMSAVE");
    tries(G_stgi, EXIT_UNDEFINED, "must: STGI");
    tries(G_clgi, EXIT_UNDEFINED, "must: CLGI");
    tries(G_skinit, EXIT_UNDEFINED, "must: SKINIT");
    tries(G_invlpga, EXIT_UNDEFINED, "must: INVLPGA");
    tries(G_vmxon, EXIT_UNDEFINED, "must: VMXON");
    tries(G_vmxoff, EXIT_UNDEFINED, "must: VMXOFF");
    tries(G_vmclear, EXIT_UNDEFINED, "must: VMCLEAR");
    tries(G_vmptrld, EXIT_UNDEFINED, "must: VMPTRLD");
    tries(G_vmlaunch, EXIT_UNDEFINED, "must: VMLAUNCH");
    tries(G_vmread, EXIT_UNDEFINED, "must: VMREAD");
    tries(G_invept, EXIT_UNDEFINED, "must: INVEPT");
    if (guest_on_vmx) // SVM has no control that takes it away
        tries(G_invpcid, EXIT_UNDEFINED, "INVPCID");
    tries(G_getsec, EXIT_UNDEFINED, "must: GETSEC");
    tries(G_vmcall, EXIT_HYPERCALL, "must: VMCALL");
    tries(G_vmmcall, EXIT_HYPERCALL, "must: VMMCALL");
    tries(G_monitor, EXIT_UNDEFINED, "must: MONITOR");
    tries(G_mwait, EXIT_UNDEFINED, "must: MWAIT");
    tries(G_rsm, EXIT_UNDEFINED, "must: RSM");
    tries(G_invd, EXIT_INVD, "must: INVD");
    tries(G_wbinvd, EXIT_INVD, "must: WBINVD");
    tries(G_rdpmc, EXIT_RDPMC, "must: RDPMC");
    tries(G_read_cr8, EXIT_CR, "must: CR8 read");
    tries(G_write_cr8, EXIT_CR, "must: CR8 write");
    for (unsigned i = 0; i < 6; i++) {
        static const uint32_t msrs[] = {0x1b, 0x79, 0x1d9, 0x277, 0xc0010015, 0xc0000080};
        page->gpr[RCX] = msrs[i];
        page->gpr[RAX] = page->gpr[RDX] = 0;
        tries(G_wrmsr, EXIT_WRMSR, "must: MSR bitmap");
    }
    for (unsigned i = 0; i < 4; i++) {
        static const uint16_t ports[] = {0x20, 0x3f8, 0xcf8, 0xfffc};
        page->gpr[RDX] = ports[i];
        tries(G_out, EXIT_IO, "must: I/O bitmap");
    }

    // CR0.CD reads back as written and never gets to the processor: caches stay on.
    guest_plain(G_nop);
    bool ok = guest_settle(guest_go(G_read_cr0));
    uint64_t cr0 = page->gpr[RAX];
    page->gpr[RAX] = cr0 | 1ull << 30;
    ok = ok && guest_go(G_write_cr0) == EXIT_CR;
    guest_emulate_cr();
    ok = ok && guest_finish() && guest_settle(guest_go(G_read_cr0)) &&
         page->gpr[RAX] == (cr0 | 1ull << 30);
    page->gpr[RAX] = cr0;
    ktest_check(ok && guest_settle(guest_go(G_write_cr0)) && guest_settle(guest_go(G_read_cr0)) &&
                    page->gpr[RAX] == cr0,
                "must: CR0.CD");
    ok = guest_settle(guest_go(G_read_cr4));
    page->gpr[RAX] |= 1 << 18; // OSXSAVE
    guest_settle(guest_go(G_write_cr4));
    page->gpr[RCX] = page->gpr[RDX] = 0;
    page->gpr[RAX] = 3;
    enum vcpu_exit exit = guest_go(G_xsetbv);
    // QEMU 7.2 never intercepts it; the owner rule then switches the real XCR0.
    ktest_check(exit == EXIT_XSETBV || (!guest_on_vmx && guest_is_ready(exit) && !page->gpr[R14]),
                "must: XSETBV");
    if (exit == EXIT_XSETBV) {
        page->xcr0 = 3;
        page->dirty = GROUP_XSTATE;
        guest_skip();
        guest_finish();
    }
    page->gpr[RCX] = 0;
    ktest_check(guest_plain(G_xgetbv) && (uint32_t)page->gpr[RAX] == 3, "XCR0 is the guest's");

    exit = guest_go(G_user);
    for (unsigned i = 0; exit == EXIT_CR && i < 4; i++) { // CR0.AM, on SVM
        guest_emulate_cr();
        exit = guest_run();
    }
    if (exit == EXIT_EXCEPTION && EVENT_VECTOR(page->event) == 17) {
        guest_inject(EVENT_EXCEPTION, 17, 0);
        page->inject |= EVENT_HAS_ERROR;
        page->inject_error = 0;
        ktest_check(guest_settle(guest_run()) && page->gpr[R14] == 0x111, "must: #AC");
    } else { // QEMU does not check alignment
        ktest_check(!guest_on_vmx && guest_is_ready(exit) && !page->gpr[R14], "must: #AC");
    }
    ktest_check(guest_go(G_triple) == EXIT_SHUTDOWN, "must: shutdown");
}

// Last: QEMU stops such a guest for good (EXIT_INVALID).
void test_confinement_cr4(void)
{
    bool ok = guest_settle(guest_go(G_read_cr4));

    page->gpr[RAX] |= 1 << 13; // VMXE: VT-x exits, AMD has no such bit
    enum vcpu_exit exit = guest_go(G_write_cr4);
    ktest_check(ok && (exit == EXIT_CR || (!guest_on_vmx && exit == EXIT_INVALID) ||
                       (guest_is_ready(exit) && page->gpr[R14] == 0x10d)),
                "must: CR4.VMXE");
}
