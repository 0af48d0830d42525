// SPDX-License-Identifier: BSD-2-Clause
// For kernels whose every n-th allocation fails (make FAIL_ALLOC=n): the kernel's tests try a call
// again that ends with ERR_MEMORY. Memory that is really out is out at the next try, too. A call
// that failed must have left nothing behind, which the tests see: they count pages and slots.
#undef SYS_INVOKE_EXTERN
#define sys_invoke sys_invoke_once
#include "bulkhead/syscall.h"
#undef sys_invoke

enum status sys_invoke(uint64_t operation, struct message *message, uint64_t *badge);

enum status sys_invoke(uint64_t operation, struct message *message, uint64_t *badge)
{
    const struct message asked = *message;
    enum status status = sys_invoke_once(operation, message, badge);

    for (unsigned tries = 0; status == ERR_MEMORY && tries < 4; tries++) {
        *message = asked;
        status = sys_invoke_once(operation, message, badge);
    }
    return status;
}
