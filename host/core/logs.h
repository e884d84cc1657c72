/* Log lines of guests, kept until Python takes them: a line costs no crossing.
 *
 * Lines of all VMs share one bounded store, guarded by a lock because a VM may start on another thread. */
#pragma once
#include "vm.h"

typedef struct {
    uint32_t vm, context, root; /* the VM's serial, the context's id, that of its plugin context (0 = none) */
    uint32_t stream;            /* the stream's owner number + 1 (0 = none) */
    uint32_t level, length;       /* bytes of text, which follow those of the row before */
} sw_log_row;

void sw_logs_add(sw_vm *vm, uint32_t level, const char *text, size_t length);
bool sw_logs_pending(void);
/* Moves up to `most` rows out; their text is at *text until the next call. Returns how many; *dropped = lines lost so far. */
size_t sw_logs_take(sw_log_row *rows, size_t most, const char **text, size_t *text_length, uint64_t *dropped);
