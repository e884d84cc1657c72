/* Modules and guests: see linker.h, vm.h, logs.h. Structs that Python only passes on are opaque. */
typedef struct { uint8_t what, count; uint16_t index; int32_t result; uint32_t context; uint32_t arguments[6]; uint64_t time_ns; } sw_trace_row;
typedef struct { uint32_t vm, context, root, stream, level, length; } sw_log_row;

sw_linker *sw_linker_new(wasm_engine_t *engine);
void sw_linker_delete(sw_linker *linker);
const char *sw_linker_define(sw_linker *linker, const char *module, const char *name, int kind, uint16_t index, const char *parameters, const char *results);
const char *sw_linker_finish(sw_linker *linker, const wasmtime_module_t *module);
const wasmtime_instance_pre_t *sw_linker_pre(const sw_linker *linker);

sw_vm *sw_vm_new(wasm_engine_t *engine, uint32_t serial, int64_t memory_limit);
void sw_vm_release(sw_vm *vm);
int sw_vm_instantiate(sw_vm *vm, const wasmtime_instance_pre_t *pre);
typedef struct { const char *name; uint16_t index; uint8_t parameters; } sw_binding;
void sw_vm_bind_all(sw_vm *vm, const sw_binding *bindings, size_t count);
bool sw_vm_has_memory(const sw_vm *vm);
void sw_vm_watch(sw_vm *vm, uint64_t streams, size_t memory);
bool sw_vm_is_due(const sw_vm *vm);
void sw_vm_set_deadline(sw_vm *vm, uint64_t cpu_ns);
void sw_vm_set_fuel(sw_vm *vm, uint64_t fuel);
int sw_vm_call(sw_vm *vm, uint16_t callback, sw_context *context, const uint32_t *arguments, int32_t *result);
int sw_vm_start(sw_vm *vm, uint16_t callback);
bool sw_vm_is_failed(const sw_vm *vm);
int64_t sw_vm_first_stream(const sw_vm *vm);
void sw_vm_configure(sw_vm *vm, uint8_t abi_version, uint8_t log_level, const char *vm_id, size_t vm_id_length, const char *configuration, size_t configuration_length, const char *environment, size_t environment_length);
int sw_vm_set_properties(sw_vm *vm, const char *pairs, size_t length);
void sw_vm_set_log_level(sw_vm *vm, uint8_t log_level);
const char *sw_vm_failure(const sw_vm *vm, int *kind, size_t *length);
size_t sw_vm_memory_size(const sw_vm *vm);
uint64_t sw_vm_calls(const sw_vm *vm);
uint64_t sw_vm_hostcalls(const sw_vm *vm);
uint32_t sw_vm_live_contexts(const sw_vm *vm);
const char *sw_vm_memory(sw_vm *vm, uint32_t pointer, uint32_t length);
int sw_vm_trace(sw_vm *vm, uint32_t rows);
uint64_t sw_vm_trace_rows(const sw_vm *vm, const sw_trace_row **rows, uint32_t *size);

sw_context *sw_context_new_root(sw_vm *vm, const char *name, size_t name_length, const char *root_id, size_t root_id_length, const char *configuration, size_t configuration_length);
void sw_context_delete_root(sw_context *context);
uint32_t sw_context_id(const sw_context *context);
int64_t sw_context_take_tick(sw_context *context);
bool sw_vm_take_ticks_changed(sw_vm *vm);
void sw_context_retire(sw_context *context);
uint32_t sw_context_streams(const sw_context *context);
void sw_context_defer_done(sw_context *context, bool pending);
bool sw_context_is_done_pending(const sw_context *context);

bool sw_logs_pending(void);
size_t sw_logs_take(sw_log_row *rows, size_t most, const char **text, size_t *text_length, uint64_t *dropped);
