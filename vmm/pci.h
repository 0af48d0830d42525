// SPDX-License-Identifier: BSD-2-Clause
// PCI for device models: bus 0 with up to 32 devices, their configuration space (256 bytes by ports
// 0xCF8/0xCFC, 4 KiB by ECAM), BARs that the guest may move at any time, INTx, MSI and MSI-X. PCI
// Local Bus 3.0, PCI Express 5.0 chapter 7. A device model fills a struct pci_function, adds it to
// the bus, and from then on is reached through the bars' verbs.
// HAZARD: BARs may overlap RAM, other devices and each other: such a BAR is not mapped until it is
// moved, and nothing else changes.
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include "apic_bus.h"
#include "bus.h"
#include "irq.h"

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_SLOTS                 32
#define PCI_FUNCTIONS             (PCI_SLOTS * 8)
#define PCI_BARS                  6
#define PCI_VECTORS               64 /* MSI-X vectors of one function at most */
#define PCI_ANY_SLOT              0xff
#define PCI_UNMAPPED              UINT64_MAX
#define PCI_DEVFN(slot, function) ((uint8_t)((slot) << 3 | (function)))
#define PCI_SLOT_OF(devfn)        ((unsigned)(devfn) >> 3)

struct pci_bus;
struct pci_function;

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_bar {
    enum pci_bar_kind kind; /* a MEM64 bar uses the next one too, which stays NONE */
    bool prefetchable;
    uint64_t size;                /* a power of two: at least 4 (I/O), 16 (memory) */
    const struct device_ops *ops; /* read and write while it is mapped; NULL: `moved` maps memory */
    void *dev;
    /* Called after the BAR came to lie at `address`, or went away (PCI_UNMAPPED). May be NULL. */
    void (*moved)(void *dev, unsigned bar, uint64_t address);
    uint64_t address; /* where it is mapped now, or PCI_UNMAPPED; the bus sets it */
};

struct pci_msix_entry { /* PCIe 7.7.2: one line of the table */
    uint64_t address;
    uint32_t data;
    uint32_t control; /* bit 0: masked */
};

struct pci_msix {
    unsigned count; /* vectors, 0: the function has none */
    uint8_t bar;
    uint8_t capability; /* offset in configuration space */
    struct pci_msix_entry entry[PCI_VECTORS];
    uint64_t pending; /* bit per vector */
};

struct pci_function;

/* Interrupts as messages; pci_msix.c has them, which only devices with such interrupts bring. */
struct pci_message_ops {
    const char *(*enabled)(const struct pci_function *f); /* "msi-x", "msi", NULL: neither is on */
    void (*update)(struct pci_function *f);               /* sends what became unmasked */
    void (*reset)(struct pci_function *f);                /* the table's state after power on */
};

/* BARs; pci_device.c has them, which only devices with BARs bring. */
struct pci_bar_ops {
    /* Maps those that are decoded and not mapped, as far as their places are free. */
    void (*place)(struct pci_bus *bus, struct pci_function *f);
    /* Unmaps those that are mapped elsewhere than they are decoded, or all. True: there were some.
     */
    bool (*displace)(struct pci_bus *bus, struct pci_function *f, bool all);
    /* Gives all BARs of the bus their addresses; nothing is mapped yet. */
    void (*assign)(struct pci_bus *bus);
};

struct pci_function {
    const char *name; /* for the monitor */
    uint8_t config[PCI_CFG_SPACE_EXP_SIZE];
    uint8_t
        writable[PCI_CFG_SPACE_SIZE];  /* bits that a guest may write; the rest reads as set up */
    uint8_t clear[PCI_CFG_SPACE_SIZE]; /* bits that a guest clears by writing 1 */
    struct pci_bar bar[PCI_BARS];
    const struct pci_bar_ops *bars;         /* NULL: it has none */
    const struct pci_message_ops *messages; /* NULL: it has neither MSI nor MSI-X */
    struct pci_msix msix;
    uint8_t msi;             /* offset of its MSI capability, 0: none */
    uint8_t next_capability; /* where pci_add_capability() goes on */
    uint8_t last_capability; /* the one whose pointer is to lead there, 0: the header's */
    bool intx;               /* level that the device wants of its INTx line */
    bool intx_driven;        /* level that the bus made of it */
    bool dma_began; /* the write that config_written() tells of allowed it to reach memory: what
                       the guest told it before counts now */
    /* Before the guest reads these bytes of configuration space: brings them up to date. NULL:
     * nothing to do. */
    void (*config_read)(void *dev, unsigned offset, unsigned size);
    /* After the guest wrote these bytes of configuration space. May be NULL. */
    void (*config_written)(void *dev, unsigned offset, unsigned size);
    /* With the bus, after all writable bits have become 0; NULL: nothing more is to be done. */
    void (*reset)(void *dev);
    /* After the function was taken off the bus, whether the guest knew or not. May be NULL. */
    void (*removed)(void *dev);
    void *dev;
    struct pci_bus *bus; /* set while it is on the bus */
    uint8_t devfn;
};

struct pci_bus {
    struct bus *ports, *mmio;
    struct apic_bus *apics;      /* where MSIs go */
    const struct irq_sink *irqs; /* lines 16..23: PIRQA..H; 0..15: those of them that are routed to
                                    the 8259. Lines here are this bus's own: whoever takes them
                                    combines them with the ISA devices' */
    struct pci_function *function[PCI_FUNCTIONS];
    uint64_t ram_low, ram_high; /* bytes of RAM at 0 and at PLATFORM_HIGH_RAM: no BAR goes there */
    uint64_t window64, window64_size; /* for BARs above 4 GiB, in pci_assign(); size 0: none */
    uint32_t address;                 /* 0xCF8 */
    bool no_ports;                    /* 0xCF8 and 0xCFC read as ones: there is ECAM only */
    uint64_t ecam;                    /* where ECAM is mapped, PCI_UNMAPPED: nowhere */
    uint64_t ecam_wanted, ecam_size;  /* where the guest wants it */
    bool blocked;                     /* a BAR or ECAM may find room when another goes away */
    uint8_t pirq[8];                  /* PIRQA..H: ISA line, bit 7: not routed to the 8259 */
    uint16_t pirq_users[8];           /* functions that assert it: INTx lines are shared */
    uint16_t isa_lines;               /* asserted, of lines 0..15 */
    uint32_t removable; /* bit per slot whose device may be detached with the guest's consent */
    uint32_t ejecting;  /* ... that the guest was asked for */
    void (*notify)(void *ctx); /* raises the general-purpose event of removal; may be NULL */
    void *notify_ctx;
};

/* ---- Building a function: before pci_add() */

/* Type 0 header. class_code is 24 bits: class, subclass, interface. */
void pci_init(struct pci_function *f, const char *name, uint16_t vendor, uint16_t device,
              uint32_t class_code, uint8_t revision);
void pci_subsystem(struct pci_function *f, uint16_t vendor, uint16_t device);

/* Appends a capability of `size` bytes (2-byte header included) whose bytes are zero and read-only
 * until the caller sets config[] and writable[]; returns its offset, 0 when there is no room. */
uint8_t pci_add_capability(struct pci_function *f, uint8_t id, unsigned size);

/* bar[index] as given. False: bad size or index. */
bool pci_add_bar(struct pci_function *f, unsigned index, enum pci_bar_kind kind, bool prefetchable,
                 uint64_t size, const struct device_ops *ops, void *dev);

/* MSI-X with table (at offset 0) and pending bits (at 0x800) in a BAR of 4 KiB of its own, at
 * `index`; MSI with one vector, 64-bit address. False: no room. */
bool pci_add_msix(struct pci_function *f, unsigned index, unsigned vectors);
bool pci_add_msi(struct pci_function *f);

/* ---- On the bus */

/* Empties the bus and adds its configuration ports 0xCFC..0xCFF; pci_address_ops, for 0xCF8, the
 * caller connects by reset_set_config(). False: the ports are taken. */
bool pci_bus_init(struct pci_bus *bus, struct bus *ports, struct bus *mmio, struct apic_bus *apics,
                  const struct irq_sink *irqs);
extern const struct device_ops pci_address_ops; /* dev: the bus */

/* Puts it at slot.function (PCI_ANY_SLOT: the first free slot from 1 to 30), with interrupt pin A
 * if it wants INTx (config[PCI_INTERRUPT_PIN] set by the caller). False: taken or full. `f` must
 * stay valid until it is removed. */
bool pci_add(struct pci_bus *bus, struct pci_function *f, unsigned slot, unsigned function);

/* Unmaps its BARs, drops its line, takes it from the bus: the guest reads ones from now on. May be
 * called at any time, also by the device itself; what the device then still sends is dropped. */
void pci_remove(struct pci_bus *bus, struct pci_function *f);

/* Asks the guest to let go of function 0 of a removable slot, and removes all of the slot when it
 * does. Asking again renews the request. False, and nothing is done: the slot is not removable. */
bool pci_detach(struct pci_bus *bus, struct pci_function *f);

/* Routes a PIRQ (0..7: A..H) to an 8259 line as the LPC bridge's registers say: bit 7 set: not. */
void pci_route_pirq(struct pci_bus *bus, unsigned pirq, uint8_t value);

/* Maps ECAM of `size` bytes at `address`, or takes it away (PCI_UNMAPPED). */
void pci_set_ecam(struct pci_bus *bus, uint64_t address, uint64_t size);

/* What firmware does: gives every BAR an address in the windows of platform.h, every function its
 * interrupt line, and switches decoding and bus mastering on. For kernels that are loaded directly.
 */
void pci_assign(struct pci_bus *bus);

/* Power-on state of all configuration spaces: nothing is mapped, ECAM included. */
void pci_bus_reset(struct pci_bus *bus);

/* One access of 1, 2 or 4 bytes that does not cross a doubleword. Absent functions read as ones. */
uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size);
void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size,
                      uint32_t value);

/* ---- For device models, at run time */

/* Whether the function may read and write memory (bus master enable). */
static inline bool pci_may_dma(const struct pci_function *f)
{
    return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* INTx: drives its line; the bus keeps the level while MSI or MSI-X is on or INTx is disabled, and
 * drives it again after. */
void pci_set_intx(struct pci_function *f, bool level);

bool pci_msi_enabled(const struct pci_function *f);
bool pci_msix_enabled(const struct pci_function *f);

/* One message; for MSI-X a masked vector becomes pending and is sent when it is unmasked. `vector`
 * above the count is ignored. */
void pci_msi(struct pci_function *f);
void pci_msix(struct pci_function *f, unsigned vector);

/* Snapshot of the configuration space, MSI-X table and pending bits of one function; restore checks
 * every value as if a guest had written it, and maps the BARs anew. Like the verbs of device.h. */
size_t pci_save(struct pci_function *f, void *buf, size_t size);
bool pci_restore(struct pci_function *f, const void *buf, size_t size);

/* The monitor's list: one line for each function with its BARs. */
size_t pci_info(const struct pci_bus *bus, char *buf, size_t size);

extern const struct device_ops pci_hotplug_ops; /* ports PLATFORM_PCI_HOTPLUG; dev: the bus */

/* ---- Between the files pci*.c */

/* The ISA line of a function's pin by the PIRQ registers, 0xff: none. */
uint8_t pci_isa_line(const struct pci_function *f);

/* Maps and unmaps BARs as the command register and the BARs' registers now say. */
void pci_map_bars(struct pci_function *f);
void pci_unmap_bars(struct pci_bus *bus, struct pci_function *f);
bool pci_in_ram(const struct pci_bus *bus, uint64_t address, uint64_t size);
void pci_assign_bars(struct pci_bus *bus);

/* The level of its INTx line after anything that it depends on changed. */
void pci_update_intx(struct pci_function *f);

#endif
