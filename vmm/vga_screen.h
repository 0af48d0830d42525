// SPDX-License-Identifier: BSD-2-Clause
// The screen of a VM of which a picture can be taken: for the monitor.
#ifndef VMM_VGA_SCREEN_H
#define VMM_VGA_SCREEN_H

#include "png.h"
#include "vga_picture.h"

/* Prints the screen: a picture as PNG in base64 (uudecode's format), text as lines. False: there is
 * no screen, or nothing on it. */
bool vga_screenshot(const struct png_sink *out);

#endif
