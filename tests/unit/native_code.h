// SPDX-License-Identifier: BSD-2-Clause
// What the differential tests of the instruction emulator share: a generated function in which the
// processor executes one instruction with given registers, and the memory on which the emulator
// executes the same. A test defines BUFFER, the bytes of the operands, before.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "emulate.h"
#include "random_code.h"

#define AREA 4096

// Data that the generated code reaches relative to RIP.
struct state {
    uint64_t in[16], in_flags;
    uint64_t out[16], out_flags;
    uint64_t host_rsp;
    uint8_t in_area[AREA] __attribute__((aligned(64))); // for XSAVE
    uint8_t out_area[AREA] __attribute__((aligned(64)));
    uint8_t host_area[AREA] __attribute__((aligned(64)));
};

static uint8_t *code;          // one page of code, then struct state
static uint8_t *buffer;        // the operands; below 2 GiB
static uint8_t shadow[BUFFER]; // what the emulator works on instead of `buffer`
static struct state *state;

static unsigned below(unsigned n)
{
    return (random64() >> 17) % n;
}

// ---- the native side

static uint8_t *emit_field(uint8_t *p, unsigned rex, unsigned opcode, unsigned reg,
                           const void *field)
{
    *p++ = 0x48 | rex;
    if (opcode > 0xff)
        *p++ = opcode >> 8;
    *p++ = opcode;
    *p++ = (reg & 7) << 3 | 5;
    int32_t disp = (int32_t)((intptr_t)field - (intptr_t)(p + 4));
    memcpy(p, &disp, 4);
    return p + 4;
}

static uint8_t *emit_move(uint8_t *p, unsigned reg, const void *field, bool store)
{
    return emit_field(p, reg >> 3 << 2, store ? 0x89 : 0x8b, reg, field);
}

static uint8_t *emit(uint8_t *p, const void *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

// The extended state's instructions, where a test has some (else NULL): from the host's to the
// tested one, and back.
typedef uint8_t *emit_extended(uint8_t *p);

// Everything before the instruction; returns where it goes.
static uint8_t *emit_prologue(emit_extended *extended)
{
    uint8_t *p = code;

    p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); // push rbx rbp r12..r15
    p = emit_move(p, RSP, &state->host_rsp, true);
    if (extended)
        p = extended(p);
    p = emit_move(p, RAX, &state->in_flags, false);
    p = emit(p, "\x50\x9d", 2); // push rax; popfq
    for (unsigned i = 0; i < 16; i++)
        if (i != RSP)
            p = emit_move(p, i, &state->in[i], false);
    return emit_move(p, RSP, &state->in[RSP], false);
}

static void emit_epilogue(uint8_t *p, emit_extended *extended)
{
    for (unsigned i = 0; i < 16; i++)
        p = emit_move(p, i, &state->out[i], true);
    p = emit_move(p, RSP, &state->host_rsp, false);
    p = emit(p, "\x9c\x58", 2); // pushfq; pop rax
    p = emit_move(p, RAX, &state->out_flags, true);
    if (extended)
        p = extended(p);
    emit(p, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12); // cld; pop...; ret
}

// Calls one(at) some `rounds` times; `at` is where the instruction goes.
static void native_run(unsigned long rounds, emit_extended *extended, void (*one)(uint8_t *at))
{
    int rwx = PROT_READ | PROT_WRITE | PROT_EXEC;
    int low = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;

    code = mmap(NULL, 4096 + sizeof(struct state), rwx, low, -1, 0);
    buffer = mmap(NULL, 8192, PROT_READ | PROT_WRITE, low, -1, 0);
    if (code == MAP_FAILED || buffer == MAP_FAILED)
        skip();
    state = (struct state *)(code + 4096);
    uint8_t *at = emit_prologue(extended);
    for (unsigned long i = random_rounds(rounds); i > 0; i--)
        one(at);
}

// ---- the emulated side

static enum emulate_status shadow_read(void *ctx, uint64_t linear, unsigned size,
                                       enum walk_access intent, uint64_t *value,
                                       struct guest_fault *fault)
{
    uint64_t offset = linear - (uintptr_t)buffer;

    (void)ctx, (void)intent, (void)fault;
    if (offset > BUFFER - size)
        return EMULATE_NO_MEMORY;
    *value = 0;
    memcpy(value, shadow + offset, size);
    return EMULATE_OK;
}

static enum emulate_status shadow_write(void *ctx, uint64_t linear, unsigned size,
                                        const uint64_t *value, struct guest_fault *fault)
{
    uint64_t offset = linear - (uintptr_t)buffer;

    (void)ctx, (void)fault;
    if (offset > BUFFER - size || (size < 8 && *value >> (8 * size)))
        return EMULATE_NO_MEMORY;
    memcpy(shadow + offset, value, size);
    return EMULATE_OK;
}

static const struct emulate_ops shadow_ops = {.read = shadow_read, .write = shadow_write};
