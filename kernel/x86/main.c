// SPDX-License-Identifier: BSD-2-Clause
// The last part of the boot: devices of this CPU, the boot pool and the boot objects, and the root task, whose image is
// mapped as GRUB loaded it.
#include "apic.h"
#include "boot.h"
#include "cpu.h"
#include "log.h"
#include "paging.h"
#include "virt.h"
#include "../sched.h"
#include <elf.h>

static struct pool boot_pool;
static struct object hw;
static struct boot_info *info;
static struct task *root;
extern char text_start[], text_end[], kernel_end[];

static void need(enum status status, const char *what)
{
    if (status != OK)
        panic(what, status);
}

static void boot_pool_make(void)
{
    for (unsigned i = 0; i < boot.ram_count && !boot_pool.end; i++) {
        struct range *r = &boot.ram[i];
        if (r->end - r->base < 4 * BOOT_POOL || r->end > 1ull << 32)
            continue;
        r->end -= BOOT_POOL;
        boot_pool.base = boot_pool.next_page = r->end;
        boot_pool.end = r->end + BOOT_POOL;
    }
    if (!boot_pool.end)
        panic("no memory in one piece below 4 GiB; bytes needed:", 4 * BOOT_POOL);
    boot_pool.free_pages = BOOT_POOL / PAGE_SIZE;
    boot_pool.slots_left = OBJECT_COUNT - 8;
    need(object_register(&boot_pool.obj, OBJ_POOL, &boot_pool), "boot: pool: error");
}

void *virt_boot_page(void)
{
    return pool_alloc(&boot_pool, PAGE_SIZE);
}

static void give(unsigned slot, struct object *object, unsigned rights)
{
    root->caps[slot] = object_cap(object, rights);
}

static struct mem *mem_make(uint64_t base, uint64_t end, enum mem_kind kind)
{
    struct mem *mem;

    need(mem_create_boot(&boot_pool, base, end - base, kind, &mem), "boot: mem: error");
    return mem;
}

static void mem_list(uint64_t base, uint64_t end, enum mem_kind kind)
{
    if (base >= end || info->mem_count == BOOT_MEM_MAX)
        return;
    unsigned slot = SLOT_BOOT_MEM + info->mem_count;
    give(slot, &mem_make(base, end, kind)->obj, RIGHT_ALL);
    info->mem[info->mem_count++] = (struct boot_mem){base, end - base, kind, slot};
}

// Everything that may be handed out, as disjoint objects. LAPIC, I/O APICs, the kernel, its tables and the interrupt
// controller's ports are in none of them.
static void mem_objects(void)
{
    for (unsigned i = 0; i < boot.ram_count; i++)
        mem_list(boot.ram[i].base, boot.ram[i].end, MEM_RAM);
    mem_list(0xa0000, 0xc0000, MEM_DEVICE); // VGA
    uint64_t hole = boot.ram_top < 0xc0000000 ? 0xc0000000 : 0xe0000000;
    // HAZARD: device memory over RAM would be a second way to it, into the kernel's tables, too.
    if (hole < boot.low_top)
        hole = (boot.low_top + 0xfffffff) & ~0xfffffffull;
    mem_list(hole, 0xfec00000, MEM_DEVICE); // PCI
    mem_list(0, 0x20, MEM_PORTS);
    mem_list(0x22, 0xa0, MEM_PORTS);
    mem_list(0xa2, 0x10000, MEM_PORTS);
}

static void info_make(void)
{
    info = pool_alloc(&boot_pool, PAGE_SIZE);
    // clang-format off
    *info = (struct boot_info){
        .magic = INFO_MAGIC, .size = sizeof(*info), .cpus = arch_cpu_count(), .virt = virt ? virt->kind : VIRT_NONE,
        .virt_features = virt_apic ? VIRT_APIC : 0, .tsc_hz = tsc_hz, .tsc_entry = boot.tsc_entry, .ram_total = boot.ram_total,
        .kernel_text = text_end - text_start, .kernel_size = kernel_end - text_start, .system_base = boot.system.base,
        .system_size = boot.system.end - boot.system.base,
    };
    // clang-format on
    __builtin_memcpy(info->cmdline, boot.cmdline, sizeof(info->cmdline));
    __builtin_memcpy(info->cpu_name, features.name, sizeof(info->cpu_name));
}

static void map(struct mem *mem, uint64_t offset, uint64_t address, uint64_t size, unsigned rights)
{
    enum step step;

    do
        need(space_map(&root->space, mem, offset, address, size, rights, NULL, &step), "boot: map of root: error");
    while (step != STEP_DONE);
}

// Segments are page-aligned and complete in the file (the Makefile turns .bss into contents), so nothing is copied.
static uint64_t root_load(struct mem *image)
{
    // The image's first page is looked at through the window, like a pool; the file itself may be broken.
    arch_window_map(image->base, PAGE_SIZE);
    Elf64_Ehdr *elf = phys_to_virt(image->base);
    if (*(uint32_t *)elf->e_ident != 0x464c457f || elf->e_machine != EM_X86_64 ||
        elf->e_phoff + elf->e_phnum * sizeof(Elf64_Phdr) > PAGE_SIZE)
        panic("the root module is no x86-64 ELF file", elf->e_machine);
    Elf64_Phdr *s = (void *)((char *)elf + elf->e_phoff);
    for (unsigned i = 0; i < elf->e_phnum; i++, s++) {
        if (s->p_type != PT_LOAD)
            continue;
        uint64_t size = (s->p_memsz + PAGE_SIZE - 1) & -PAGE_SIZE;
        if ((s->p_offset | s->p_vaddr) & (PAGE_SIZE - 1) || s->p_filesz < s->p_memsz)
            panic("the root module has a segment that is not page-aligned and complete:", i);
        map(image, s->p_offset, s->p_vaddr, size,
            MAP_READ | (s->p_flags & PF_W ? MAP_WRITE : 0) | (s->p_flags & PF_X ? MAP_EXEC : 0));
    }
    uint64_t entry = elf->e_entry;
    arch_window_unmap(image->base, PAGE_SIZE);
    arch_window_flush();
    return entry;
}

static uint64_t page_up(uint64_t value)
{
    return (value + PAGE_SIZE - 1) & -PAGE_SIZE;
}

static void root_make(void)
{
    struct thread *thread;

    need(task_create(&boot_pool, 0, 0, PRIORITY_COUNT - 1, &root), "boot: root task: error");
    info_make();
    struct mem *image = mem_make(boot.root.base, page_up(boot.root.end), MEM_RAM);
    struct mem *info_mem = mem_make(virt_to_phys(info), virt_to_phys(info) + PAGE_SIZE, MEM_RAM);
    uint64_t entry = root_load(image);
    map(info_mem, 0, INFO_ADDRESS, PAGE_SIZE, MAP_READ);
    need(thread_create(&boot_pool, root, THREAD_ACTIVE, 0, PRIORITY_COUNT - 4, &thread), "boot: root thread: error");
    need(object_register(&hw, OBJ_HW, &boot_pool), "boot: hw: error");
    give(SLOT_TASK, &root->space.obj, RIGHT_ALL);
    give(SLOT_POOL, &boot_pool.obj, RIGHT_ALL);
    give(SLOT_THREAD, &thread->obj, RIGHT_ALL);
    give(SLOT_HW, &hw, RIGHT_ALL);
    give(SLOT_INFO, &info_mem->obj, RIGHT_READ);
    give(SLOT_ROOT_IMAGE, &image->obj, RIGHT_ALL);
    if (boot.system.end)
        give(SLOT_SYSTEM, &mem_make(boot.system.base, page_up(boot.system.end), MEM_RAM)->obj, RIGHT_ALL);
    mem_objects();
    uint64_t start[6] = {entry, 0, INFO_ADDRESS};
    need(thread_ctl(thread, THREAD_START, start), "boot: start of root: error");
}

void kernel_main(void)
{
    cpu_setup(0, boot.madt.cpu[0]);
    object_table_init((struct slot *)OBJECT_TABLE, OBJECT_COUNT);
    pic_disable();
    apic_cpu_init();
    this_cpu()->apic_id = apic_id();
    for (unsigned i = 0; i < boot.madt.ioapic_count; i++)
        ioapic_add(DEVICES + (i + 1) * PAGE_SIZE + (boot.madt.ioapic[i].address & 0xfff), boot.madt.ioapic[i].gsi_base);
    for (unsigned i = 0; i < boot.madt.override_count; i++)
        ioapic_override(boot.madt.override[i].gsi, boot.madt.override[i].flags);
    apic_timer_calibrate();
    apic_timer_mode();
    boot_pool_make();
    virt_init();
    smp_start();
    root_make();
    log_text("bulkhead: ");
    log_text(features.name);
    log_text(virt ? ", " : ", no hardware virtualization");
    log_text(virt ? virt->name : "");
    log_text("\n");
    info->tsc_root = arch_time();
    schedule();
}
