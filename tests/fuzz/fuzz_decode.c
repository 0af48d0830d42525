// SPDX-License-Identifier: BSD-2-Clause
// Decoder on arbitrary bytes: never reads beyond them, and its answer depends only on the bytes of
// the instruction: with fewer it asks for more, with others behind them it stays the same.
// links: vmm/decode.c vmm/decode_tables.c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

static void check(const uint8_t *bytes, size_t n, enum cpu_mode mode)
{
    struct insn insn, again;
    enum decode_status status = decode(&insn, bytes, n, mode);

    if (status != DECODE_OK)
        return;
    if (insn.length == 0 || insn.length > n || insn.length > INSN_MAX_LENGTH)
        abort();
    if (insn.has_memory && insn.map == MAP_ONE_BYTE && insn.operand_size == 0)
        abort();
    for (size_t cut = 0; cut < insn.length; cut++)
        if (decode(&again, bytes, cut, mode) == DECODE_OK)
            abort();

    uint8_t other[INSN_MAX_LENGTH];
    memset(other, 0xa5, sizeof(other));
    memcpy(other, bytes, insn.length);
    if (decode(&again, other, sizeof(other), mode) != DECODE_OK || again.length != insn.length ||
        again.imm != insn.imm || again.disp != insn.disp)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < 32 ? size : 32;
    uint8_t *exact = malloc(n ? n : 1); // so that the sanitizer sees each byte too many

    if (!exact)
        return 0;
    memcpy(exact, data, n);
    check(exact, n, CPU_MODE_16);
    check(exact, n, CPU_MODE_32);
    check(exact, n, CPU_MODE_64);
    free(exact);
    return 0;
}
