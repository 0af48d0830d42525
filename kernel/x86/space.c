// SPDX-License-Identifier: BSD-2-Clause
// The x86 part of tasks and guests: page-table format, PCID, I/O permission bitmap, and the window.
#include "../check.h"
#include "cpu.h"
#include "paging.h"
#include "virt.h"
#include <string.h>

#define CR3_KEEP   (1ull << 63)
#define PCID_COUNT 4096
#define ALL_ONES   0xff
#define TSS_PML4   (TSS_BASE >> 39 & 511)

uint64_t kernel_pml4[512] __attribute__((aligned(4096)));
uint64_t tss_table[512] __attribute__((aligned(4096)));
static uint64_t *window;
static uint64_t window_count;
static uint64_t pcids[PCID_COUNT / 64] = {1}; // 0 is the kernel's, and of tasks that found none free

// clang-format off
static struct ptab_format task_format = {
    .table = PTE_P | PTE_W | PTE_U, .leaf = PTE_P | PTE_U, .write = PTE_W, .no_exec = PTE_NX, .large = PTE_PS,
    .uncached = PTE_PCD | PTE_PWT, .present = PTE_P, .levels = 4,
};
// clang-format on

void window_init(uint64_t *entries, uint64_t count)
{
    window = entries;
    window_count = count;
    task_format.large_max = features.gib_pages ? 2 : 1;
}

void *phys_to_virt(uint64_t physical)
{
    return (void *)(WINDOW_BASE + physical);
}

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)address - WINDOW_BASE;
}

uint64_t kernel_phys(const void *image_address)
{
    return (uint64_t)image_address - KERNEL_BASE;
}

void arch_window_map(uint64_t base, uint64_t size)
{
    for (uint64_t page = base >> 12; page < (base + size) >> 12 && page < window_count; page++) // bound: pages
        window[page] = page << 12 | PTE_P | PTE_W | PTE_G | PTE_NX;
}

void arch_window_unmap(uint64_t base, uint64_t size)
{
    for (uint64_t page = base >> 12; page < (base + size) >> 12 && page < window_count; page++) // bound: pages
        window[page] = 0;
}

void arch_window_flush(void)
{
    uint64_t cr4 = read_cr4();

    if (features.pge) { // its entries are global: SDM 3A 4.10.4.1
        write_cr4(cr4 & ~CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

static uint64_t pcid_take(void)
{
    for (unsigned i = 0; features.pcid && i < PCID_COUNT / 64; i++) // bound: 64
        if (~pcids[i]) {
            unsigned bit = __builtin_ctzll(~pcids[i]);
            pcids[i] |= 1ull << bit;
            return i * 64 + bit;
        }
    return 0;
}

enum status arch_task_init(struct task *task)
{
    uint64_t *root = pool_alloc(task->space.ptab.pool, PAGE_SIZE);

    if (!root)
        return ERR_MEMORY;
    // The kernel's half: the window and its like are neighbours from its begin on, the image is at its end.
    for (unsigned i = 256; i < 511 && kernel_pml4[i]; i++)
        root[i] = kernel_pml4[i];
    root[511] = kernel_pml4[511];
    task->space.ptab.root = root;
    task->space.ptab.format = &task_format;
    task->space.tag = pcid_take();
    task->cr3 = virt_to_phys(root) | task->space.tag | (task->space.tag ? CR3_KEEP : 0);
    return OK;
}

void arch_space_flush(struct space *space)
{
    check_tlb_flush(space);
    if (space->obj.type == OBJ_GUEST) {
        vcpu_flush((struct guest *)space);
        return;
    }
    uint64_t cr3 = ((struct task *)space)->cr3 & ~CR3_KEEP, now = read_cr3();
    if (cr3 == now) {
        write_cr3(now);
    } else if (space->tag) { // loading it without the keep bit flushes its PCID
        write_cr3(cr3);
        write_cr3(now | CR3_KEEP);
    }
}

void arch_space_leave(struct space *space)
{
    check_tlb_leave(space);
    if (space->obj.type == OBJ_GUEST || !(space->cpus >> this_cpu()->number & 1))
        return; // its vCPUs do not enter it any more, and its tags come with them
    uint64_t cr3 = ((struct task *)space)->cr3 & ~CR3_KEEP, now = read_cr3();
    // HAZARD: it may be loaded still, in the idle loop or while a thread of another task does a system call here.
    if (space->tag) {
        write_cr3(cr3);
        write_cr3(cr3 == now ? kernel_phys(kernel_pml4) : now | CR3_KEEP);
    } else if (cr3 == now) {
        write_cr3(kernel_phys(kernel_pml4));
    }
}

void arch_task_release(struct task *task)
{
    struct pool *pool = task->space.ptab.pool;

    pcids[task->space.tag / 64] &= ~(task->space.tag ? 1ull << (task->space.tag & 63) : 0);
    for (unsigned i = 0; i < 3; i++)
        if (task->io_tables[i])
            pool_free(pool, task->io_tables[i], PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++)
        if (task->io_bitmap[i])
            pool_free(pool, task->io_bitmap[i], PAGE_SIZE);
    pool_free(pool, task->space.ptab.root, PAGE_SIZE);
}

static bool has_bitmap(const struct task *task)
{
    return task->space.ptab.root[TSS_PML4] != kernel_pml4[TSS_PML4];
}

// The task's own tables for the TSS area: the same TSS pages, its own bitmap behind each. CR3 then switches the bitmap.
// Makes one page, or links them when all are there.
static enum status bitmap_create(struct task *task)
{
    struct pool *pool = task->space.ptab.pool;
    uint64_t **tables = (uint64_t **)task->io_tables;

    for (unsigned i = 0; i < 2; i++)
        if (!task->io_bitmap[i]) {
            task->io_bitmap[i] = pool_page(pool);
            if (!task->io_bitmap[i])
                return ERR_MEMORY;
            memset(task->io_bitmap[i], ALL_ONES, PAGE_SIZE);
            return OK;
        }
    for (unsigned i = 0; i < 3; i++)
        if (!tables[i])
            return (tables[i] = pool_alloc(pool, PAGE_SIZE)) ? OK : ERR_MEMORY;
    tables[0][0] = virt_to_phys(tables[1]) | PTE_P | PTE_W;
    tables[1][0] = virt_to_phys(tables[2]) | PTE_P | PTE_W;
    for (unsigned i = 0; i < 512; i += TSS_STRIDE / PAGE_SIZE) // bound: 128
        if (tss_table[i]) {
            tables[2][i] = tss_table[i];
            tables[2][i + 1] = virt_to_phys(task->io_bitmap[0]) | PTE_P | PTE_NX;
            tables[2][i + 2] = virt_to_phys(task->io_bitmap[1]) | PTE_P | PTE_NX;
        }
    task->space.ptab.root[TSS_PML4] = virt_to_phys(tables[0]) | PTE_P | PTE_W;
    task->space.cleared++; // until it is flushed, a CPU may still see the bitmap that denies all
    return OK;
}

enum status arch_task_ports(struct task *task, uint64_t first, uint64_t *size, bool allow)
{
    uint64_t count = *size;

    if (!has_bitmap(task)) {
        if (!allow)
            return OK;
        *size = 0;
        return bitmap_create(task);
    }
    for (uint64_t port = first, next; port < first + count; port = next) { // bound: words of PORT_STEPS
        next = (port | 63) + 1 < first + count ? (port | 63) + 1 : first + count;
        uint64_t *word = (uint64_t *)task->io_bitmap[port >> 15] + (port >> 6 & 511);
        uint64_t mask = (next - port == 64 ? ~0ull : (1ull << (next - port)) - 1) << (port & 63);
        *word = allow ? *word & ~mask : *word | mask;
    }
    return OK;
}

enum status arch_guest_init(struct guest *guest)
{
    if (!virt)
        return ERR_UNSUPPORTED;
    guest->space.ptab.format = virt->guest_format();
    guest->space.ptab.root = pool_alloc(guest->space.ptab.pool, PAGE_SIZE);
    return guest->space.ptab.root ? OK : ERR_MEMORY;
}

void arch_guest_release(struct guest *guest)
{
    if (guest->apic_access)
        pool_free(guest->space.ptab.pool, guest->apic_access, PAGE_SIZE);
    pool_free(guest->space.ptab.pool, guest->space.ptab.root, PAGE_SIZE);
}
