// SPDX-License-Identifier: BSD-2-Clause
// System V ABI for ELF. HAZARD: file offsets, sizes and addresses are hostile: each is compared by
// subtraction from a bound that is known, never by a sum.
#include "boot_elf.h"

#include <elf.h>
#include <string.h>

#define SEGMENTS 64 // program headers that are looked at
#define NOTES    64 // notes of one segment that are looked at

#define FAIL(status, ...) boot_error(status, l->error, l->error_size, "kernel: " __VA_ARGS__)

enum load_status boot_load_segment(struct boot_image *l, uint64_t offset, uint64_t file_size,
                                   uint64_t address, uint64_t memory_size)
{
    if (memory_size < file_size)
        memory_size = file_size;
    if (memory_size == 0)
        return LOAD_OK;
    if (offset > l->size || file_size > l->size - offset)
        return FAIL(LOAD_BAD_IMAGE, "truncated: a segment ends behind the file's %zu bytes",
                    l->size);
    uint64_t low = guest_ram_low(l->ram);
    address += l->shift; // may wrap: the result is what is checked
    if (address > low || memory_size > low - address)
        return FAIL(LOAD_NO_MEMORY,
                    "a segment at 0x%llx with %llu KiB lies outside the %llu MiB of memory",
                    (unsigned long long)address, (unsigned long long)(memory_size >> 10),
                    (unsigned long long)(low >> 20));
    if (address < BOOT_LOW_AREA)
        return FAIL(LOAD_BAD_IMAGE, "a segment at 0x%llx lies below 1 MiB",
                    (unsigned long long)address);
    if (!guest_ram_write(l->ram, address, l->data + offset, file_size) ||
        !guest_ram_clear(l->ram, address + file_size, memory_size - file_size))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    if (address + memory_size > l->end)
        l->end = address + memory_size;
    return LOAD_OK;
}

// The header of either class, as ELF64; false when the file is too short or no ELF file.
static bool elf_header(const uint8_t *file, size_t size, Elf64_Ehdr *e)
{
    if (size < sizeof(*e) || memcmp(file, ELFMAG, SELFMAG) != 0)
        return false;
    memcpy(e, file, sizeof(*e));
    if (e->e_ident[EI_CLASS] == ELFCLASS64)
        return true;
    Elf32_Ehdr f;
    memcpy(&f, file, sizeof(f));
    e->e_machine = f.e_machine;
    e->e_entry = f.e_entry;
    e->e_phoff = f.e_phoff;
    e->e_phentsize = f.e_phentsize;
    e->e_phnum = f.e_phnum;
    return true;
}

// Whether all program headers lie in the file.
static bool elf_segments_ok(const Elf64_Ehdr *e, size_t size)
{
    bool is64 = e->e_ident[EI_CLASS] == ELFCLASS64;
    return e->e_phentsize >= (is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) && e->e_phnum != 0 &&
           e->e_phnum <= SEGMENTS && e->e_phoff <= size &&
           (uint64_t)e->e_phnum * e->e_phentsize <= size - e->e_phoff;
}

// Program header i of either class, as ELF64.
static Elf64_Phdr elf_segment(const uint8_t *file, const Elf64_Ehdr *e, unsigned i)
{
    const uint8_t *at = file + e->e_phoff + (size_t)i * e->e_phentsize;
    Elf64_Phdr p;
    if (e->e_ident[EI_CLASS] == ELFCLASS64) {
        memcpy(&p, at, sizeof(p));
        return p;
    }
    Elf32_Phdr q;
    memcpy(&q, at, sizeof(q));
    p = (Elf64_Phdr){
        .p_type = q.p_type,
        .p_offset = q.p_offset,
        .p_vaddr = q.p_vaddr,
        .p_paddr = q.p_paddr,
        .p_filesz = q.p_filesz,
        .p_memsz = q.p_memsz,
        .p_align = q.p_align,
    };
    return p;
}

static enum load_status elf_open(struct boot_image *l, Elf64_Ehdr *e)
{
    if (!elf_header(l->data, l->size, e))
        return FAIL(LOAD_BAD_IMAGE, "not an ELF file");
    bool is64 = e->e_ident[EI_CLASS] == ELFCLASS64;
    if (e->e_machine != (is64 ? EM_X86_64 : EM_386))
        return FAIL(LOAD_BAD_IMAGE, "ELF file for another processor (machine %u)", e->e_machine);
    if (!elf_segments_ok(e, l->size))
        return FAIL(LOAD_BAD_IMAGE, "corrupt: program headers at 0x%llx, %u of them",
                    (unsigned long long)e->e_phoff, e->e_phnum);
    return LOAD_OK;
}

enum load_status boot_load_elf(struct boot_image *l)
{
    Elf64_Ehdr e;
    enum load_status status = elf_open(l, &e);
    if (status != LOAD_OK)
        return status;
    l->entry = e.e_entry + l->shift;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p = elf_segment(l->data, &e, i);
        if (p.p_type != PT_LOAD)
            continue;
        status = boot_load_segment(l, p.p_offset, p.p_filesz, p.p_paddr, p.p_memsz);
        if (status != LOAD_OK)
            return status;
        // Many kernels are linked high and give their entry as a virtual address
        if (e.e_entry - p.p_vaddr < p.p_memsz)
            l->entry = e.e_entry - p.p_vaddr + p.p_paddr + l->shift;
    }
    return LOAD_OK;
}

enum load_status boot_elf_extent(struct boot_image *l, uint64_t *low, uint64_t *high)
{
    Elf64_Ehdr e;
    enum load_status status = elf_open(l, &e);
    if (status != LOAD_OK)
        return status;
    *low = UINT64_MAX;
    *high = 0;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p = elf_segment(l->data, &e, i);
        if (p.p_type != PT_LOAD || p.p_memsz == 0)
            continue;
        if (p.p_memsz > UINT64_MAX - p.p_paddr)
            return FAIL(LOAD_BAD_IMAGE, "corrupt: a segment at 0x%llx wraps around",
                        (unsigned long long)p.p_paddr);
        if (p.p_paddr < *low)
            *low = p.p_paddr;
        if (p.p_paddr + p.p_memsz > *high)
            *high = p.p_paddr + p.p_memsz;
    }
    return *high ? LOAD_OK : FAIL(LOAD_BAD_IMAGE, "corrupt: nothing in it is to be loaded");
}

// One segment of notes: name size, description size, type, name, description, each padded to 4.
static bool find_note(const uint8_t *at, size_t left, const char *name, uint32_t type,
                      uint64_t *value)
{
    size_t name_size = strlen(name) + 1;
    for (unsigned i = 0; i < NOTES; i++) {
        Elf64_Nhdr n;
        if (left < sizeof(n))
            return false;
        memcpy(&n, at, sizeof(n));
        uint64_t name_space = ((uint64_t)n.n_namesz + 3) & ~3ull;
        uint64_t space = ((uint64_t)n.n_descsz + 3) & ~3ull;
        if (left - sizeof(n) < name_space || left - sizeof(n) - name_space < n.n_descsz)
            return false;
        const uint8_t *text = at + sizeof(n), *content = text + name_space;
        if (n.n_type == type && n.n_namesz == name_size && memcmp(text, name, name_size) == 0 &&
            (n.n_descsz == 4 || n.n_descsz == 8)) {
            *value = 0;
            memcpy(value, content, n.n_descsz);
            return true;
        }
        uint64_t length = sizeof(n) + name_space + space;
        if (length > left)
            return false;
        at += length;
        left -= length;
    }
    return false;
}

bool boot_elf_note(const void *file, size_t size, const char *name, uint32_t type, uint64_t *value)
{
    Elf64_Ehdr e;
    if (!elf_header(file, size, &e) || !elf_segments_ok(&e, size))
        return false;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p = elf_segment(file, &e, i);
        if (p.p_type != PT_NOTE || p.p_offset > size || p.p_filesz > size - p.p_offset)
            continue;
        if (find_note((const uint8_t *)file + p.p_offset, p.p_filesz, name, type, value))
            return true;
    }
    return false;
}

enum load_status boot_place_module(struct boot_image *l, const struct boot_module *module,
                                   unsigned number, uint64_t *address)
{
    uint64_t low = guest_ram_low(l->ram);
    uint64_t at = (l->end + BOOT_PAGE - 1) & ~(BOOT_PAGE - 1);
    if (at > low || module->size > low - at)
        return boot_error(LOAD_NO_MEMORY, l->error, l->error_size,
                          "module %u: its %zu KiB do not fit behind 0x%llx", number,
                          module->size >> 10, (unsigned long long)at);
    guest_ram_write(l->ram, at, module->data, module->size);
    l->end = at + module->size;
    *address = at;
    return LOAD_OK;
}

uint32_t boot_string(struct boot_image *l, const char *string)
{
    uint64_t at = PLATFORM_BOOT_CMDLINE + l->strings, left = PLATFORM_BOOT_CMD_SIZE - l->strings;
    size_t length = strnlen(string, left);
    const char end = 0;
    if (length == left || !guest_ram_write(l->ram, at, string, length) ||
        !guest_ram_write(l->ram, at + length, &end, 1))
        return 0;
    l->strings += length + 1;
    return (uint32_t)at;
}
