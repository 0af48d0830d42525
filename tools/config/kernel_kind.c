// SPDX-License-Identifier: BSD-2-Clause
// What a guest's kernel is, from its first bytes: a Linux bzImage (Linux
// Documentation/arch/x86/boot.rst) or an ELF with a Multiboot header (Multiboot 0.6.96, 3.1). The
// vmm finds out again by itself: this is only so that a wrong file is refused before anything is
// built. Any bytes may come in.
#include <string.h>

#include "config.h"

enum {
    // Offsets in the setup header of a bzImage.
    SETUP_SECTS = 0x1F1,
    SYSSIZE = 0x1F4,
    BOOT_FLAG = 0x1FE,
    HEADER_MAGIC = 0x202,
    VERSION = 0x206,
    LOADFLAGS = 0x211,
    XLOADFLAGS = 0x236,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    HEADER_END = 0x264,
    LOADED_HIGH = 1, // of LOADFLAGS
    KERNEL_64 = 1,   // of XLOADFLAGS
    VERSION_INIT_SIZE = 0x20C,
};

static uint64_t read_le(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | from[bytes];
    return value;
}

static bool has_multiboot(const uint8_t *head, size_t length)
{
    if (length > KERNEL_HEAD)
        length = KERNEL_HEAD;
    for (size_t at = 0; at + 12 <= length; at += 4) {
        uint32_t magic = (uint32_t)read_le(head + at, 4);
        uint32_t flags = (uint32_t)read_le(head + at + 4, 4);
        uint32_t checksum = (uint32_t)read_le(head + at + 8, 4);

        if (magic == 0x1BADB002 && (uint32_t)(magic + flags + checksum) == 0)
            return true;
    }
    return false;
}

static struct kernel_info identify_linux(const uint8_t *head)
{
    if (read_le(head + VERSION, 2) < VERSION_INIT_SIZE)
        return (struct kernel_info){.error = "is a Linux kernel older than boot protocol 2.12"};
    if (!(head[LOADFLAGS] & LOADED_HIGH) || !(read_le(head + XLOADFLAGS, 2) & KERNEL_64))
        return (struct kernel_info){.error = "is a 32-bit Linux kernel; a 64-bit one is needed"};
    uint64_t needs, sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
    if (__builtin_add_overflow(read_le(head + PREF_ADDRESS, 8), read_le(head + INIT_SIZE, 4),
                               &needs))
        return (struct kernel_info){.error = "has a damaged Linux header"};
    // Boot sector and setup, then the compressed kernel, in paragraphs. A signature may follow.
    return (struct kernel_info){.kind = "bzimage",
                                .needs = needs,
                                .file_size = (sectors + 1) * 512 + read_le(head + SYSSIZE, 4) * 16};
}

struct kernel_info kernel_identify(const uint8_t *head, size_t length)
{
    if (length >= HEADER_END && read_le(head + BOOT_FLAG, 2) == 0xAA55 &&
        !memcmp(head + HEADER_MAGIC, "HdrS", 4))
        return identify_linux(head);
    if (has_multiboot(head, length)) {
        if (length < 4 || memcmp(head, "\177ELF", 4))
            return (struct kernel_info){
                .error = "has a Multiboot header but is no ELF file; only ELF is loaded"};
        return (struct kernel_info){.kind = "multiboot"};
    }
    if (length >= 4 && !memcmp(head, "\177ELF", 4))
        return (struct kernel_info){
            .error =
                "is an ELF file without a Multiboot header; for Linux give the bzImage (vmlinuz)"};
    return (struct kernel_info){.error = "is neither a Linux bzImage nor a Multiboot ELF"};
}
