// SPDX-License-Identifier: BSD-2-Clause
// What the files of the emulator share with each other, and nobody else uses.
#pragma once

#include "emulate.h"

struct emulation {
    struct cpu_view *cpu;
    const struct insn *insn;
    const struct emulate_ops *ops;
    void *ctx;
    struct guest_fault *fault;
    unsigned size;   // of the operands in bytes
    uint64_t linear; // of the memory operand
    uint64_t flags;  // rflags and rip after the instruction, committed when it ends well
    uint64_t rip;
};

// Register `number` as an operand of `size` bytes: without REX, byte registers 4..7 are AH to BH;
// writing 4 bytes clears the upper half, writing 1 or 2 keeps the rest.
uint64_t emulate_get(const struct emulation *e, unsigned number, unsigned size);
void emulate_set(struct emulation *e, unsigned number, unsigned size, uint64_t value);

// Register `number` as an address or counter of `size` bytes: never a high byte register.
uint64_t emulate_get_address(const struct emulation *e, unsigned number, unsigned size);
void emulate_set_address(struct emulation *e, unsigned number, unsigned size, uint64_t value);

// MOVS, CMPS, STOS, LODS, SCAS, with and without REP.
enum emulate_status emulate_string(struct emulation *e);

// The instructions of the 0F and 0F38 maps; the operand size is that of the plain form.
enum emulate_status emulate_two_byte(struct emulation *e);

// PUSH, POP, CALL, RET, LEAVE and near jumps; EMULATE_UNSUPPORTED when it is none of them.
enum emulate_status emulate_stack(struct emulation *e);

// Bit scans and counts, CRC32, ADCX, ADOX, the general-register instructions in VEX encoding, and
// emulate_vector(). EMULATE_UNSUPPORTED when it is none of them. Linked into the vmms that have
// devices, firmware or a kernel that is no bzImage: Linux accesses the registers of the devices
// that every VM has by other instructions.
enum emulate_status emulate_extended(struct emulation *e);

// Moves of MMX, SSE and AVX.
enum emulate_status emulate_vector(struct emulation *e);

// The instruction ends with an exception that has no error code.
enum emulate_status emulate_raise(struct emulation *e, enum x86_vector vector);

// Reads the memory operand, with the rights that `intent` needs, and writes it.
enum emulate_status emulate_load(struct emulation *e, unsigned size, enum walk_access intent,
                                 uint64_t *value);
enum emulate_status emulate_store(struct emulation *e, unsigned size, uint64_t value);

// The same for 1 to 32 bytes. With `aligned` the address must be a multiple of the size, else #GP.
enum emulate_status emulate_load_wide(struct emulation *e, unsigned size, enum walk_access intent,
                                      bool aligned, uint64_t *value);
enum emulate_status emulate_store_wide(struct emulation *e, unsigned size, bool aligned,
                                       const uint64_t *value);

// Like emulate_load and emulate_store, at `offset` in segment `seg`.
enum emulate_status emulate_read_at(struct emulation *e, unsigned seg, uint64_t offset,
                                    unsigned size, uint64_t *value);
enum emulate_status emulate_write_at(struct emulation *e, unsigned seg, uint64_t offset,
                                     unsigned size, uint64_t value);
