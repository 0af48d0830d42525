// SPDX-License-Identifier: BSD-2-Clause
// The configuration compiler on the host: system.yaml is read into a tree of nodes that remember
// their line and column, the tree is checked into a struct system, and that is written as a device
// tree and an archive. Everything lives in one arena of the struct config and dies with it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum {
    CONFIG_MAX_BYTES = 256 * 1024, // of the YAML file
    CONFIG_MAX_DEPTH = 12,
    CONFIG_MAX_NODES = 20000,
    CONFIG_MAX_ERRORS = 100,
    MAX_VMS = 16,
    MAX_VM_CPUS = 8,
    MAX_DEVICES = 24,   // of one VM: TASK_DEVICE_MAX
    MAX_LINKED = 16,    // of them in a network or link: TASK_LINK_MAX
    MAX_LINKS = 64,     // networks and links of the system
    MAX_MODULES = 8,    // TASK_MODULE_MAX
    MAX_ARGUMENTS = 95, // bytes, without the NUL
    MAX_MODULE_NAME = 31,
    MAX_MACHINE_CPUS = 8,
    MAX_NAME = 24,      // bytes, without the NUL
    MAX_CMDLINE = 2047, // bytes, without the NUL: the least that Linux accepts (COMMAND_LINE_SIZE)
    PRIORITY_CONSOLE = 50,
    PRIORITY_VM_MIN = 0, // the band that is shared by weight
    PRIORITY_VM_MAX = PRIORITY_CONSOLE - 1,
    PRIORITY_VM_DEFAULT = 20,
    VM_HOST_CPU_MAX = 63,
    VM_WEIGHT_MAX = 4096,
    VM_PERIOD_DEFAULT = 10000, // microseconds
    VM_PERIOD_MIN = 100,
    VM_PERIOD_MAX = 10000000,
    VM_BUDGET_MIN = 10,
};

struct mark {
    unsigned line, column; // from 1; 0: unknown
};

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_kind kind;
    struct mark mark;
    struct mark key_mark; // of the key that names this value in its map
    const char *key;      // NULL in a list and at the top
    const char *text;     // of a scalar
    bool plain;           // a scalar written without quotes
    bool bad;             // already reported: later checks stay silent
    unsigned index;       // place in its list
    struct node *parent, *first, *next;
    struct node *last; // of the children, for appending
};

struct diagnostic {
    struct mark mark;
    const char *path, *message;
    struct diagnostic *next;
};

// A file that goes into the archive. Several VMs may share one.
struct image {
    const char *name; // in the archive
    const char *path; // on the host
    const void *data; // what it holds when it was made here; NULL: what the file does
    uint64_t size;
    struct image *next;
};

enum vm_clock { CLOCK_PVCLOCK, CLOCK_8254 };
enum vm_apic { APIC_AUTO, APIC_SOFTWARE };

// A kind of devices: what of it root and the archive must know. Its keys are in devices.c.
struct device_kind {
    const char *name;
    const struct field *fields;
    unsigned max;      // of one VM
    const char *needs; // one of these keys, for the message; NULL: none
    uint64_t video;    // default of the memory that the guest sees; 0: none
    unsigned sector;   // of its image; 0: it has none
    unsigned arena;    // memory of its model in the vmm, KiB, with some to spare
    bool read_only, cdrom;
};

struct device {
    const struct device_kind *kind;
    const struct node *node, *image_node, *link_node;
    const char *name;
    const char *image, *folder, *tag, *link; // as written; NULL: not given
    unsigned entries;                        // of the packed folder
    uint64_t size;                           // memory of its own
    unsigned number;                         // ports or CID
    bool read_only, has_mac;
    uint8_t mac[6];
    struct image *file;
};

struct module {
    const struct node *node;
    const char *path, *arguments;
    const char *name; // the file's, without folders
    struct image *image;
};

struct vm {
    const char *name;
    const struct node *node;
    const struct node *kernel_node, *initrd_node, *memory_node, *kind_node, *firmware_node;
    const struct node *modules_node, *host_cpu_node;
    const char *kernel, *initrd, *firmware;    // as written; NULL: not given
    const char *kernel_kind;                   // NULL: found out from the file
    struct image *kernel_image, *initrd_image; // the first may be the firmware
    struct module modules[MAX_MODULES];
    unsigned module_count;
    struct device devices[MAX_DEVICES];
    unsigned device_count;
    const char *cmdline;
    uint64_t memory, pool;
    bool pool_given;
    unsigned cpus, priority;
    unsigned host_cpu[MAX_VM_CPUS], host_cpus; // as many as were written
    unsigned weight;                           // in the band; 0: not given
    unsigned budget, period;                   // microseconds; budget 0: no limit
    unsigned budget_percent;                   // of the period; 0: not given so
    const struct node *priority_node, *weight_node, *budget_node, *period_node;
    bool restart, autostart;
    enum vm_clock clock;
    enum vm_apic apic;
    const char *const *hide; // CPU features kept from the guest
    unsigned hide_count;
};

// A network, or a link of vsock devices or of consoles: it joins two devices.
struct link {
    const char *name;
    const char *text;           // "network NAME", "link NAME"
    const struct field *fields; // of the devices that it joins
    unsigned ends, vm[2];       // indices
};

struct deny {
    const struct node *node;
    const char *from, *to;
};

struct system {
    const char *name;
    uint64_t memory; // of the machine, bytes
    const struct node *memory_node;
    unsigned cpus;
    const char *const *accept; // weaknesses of its processor that the kernel else refuses
    unsigned accept_count;
    struct vm vms[MAX_VMS];
    unsigned vm_count;
    struct link links[MAX_LINKS];
    unsigned link_count;
    struct deny *deny;
    unsigned deny_count;
    struct image *images; // in the order of the archive
};

struct config {
    const char *file;  // as the user wrote it: begins each message
    const char *build; // directory that `build:` names refer to
    bool check_only;   // what the build makes need not exist yet
    struct node *root;
    struct system system;
    struct diagnostic *errors; // sorted by place
    unsigned error_count;
    struct arena_block *arena;
};

// ---- arena.c: memory that is freed at once by config_free(). Never returns NULL (exits 1). ----
void *config_alloc(struct config *config, size_t size); // zeroed
char *config_strdup(struct config *config, const char *text, size_t length);
__attribute__((format(printf, 2, 3))) char *config_printf(struct config *config, const char *format,
                                                          ...);
void config_free(struct config *config);

// ---- diagnostic.c ----
// Records an error about a node; "path" is computed from its place in the tree. NULL: the file as
// such.
__attribute__((format(printf, 3, 4))) void report(struct config *config, const struct node *node,
                                                  const char *format, ...);
// The same about the key that names the node.
__attribute__((format(printf, 3, 4))) void
report_key(struct config *config, const struct node *node, const char *format, ...);
__attribute__((format(printf, 3, 4))) void report_at(struct config *config, struct mark mark,
                                                     const char *format, ...);
void print_errors(const struct config *config, FILE *out, bool json);
// The text, shortened, with control characters as \xNN; the second also in single quotes.
const char *printable(struct config *config, const char *text);
const char *quoted(struct config *config, const char *text);
// The candidate nearest to the text, or NULL when none is near. The list ends with NULL.
const char *nearest(const char *text, const char *const *candidates);

// ---- tree.c ----
// Reads YAML text into config->root; false when the syntax leaves no tree to check.
bool tree_read(struct config *config, const char *text, size_t length);
struct node *tree_find(const struct node *map, const char *key);

// ---- value.c: each reads one node, or reports why not and returns false (the result is left
// alone) ----
bool value_name(struct config *config, struct node *node, const char **result);
bool value_text(struct config *config, struct node *node, size_t max, const char **result);
bool value_size(struct config *config, struct node *node, uint64_t min, uint64_t max,
                uint64_t multiple, uint64_t *result);
bool value_int(struct config *config, struct node *node, unsigned min, unsigned max,
               const char *why, unsigned *result);
// A time in microseconds: "3 ms". A percentage: "30%".
bool value_time(struct config *config, struct node *node, unsigned min, unsigned max,
                unsigned *result);
bool value_percent(struct config *config, struct node *node, unsigned *result);
bool value_bool(struct config *config, struct node *node, bool *result);
// result: the index in the list of choices, which ends with NULL.
bool value_choice(struct config *config, struct node *node, const char *const *choices,
                  unsigned *result);
bool value_is(struct config *config, struct node *node, enum node_kind kind);
const char *size_text(struct config *config, uint64_t bytes);

// ---- schema.c ----
// The keys of a map, in a table that ends with {0}.
struct field {
    const char *key;
    void (*read)(struct config *config, struct node *value, void *into);
    bool required;
};
void read_map(struct config *config, struct node *map, const struct field *fields, void *into);
// Checks config->root and fills config->system. Looks at no file.
void schema_read(struct config *config);

// ---- devices.c: the key `devices` ----
void vm_devices(struct config *config, struct node *value, void *into);
// What is to be checked over all VMs: the members of networks and links.
void devices_check(struct config *config);
// The name of the vmm with what the VM starts with, unless that is a bzImage, and its kinds of
// devices: "vmm", "vmm-START+KIND+KIND". After files_check(), which finds the kernel's kind.
const char *vmm_name(struct config *config, const struct vm *vm);
// Bytes that the models of its devices take in its vmm.
uint64_t vmm_arena(const struct vm *vm);

// ---- folder.c ----
// The content of a folder as a cpio archive ("newc"), in the arena; NULL with a report.
const void *folder_pack(struct config *config, const struct node *node, const char *path,
                        uint64_t *size, unsigned *entries);

// ---- graph.c: who can reach whom ----
enum { GRAPH_MAX_NODES = MAX_VMS + 1 };

struct graph {
    const char *name[GRAPH_MAX_NODES];
    bool server[GRAPH_MAX_NODES]; // trusted to keep its clients apart: no path leads through it
    const char *edge[GRAPH_MAX_NODES][GRAPH_MAX_NODES]; // what joins them; NULL: nothing
    unsigned count;
};

void graph_build(const struct system *system, struct graph *graph);
// The nodes of a shortest path, both ends included; 0 when there is none.
unsigned graph_path(const struct graph *graph, unsigned from, unsigned to,
                    unsigned path[GRAPH_MAX_NODES]);
void graph_check(struct config *config);
void graph_print(const struct system *system, FILE *out);

// ---- files.c ----
// Finds the files that the configuration names and checks them; fills system.images.
void files_check(struct config *config);
// Prints the names of the vmms but the plain one, which are built when they are needed.
void files_print_programs(struct config *config, FILE *out);

// ---- kernel_kind.c ----
struct kernel_info {
    const char *kind;   // of kernel_kinds[], or NULL with the reason in error
    const char *error;  // a phrase that follows the file's name
    uint64_t needs;     // bytes from guest-physical 0 that it occupies once started; 0: not known
    uint64_t file_size; // bytes that the file has at least when it is whole; 0: not known
};
// A file may be of several kinds: without `wanted` (NULL) the first of the list counts.
extern const char *const kernel_kinds[];
struct kernel_info kernel_identify(const uint8_t *file, size_t length, const char *wanted);

// ---- dtb.c ----
// The flattened device tree, in the arena. NULL only when it cannot be made (a bug; reported).
const void *dtb_write(struct config *config, size_t *size);

// ---- archive.c ----
// Writes the archive through a temporary file; false with a message on stderr when that fails.
bool archive_write(const struct config *config, const void *dtb, size_t dtb_size, const char *path);

// ---- config.c ----
// Everything up to a checked struct system; files also looks at the files that it names.
void config_read(struct config *config, const char *text, size_t length, bool files);
