// SPDX-License-Identifier: BSD-2-Clause
// Finds the files that the configuration names and checks what can be checked before anything is
// built: they exist, can be read, are what they should be, and fit into the memory that is there.
#define _GNU_SOURCE // strverscmp
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
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
    {"/seabios/", "seabios"},
    {"/ovmf/", "ovmf"},
    {"/OVMF/", "ovmf"},
    {"debian-installer", "debian-installer-12-netboot-amd64"},
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

// A file of a VM as an image of that name in the archive. NULL: reported, or not built yet. *opened
// (may be NULL) is then the file, which the caller closes.
static struct image *check_file(struct config *config, const struct vm *vm, const struct node *node,
                                const char *text, const char *name, int *opened)
{
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
    if (opened)
        *opened = file;
    else
        close(file);
    return add_image(config, config_printf(config, "%s/%s", vm->name, name), path, size);
}

// What the kernel needs from guest-physical 0 on, or its size; 0 when it is refused.
static uint64_t check_kernel(struct config *config, struct vm *vm)
{
    const char *path;
    int file;

    vm->kernel_image = check_file(config, vm, vm->kernel_node, vm->kernel, "kernel", &file);
    if (!vm->kernel_image)
        return 0;
    path = vm->kernel_image->path;
    void *data = mmap(NULL, vm->kernel_image->size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (data == MAP_FAILED) {
        report(config, vm->kernel_node, "%s cannot be read: %s", printable(config, path),
               strerror(errno));
        return 0;
    }
    struct kernel_info info = kernel_identify(data, vm->kernel_image->size, vm->kernel_kind);
    munmap(data, vm->kernel_image->size);
    if (info.error)
        report(config, vm->kernel_node, "%s %s", printable(config, path), info.error);
    else if (vm->kernel_image->size + 15 < info.file_size) // told in units of 16 bytes
        report(config, vm->kernel_node,
               "%s is cut off: it has %llu bytes, its header tells of %llu; copy it again, or "
               "reinstall the package that it came from",
               printable(config, path), (unsigned long long)vm->kernel_image->size,
               (unsigned long long)info.file_size);
    vm->kernel_kind = info.kind;
    if (vm->modules_node && info.kind && !strcmp(info.kind, "bzimage"))
        report_key(config, vm->modules_node,
                   "are for Multiboot and PVH kernels; a Linux bzImage takes an initrd");
    return info.needs ? info.needs : vm->kernel_image->size;
}

static void check_firmware(struct config *config, struct vm *vm)
{
    static const uint64_t max = 16 * MIB;
    const char *path = vm->firmware;

    if (!strcmp(path, "seabios"))
        path = "/usr/share/seabios/bios-256k.bin";
    else if (!strcmp(path, "ovmf"))
        path = "/usr/share/ovmf/OVMF.fd";
    vm->kernel_image = check_file(config, vm, vm->firmware_node, path, "firmware", NULL);
    vm->kernel_kind = "firmware";
    if (vm->kernel_image && (vm->kernel_image->size % 4096 || vm->kernel_image->size > max))
        report(config, vm->firmware_node,
               "%s is no firmware image: its size is no multiple of 4K up to 16M",
               printable(config, vm->kernel_image->path));
}

// SeaBIOS has no driver for a screen of its own: it runs the one that it finds among its files,
// which are the VM's modules.
static void add_video_rom(struct vm *vm)
{
    bool video = false, rom = vm->module_count == MAX_MODULES;

    for (unsigned i = 0; i < vm->device_count; i++)
        video |= vm->devices[i].kind->video != 0;
    for (unsigned i = 0; i < vm->module_count; i++)
        rom |= !vm->modules[i].name || !strncmp(vm->modules[i].name, "vgabios", 7);
    if (video && !rom && vm->kernel_image && strstr(vm->kernel_image->path, "/seabios/"))
        vm->modules[vm->module_count++] =
            (struct module){.node = vm->firmware_node,
                            .path = "/usr/share/seabios/vgabios-stdvga.bin",
                            .name = "vgabios-stdvga.bin",
                            .arguments = ""};
}

static void check_folder(struct config *config, const struct vm *vm, struct device *device)
{
    bool from_build;
    const char *path = find(config, device->image_node, device->folder, &from_build);
    const void *data;
    uint64_t size;

    if (!path || (from_build && config->check_only && access(path, F_OK)))
        return;
    data = folder_pack(config, device->image_node, path, &size, &device->entries);
    if (!data)
        return;
    device->file =
        add_image(config, config_printf(config, "%s/%s", vm->name, device->name), path, size);
    device->file->data = data;
}

static void check_device(struct config *config, const struct vm *vm, struct device *device)
{
    unsigned sector = device->kind->sector;

    if (device->folder) {
        check_folder(config, vm, device);
        return;
    }
    if (!device->image)
        return;
    device->file = check_file(config, vm, device->image_node, device->image, device->name, NULL);
    if (device->file && device->file->size % sector)
        report(config, device->image_node, "%s is no disk image: its size is no multiple of %u",
               printable(config, device->file->path), sector);
}

// Tables that map a file or memory by 4 KiB pages at an address of its own.
static uint64_t tables(uint64_t size)
{
    return size ? 2 * 4 * KIB + (size / 512 + 4 * KIB - 1) / (4 * KIB) * (4 * KIB) : 0;
}

static void add_tables(struct vm *vm)
{
    const struct image *images[] = {vm->kernel_image, vm->initrd_image};

    if (vm->pool_given)
        return;
    for (unsigned i = 0; i < 2; i++)
        vm->pool += images[i] ? tables(images[i]->size) : 0;
    for (unsigned i = 0; i < vm->module_count; i++)
        vm->pool += vm->modules[i].image ? tables(vm->modules[i].image->size) : 0;
    for (unsigned i = 0; i < vm->device_count; i++) {
        const struct device *device = &vm->devices[i];

        vm->pool += tables(device->file ? device->file->size : device->size);
        if (device->kind->video)
            vm->pool += tables(device->size); // in the guest, too
        if (device->link)
            vm->pool += tables(512 * KIB);
    }
}

static void check_vm(struct config *config, struct vm *vm)
{
    uint64_t needs = vm->kernel ? check_kernel(config, vm) : 0;

    if (vm->firmware && !vm->kernel) {
        check_firmware(config, vm);
        add_video_rom(vm);
    }
    if (vm->initrd) {
        vm->initrd_image = check_file(config, vm, vm->initrd_node, vm->initrd, "initrd", NULL);
        needs += vm->initrd_image ? vm->initrd_image->size : 0;
    }
    for (unsigned i = 0; i < vm->module_count; i++) {
        struct module *module = &vm->modules[i];

        if (!module->path)
            continue;
        module->image = check_file(config, vm, module->node, module->path,
                                   config_printf(config, "module%u", i), NULL);
        needs += module->image ? module->image->size : 0;
        if (strlen(module->name) > MAX_MODULE_NAME)
            report(config, module->node, "has a file name of more than %d characters",
                   MAX_MODULE_NAME);
    }
    for (unsigned i = 0; i < vm->device_count; i++)
        check_device(config, vm, &vm->devices[i]);
    add_tables(vm);
    if (vm->memory && needs > vm->memory)
        report(config, vm->memory_node, "%s is too little: kernel and initrd need %lluM",
               size_text(config, vm->memory), (unsigned long long)((needs + MIB - 1) / MIB));
}

// Memory that its devices have of their own.
static uint64_t device_memory(const struct vm *vm)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->device_count; i++) {
        const struct device *device = &vm->devices[i];

        sum += device->size;
        if (device->file && !device->read_only)
            sum += device->file->size;
    }
    if (vm->firmware && vm->kernel_image)
        sum += vm->kernel_image->size;
    return sum;
}

static void add_program(struct config *config, const char *name)
{
    const char *path = config_printf(config, "%s/%s.elf", config->build, name);
    struct stat status;

    if (stat(path, &status)) {
        if (!config->check_only && !config->error_count)
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
        rest += system->vms[i].pool + vmm_arena(&system->vms[i]) + device_memory(&system->vms[i]);
    }
    if (vms + rest > system->memory)
        report(config, system->memory_node,
               "%s is too little: the VMs need %lluM, the system and its images %lluM",
               size_text(config, system->memory), (unsigned long long)(vms / MIB),
               (unsigned long long)((rest + MIB - 1) / MIB));
}

void files_check(struct config *config)
{
    struct system *system = &config->system;

    add_program(config, "console");
    for (unsigned i = 0; i < system->vm_count; i++)
        check_vm(config, &system->vms[i]);
    for (unsigned i = 0; i < system->vm_count; i++)
        add_program(config, vmm_name(config, &system->vms[i]));
    check_memory(config);
}

void files_print_programs(struct config *config, FILE *out)
{
    const struct system *system = &config->system;
    const char *names[MAX_VMS];

    for (unsigned i = 0; i < system->vm_count; i++) {
        names[i] = vmm_name(config, &system->vms[i]);
        bool again = !strcmp(names[i], "vmm");

        for (unsigned j = 0; j < i; j++)
            again |= !strcmp(names[i], names[j]);
        if (!again)
            fprintf(out, "%s\n", names[i]);
    }
}
