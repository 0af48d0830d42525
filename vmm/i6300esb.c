// SPDX-License-Identifier: BSD-2-Clause
// 6300ESB watchdog. The SMI of the first stage does not exist here; of its interrupt types only
// INTx does anything.
#include "i6300esb.h"

#include <stdio.h>
#include <string.h>

#define CONFIG_REGISTER 0x60
#define CONFIG_TYPE     0x0003 /* of the first stage's interrupt: 0 INTx, 3 none */
#define CONFIG_FAST     0x0004 /* counts of 2^5 clocks in place of 2^15 */
#define CONFIG_NO_RESET 0x0020 /* the output that resets is off */
#define CONFIG_BITS     0x0027

#define LOCK_REGISTER 0x68
#define LOCK_LOCKED   0x01 /* this register is read-only until the next reset */
#define LOCK_ENABLE   0x02
#define LOCK_FREE     0x04 /* the second stage does not reset; it all begins anew */
#define LOCK_BITS     0x07

#define REG_PRELOAD1 0x0
#define REG_PRELOAD2 0x4
#define REG_STATUS   0x8
#define REG_RELOAD   0xc
#define RELOAD_NOW   0x100
#define RELOAD_OUT   0x200 /* the second stage ran out; written as 1 to clear */
#define COUNT_BITS   0xfffffu

static uint64_t stage_end(const struct i6300esb *dog)
{
    const struct i6300esb_state *s = &dog->s;
    uint64_t clocks = (uint64_t)s->preload[s->stage - 1] << (s->config & CONFIG_FAST ? 5 : 15);
    uint64_t ticks = clock_ticks(dog->clock, clocks, I6300ESB_HZ);
    /* HAZARD: a count of 0 would run in circles. */
    return clock_add(s->start, ticks > dog->clock->min_period ? ticks : dog->clock->min_period);
}

static void schedule(struct i6300esb *dog)
{
    dog->deadline = dog->s.stage == 0 ? CLOCK_NEVER : stage_end(dog);
    pci_set_intx(&dog->pci, dog->s.status);
}

static void begin(struct i6300esb *dog, unsigned stage, uint64_t at)
{
    dog->s.stage = (uint8_t)stage;
    dog->s.start = at;
}

void i6300esb_expire(void *dev, uint64_t now)
{
    struct i6300esb *dog = dev;
    struct i6300esb_state *s = &dog->s;
    if (s->stage == 0 || now < stage_end(dog))
        return;
    if (s->stage == 1) {
        if ((s->config & CONFIG_TYPE) == 0)
            s->status = 1;
        begin(dog, 2, now);
    } else if (s->lock & LOCK_FREE) {
        begin(dog, 1, now);
    } else {
        s->expired = 1;
        begin(dog, 0, now);
        if (!(s->config & CONFIG_NO_RESET))
            dog->bark(dog->ctx);
    }
    schedule(dog);
}

static void config_written(void *dev, unsigned offset, unsigned size)
{
    struct i6300esb *dog = dev;
    struct i6300esb_state *s = &dog->s;
    uint8_t *config = dog->pci.config;
    (void)offset;
    (void)size;
    s->config = (uint16_t)(config[CONFIG_REGISTER] | config[CONFIG_REGISTER + 1] << 8);
    uint8_t lock = config[LOCK_REGISTER];
    if (s->lock & LOCK_LOCKED) {
        config[LOCK_REGISTER] = s->lock;
    } else if (lock != s->lock) {
        bool was = s->lock & LOCK_ENABLE;
        s->lock = lock;
        if (!(lock & LOCK_ENABLE))
            begin(dog, 0, 0);
        else if (!was)
            begin(dog, 1, clock_now(dog->clock));
    }
    schedule(dog);
}

static uint64_t read(void *dev, uint64_t offset, unsigned size)
{
    const struct i6300esb_state *s = &((struct i6300esb *)dev)->s;
    uint32_t value = 0;
    (void)size;
    if ((offset & 12) == REG_STATUS)
        value = s->status;
    else if ((offset & 12) == REG_RELOAD)
        value = s->expired ? RELOAD_OUT : 0;
    return value >> 8 * (offset & 3);
}

static void write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct i6300esb *dog = dev;
    struct i6300esb_state *s = &dog->s;
    (void)size;
    if (offset == REG_RELOAD && value == 0x80) {
        s->unlock = 1;
        return;
    }
    if (offset == REG_RELOAD && value == 0x86 && s->unlock == 1) {
        s->unlock = 2;
        return;
    }
    bool unlocked = s->unlock == 2;
    s->unlock = 0;
    if (offset == REG_STATUS) { /* not protected */
        s->status &= (uint8_t)~value;
    } else if (unlocked && offset == REG_PRELOAD1) {
        s->preload[0] = (uint32_t)value & COUNT_BITS;
    } else if (unlocked && offset == REG_PRELOAD2) {
        s->preload[1] = (uint32_t)value & COUNT_BITS;
    } else if (unlocked && offset == REG_RELOAD) {
        if (value & RELOAD_OUT)
            s->expired = 0;
        if (value & RELOAD_NOW && s->stage != 0)
            begin(dog, 1, clock_now(dog->clock));
    }
    schedule(dog);
}

static void reset(void *dev)
{
    struct i6300esb *dog = dev;
    uint8_t expired = dog->s.expired; /* tells the next start why it is one */
    memset(&dog->s, 0, sizeof(dog->s));
    dog->s.preload[0] = dog->s.preload[1] = COUNT_BITS;
    dog->s.expired = expired;
    memset(dog->pci.config + CONFIG_REGISTER, 0, 2);
    dog->pci.config[LOCK_REGISTER] = 0;
    schedule(dog);
}

#define DOG_SNAPSHOT SNAPSHOT_ID('D', 'O', 'G', 1)

static size_t save(void *dev, void *buf, size_t size)
{
    struct i6300esb *dog = dev;
    struct i6300esb_state s = dog->s;
    s.start = clock_since(clock_now(dog->clock), s.start);
    size_t n = snapshot_save(buf, size, DOG_SNAPSHOT, &s, sizeof(s));
    size_t more = n ? pci_save(&dog->pci, (uint8_t *)buf + n, size - n) : 0;
    return more ? n + more : 0;
}

static bool restore(void *dev, const void *buf, size_t size)
{
    struct i6300esb *dog = dev;
    struct i6300esb_state s;
    const size_t n = 8 + sizeof(s);
    if (size < n || !snapshot_load(buf, n, DOG_SNAPSHOT, &s, sizeof(s)))
        return false;
    if ((s.preload[0] | s.preload[1]) & ~COUNT_BITS || s.config & ~CONFIG_BITS ||
        s.lock & ~LOCK_BITS || s.stage > 2 || (s.stage != 0 && !(s.lock & LOCK_ENABLE)) ||
        s.unlock > 2 || s.status > 1 || s.expired > 1)
        return false;
    if (!pci_restore(&dog->pci, (const uint8_t *)buf + n, size - n))
        return false;
    s.start = clock_since(clock_now(dog->clock), s.start);
    dog->s = s;
    dog->pci.config[CONFIG_REGISTER] = (uint8_t)s.config;
    dog->pci.config[CONFIG_REGISTER + 1] = (uint8_t)(s.config >> 8);
    dog->pci.config[LOCK_REGISTER] = s.lock;
    schedule(dog);
    return true;
}

static size_t info(void *dev, char *buf, size_t size)
{
    const struct i6300esb_state *s = &((struct i6300esb *)dev)->s;
    return info_length(snprintf(buf, size,
                                "watchdog: stage %u preload %05x %05x config %04x lock %x%s\n",
                                s->stage, s->preload[0], s->preload[1], s->config, s->lock,
                                s->expired ? " expired" : ""),
                       size);
}

const struct device_ops i6300esb_ops = {
    .name = "watchdog",
    .reset = reset,
    .read = read,
    .write = write,
    .save = save,
    .restore = restore,
    .info = info,
    .width = 4,
};

bool i6300esb_init(struct i6300esb *dog, struct pci_bus *bus, const struct clock *clock,
                   void (*bark)(void *ctx), void *ctx)
{
    struct pci_function *f = &dog->pci;
    memset(dog, 0, sizeof(*dog));
    dog->clock = clock;
    dog->bark = bark;
    dog->ctx = ctx;
    pci_init(f, "watchdog", 0x8086, 0x25ab, 0x088000, 2);
    f->config[PCI_INTERRUPT_PIN] = 1;
    f->writable[CONFIG_REGISTER] = CONFIG_BITS;
    f->writable[LOCK_REGISTER] = LOCK_BITS;
    f->config_written = config_written;
    f->dev = dog;
    if (!pci_add_bar(f, 0, PCI_BAR_MEM32, false, I6300ESB_SIZE, &i6300esb_ops, dog))
        return false;
    reset(dog);
    f->removed = reset; // a watchdog that is gone resets nothing
    return pci_add(bus, f, PCI_ANY_SLOT, 0);
}
