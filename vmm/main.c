// SPDX-License-Identifier: BSD-2-Clause
// The virtual machine monitor of one VM. Start reading here; then machine.c, which builds the PC,
// and run.c, the loop of its vCPUs.
#include "bulkhead/syscall.h"
#include "machine.h"

static struct vm vm;

int main(const struct task_info *info);
int main(const struct task_info *info)
{
    char error[112];

    vm.info = info;
    vm.status = task_status();
    vm.ram = (struct guest_ram){(uint8_t *)RAM_ADDRESS, info->ram_size};
    vm.vcpus = info->guest_cpus < APIC_CPUS ? info->guest_cpus : APIC_CPUS;
    for (unsigned i = 0; i < vm.vcpus; i++) {
        struct vcpu *vcpu = &vm.vcpu[i];

        vcpu->vm = &vm;
        vcpu->index = i;
        vcpu->signal = i ? TASK_SLOT_VCPU_SIGNAL + i : TASK_SLOT_SIGNAL;
        vcpu->page = (struct vcpu_page *)(VCPU_PAGE_ADDRESS + i * VCPU_PAGE_STEP);
        vcpu_find_fpu(vcpu, (void *)(VCPU_FPU_ADDRESS + i * VCPU_PAGE_STEP));
        vcpu->apic_page =
            info->virtual_apic ? (void *)(VCPU_APIC_ADDRESS + i * VCPU_PAGE_STEP) : NULL;
    }
    vm.save.image = (void *)SNAPSHOT_ADDRESS;
    line_open(&vm);
    if (!machine_build(&vm, error, sizeof(error)))
        task_fail(error);
    if (sys_vcpu_bind(TASK_SLOT_THREAD, TASK_SLOT_SIGNAL) != OK)
        task_fail("its signal cannot be bound to the virtual CPU");
    vm_run(&vm);
}
