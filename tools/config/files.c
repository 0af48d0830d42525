// SPDX-License-Identifier: BSD-2-Clause
// Finds the files that the configuration names and checks what can be checked before anything is
// built: they exist, can be read, are what they should be, and fit into the memory that is there.
#define _GNU_SOURCE // strverscmp
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

// What the kernel, root, GRUB and the firmware need beside the VMs.
static const uint64_t machine_reserve = 32 * MIB;

static const struct {
    const char *part, *package;
} packages[] = {
    {"-cloud-amd64", "linux-image-cloud-amd64"},
    {"-rt-amd64", "linux-image-rt-amd64"},
    {"vmlinuz", "linux-image-amd64"},
    {"invaders", "grub-invaders"},
    {"memtest86", "memtest86+"},
    {"ipxe.lkrn", "ipxe"},
};

static const char *remedy(struct config *config, const char *path)
{
    if (path[0] == '/')
        for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
            if (strstr(path, packages[i].part))
                return config_printf(config, "install the package %s", packages[i].package);
    return "correct the path (a relative one starts at the configuration file)";
}

static const char *directory_of(struct config *config)
{
    const char *slash = strrchr(config->file, '/');

    return slash ? config_strdup(config, config->file, (size_t)(slash - config->file) + 1) : "";
}

// The newest match of a pattern, in the order of versions; NULL when there is none.
static const char *expand(struct config *config, const char *pattern)
{
    const char *best = NULL;
    glob_t matches;

    if (glob(pattern, 0, NULL, &matches))
        return NULL;
    for (size_t i = 0; i < matches.gl_pathc; i++)
        if (!best || strverscmp(matches.gl_pathv[i], best) > 0)
            best = matches.gl_pathv[i];
    if (best)
        best = config_strdup(config, best, strlen(best));
    globfree(&matches);
    return best;
}

// From what is written in the file to a path on this machine, or NULL with a report.
static const char *find(struct config *config, const struct node *node, const char *text,
                        bool *from_build)
{
    *from_build = !strncmp(text, "build:", 6);
    if (*from_build) {
        const char *name = text + 6;

        if (!*name || *name == '/' || strstr(name, "..")) {
            report(config, node,
                   "%s names nothing that the build makes; write for example build:initrd",
                   quoted(config, text));
            return NULL;
        }
        return config_printf(config, "%s/%s", config->build, name);
    }
    const char *path =
        text[0] == '/' ? text : config_printf(config, "%s%s", directory_of(config), text);
    if (!strpbrk(path, "*?["))
        return path;
    const char *match = expand(config, path);
    if (!match)
        report(config, node, "no file matches %s: %s", printable(config, path),
               remedy(config, path));
    return match;
}

static struct image *add_image(struct config *config, const char *name, const char *path,
                               uint64_t size)
{
    struct image **end = &config->system.images;

    for (; *end; end = &(*end)->next)
        if (!strcmp((*end)->path, path))
            return *end; // two VMs that start the same file share it
    struct image *image = config_alloc(config, sizeof(*image));
    image->name = name;
    image->path = path;
    image->size = size;
    *end = image;
    return image;
}

// Opens the file that a node names; -1 with a report.
static int open_file(struct config *config, const struct node *node, const char *path,
                     bool from_build, uint64_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0) {
        int error = errno;

        if (from_build && error == ENOENT)
            report(config, node, "%s is not built: run ./bulkhead build", printable(config, path));
        else if (error == ENOENT)
            report(config, node, "there is no file %s: %s", printable(config, path),
                   remedy(config, path));
        else if (error == EACCES)
            report(config, node, "%s may not be read: make it readable, or run as root",
                   printable(config, path));
        else
            report(config, node, "%s cannot be read: %s", printable(config, path), strerror(error));
        return -1;
    }
    if (fstat(file, &status) || !S_ISREG(status.st_mode) || !status.st_size) {
        report(config, node, "%s is %s", printable(config, path),
               S_ISREG(status.st_mode) ? "empty" : "not a file");
        close(file);
        return -1;
    }
    *size = (uint64_t)status.st_size;
    return file;
}

static struct image *check_file(struct config *config, const struct vm *vm, const struct node *node,
                                const char *text, bool is_kernel, uint64_t *needs)
{
    uint8_t head[KERNEL_HEAD];
    struct kernel_info info = {0};
    uint64_t size;
    bool from_build;
    const char *path = find(config, node, text, &from_build);

    if (!path)
        return NULL;
    if (from_build && config->check_only && access(path, F_OK))
        return NULL;
    int file = open_file(config, node, path, from_build, &size);
    if (file < 0)
        return NULL;
    if (is_kernel) {
        ssize_t got = read(file, head, sizeof(head));

        info = kernel_identify(head, got > 0 ? (size_t)got : 0);
        if (info.error)
            report(config, node, "%s %s", printable(config, path), info.error);
        else if (size < info.file_size)
            report(config, node,
                   "%s is cut off: it has %llu bytes, its header tells of %llu; copy it again, or "
                   "reinstall the package that it came from",
                   printable(config, path), (unsigned long long)size,
                   (unsigned long long)info.file_size);
    }
    close(file);
    if (info.error || size < info.file_size)
        return NULL;
    *needs += is_kernel && info.needs ? info.needs : size;
    struct image *image =
        add_image(config, config_printf(config, "%s/%s", vm->name, is_kernel ? "kernel" : "initrd"),
                  path, size);
    if (is_kernel)
        image->kind = info.kind;
    return image;
}

static void check_vm(struct config *config, struct vm *vm)
{
    uint64_t needs = 0;

    if (vm->kernel)
        vm->kernel_image = check_file(config, vm, vm->kernel_node, vm->kernel, true, &needs);
    if (vm->initrd)
        vm->initrd_image = check_file(config, vm, vm->initrd_node, vm->initrd, false, &needs);
    if (vm->memory && needs > vm->memory)
        report(config, vm->memory_node, "%s is too little: kernel and initrd need %lluM",
               size_text(config, vm->memory), (unsigned long long)((needs + MIB - 1) / MIB));
}

static void add_program(struct config *config, const char *name)
{
    const char *path = config_printf(config, "%s/%s.elf", config->build, name);
    struct stat status;

    if (stat(path, &status)) {
        if (!config->check_only)
            report(config, NULL, "%s is not built: run ./bulkhead build", printable(config, path));
        return;
    }
    add_image(config, name, path, (uint64_t)status.st_size);
}

static void check_memory(struct config *config)
{
    const struct system *system = &config->system;
    uint64_t vms = 0, rest = machine_reserve;

    for (const struct image *image = system->images; image; image = image->next)
        rest += image->size;
    for (unsigned i = 0; i < system->vm_count; i++) {
        vms += system->vms[i].memory;
        rest += system->vms[i].pool;
    }
    if (vms + rest > system->memory)
        report(config, system->memory_node,
               "%s is too little: the VMs need %lluM, the system and its images %lluM",
               size_text(config, system->memory), (unsigned long long)(vms / MIB),
               (unsigned long long)((rest + MIB - 1) / MIB));
}

void files_check(struct config *config)
{
    add_program(config, "console");
    add_program(config, "vmm");
    for (unsigned i = 0; i < config->system.vm_count; i++)
        check_vm(config, &config->system.vms[i]);
    check_memory(config);
}
