/* Starting VMs from a copy: see snapshot.h. */
typedef struct sw_snapshot sw_snapshot;
sw_snapshot *sw_snapshot_take(sw_vm *vm, uint32_t globals);
void sw_snapshot_delete(sw_snapshot *snapshot);
int sw_snapshot_apply(const sw_snapshot *snapshot, sw_vm *vm);
size_t sw_snapshot_size(const sw_snapshot *snapshot, size_t *kept);
uint32_t sw_vm_next_id(const sw_vm *vm);
void sw_vm_set_next_id(sw_vm *vm, uint32_t id);
uint64_t sw_vm_used_hostcalls(const sw_vm *vm);
uint32_t sw_context_tick_period(const sw_context *context);
void sw_context_set_tick_period(sw_context *context, uint32_t milliseconds);
