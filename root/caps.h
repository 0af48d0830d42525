// SPDX-License-Identifier: BSD-2-Clause
// Slots of root's own capability table.
#pragma once

// Slots below `first` are taken for good: what the kernel gave.
void caps_init(unsigned first);

// An empty slot, or CAP_NONE when all are taken.
unsigned cap_alloc(void);

// Names what slot holds for the kernel's debugger, when the kernel has one.
void cap_name(unsigned slot, const char *name);

// Empties the slot, whatever it holds, and takes it back. CAP_NONE is ignored.
void cap_free(unsigned slot);

// Destroys the object behind the slot, then frees the slot and sets it to CAP_NONE. CAP_NONE is
// ignored.
void cap_destroy(unsigned *slot);
