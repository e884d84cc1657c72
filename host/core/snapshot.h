/* What a guest has become by its start: its memory and its mutable globals. Further VMs of the module begin with that
 * instead of running the start again. Their memory is the snapshot's until they write to it (copy on write).
 *
 * It knows nothing of contexts: whoever restores a VM makes those anew, under the ids that the guest knows. */
#pragma once
#include "vm.h"

typedef struct sw_snapshot sw_snapshot;

/* Of a VM whose module exports its mutable globals as SW_GLOBAL_EXPORT 0, 1, … NULL: no memory, or no such globals. */
sw_snapshot *sw_snapshot_take(sw_vm *vm, uint32_t globals);
void sw_snapshot_delete(sw_snapshot *snapshot);
/* Puts an instance of the same module, whose start functions have not run, into that state. 0, or -1: the VM is of no
 * use any more. */
int sw_snapshot_apply(const sw_snapshot *snapshot, sw_vm *vm);
/* Bytes of memory, and how many of them are kept because they are not zero. */
size_t sw_snapshot_size(const sw_snapshot *snapshot, size_t *kept);

/* What else of a VM has to be noted, and set again. */
uint32_t sw_vm_next_id(const sw_vm *vm);
void sw_vm_set_next_id(sw_vm *vm, uint32_t id);
uint64_t sw_vm_used_hostcalls(const sw_vm *vm);
uint32_t sw_context_tick_period(const sw_context *context);
void sw_context_set_tick_period(sw_context *context, uint32_t milliseconds);

#define SW_GLOBAL_EXPORT "sluiceway_global_%u"
