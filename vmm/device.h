// SPDX-License-Identifier: BSD-2-Clause
// The verbs that every device model has, and the helpers to write them. A device keeps all that a
// snapshot needs in one plain struct; wiring (clock, lines, callbacks) lives outside of it.
// Everything here may be reached with values that a hostile guest or a corrupt snapshot chose.
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_ops {
    const char *name;

    /* Back to the state after power on. Wiring and configuration stay. A device with several
     * regions has one set of verbs per region; only the first has more than read and write. */
    void (*reset)(void *dev);

    /* One access of `size` bytes (1, 2, 4 or 8, at most `width`) at `offset` from where the region
     * starts; offset + size is within the region. The bus masks the value read to `size` bytes. */
    uint64_t (*read)(void *dev, uint64_t offset, unsigned size);
    void (*write)(void *dev, uint64_t offset, unsigned size, uint64_t value);

    /* Writes a snapshot and returns its length, 0 when `size` is too small. May be NULL. */
    size_t (*save)(void *dev, void *buf, size_t size);

    /* Takes a snapshot over; false, and nothing changed, when it is not acceptable. May be NULL. */
    bool (*restore)(void *dev, const void *buf, size_t size);

    /* Prints the state for a human, returns the characters written without the final 0. May be
     * NULL. */
    size_t (*info)(void *dev, char *buf, size_t size);

    /* The widest access that the device takes, in bytes; the bus splits wider ones. 0 means 8. */
    unsigned width;
};

/* An identifier for a snapshot: three letters and a version. */
#define SNAPSHOT_ID(a, b, c, version) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(version))

/* Writes a header and the `length` bytes of state; returns what was written, 0 when it does not
 * fit. */
size_t snapshot_save(void *buf, size_t size, uint32_t id, const void *state, size_t length);

/* Reads a state of exactly this id and length; false, and `state` untouched, otherwise. */
bool snapshot_load(const void *buf, size_t size, uint32_t id, void *state, size_t length);

/* Turns what snprintf returned into the number of characters really in a buffer of `size`. */
static inline size_t info_length(int printed, size_t size)
{
    if (printed <= 0 || size == 0)
        return 0;
    return (size_t)printed < size ? (size_t)printed : size - 1;
}

#endif
