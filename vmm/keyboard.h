// SPDX-License-Identifier: BSD-2-Clause
// The keyboard of a VM: what the kinds "keyboard" and "vga" share.
#ifndef VMM_KEYBOARD_H
#define VMM_KEYBOARD_H

#include "device_kind.h"

/* Puts an 8042 with keyboard into the machine, in place of the port 64 of reset.h, and takes the
 * keys that are typed at the VM's console. Once for each machine; true when it is there already. */
bool keyboard_create(const struct device_env *env, char *error, size_t size);

/* Tells a screen of what is typed, before the guest has it. */
void keyboard_watch(void (*typed)(void *ctx, const uint8_t *bytes, size_t n), void *ctx);

#endif
