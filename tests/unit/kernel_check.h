// SPDX-License-Identifier: BSD-2-Clause
// What must hold in the kernel core between any two system calls: kernel/check.c, for all objects.
#pragma once

#include "kernel_host.h"

#define FOR_OBJECTS(o)                                                                          \
    for (unsigned slot_##o = 1; slot_##o < 4096 && host_slots[slot_##o].generation; slot_##o++) \
        for (struct object *o = host_slots[slot_##o].object; o; o = NULL)

// `deep`: the page tables and the pools' pages, too.
static void check_kernel(bool deep)
{
    if (deep)
        assert_int_equal(check_slots(0, 4096), 0);
    else
        FOR_OBJECTS(o) check_object(o);
}
