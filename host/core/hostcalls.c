/* How a guest's import reaches its host call: one entry for host calls, one for WASI, one for what is not served. */
#include "hostcalls.h"

#include <stdio.h>
#include <string.h>

#include "linker.h"
#include "logs.h"

#define ROW(name, function) [SW_CALL_##name] = function
const sw_hostcall sw_hostcall_table[SW_HOSTCALLS] = {
    ROW(PROXY_LOG, proxy_log),
    ROW(PROXY_GET_LOG_LEVEL, proxy_get_log_level),
    ROW(PROXY_GET_CURRENT_TIME_NANOSECONDS, proxy_get_current_time_nanoseconds),
    ROW(PROXY_SET_TICK_PERIOD_MILLISECONDS, proxy_set_tick_period_milliseconds),
    ROW(PROXY_GET_BUFFER_STATUS, proxy_get_buffer_status),
    ROW(PROXY_GET_BUFFER_BYTES, proxy_get_buffer_bytes),
    ROW(PROXY_SET_BUFFER_BYTES, proxy_set_buffer_bytes),
    ROW(PROXY_GET_HEADER_MAP_SIZE, proxy_get_header_map_size),
    ROW(PROXY_GET_HEADER_MAP_PAIRS, proxy_get_header_map_pairs),
    ROW(PROXY_SET_HEADER_MAP_PAIRS, proxy_set_header_map_pairs),
    ROW(PROXY_GET_HEADER_MAP_VALUE, proxy_get_header_map_value),
    ROW(PROXY_ADD_HEADER_MAP_VALUE, proxy_add_header_map_value),
    ROW(PROXY_REPLACE_HEADER_MAP_VALUE, proxy_replace_header_map_value),
    ROW(PROXY_REMOVE_HEADER_MAP_VALUE, proxy_remove_header_map_value),
    ROW(PROXY_GET_PROPERTY, proxy_get_property),
    ROW(PROXY_SET_PROPERTY, proxy_set_property),
    ROW(PROXY_CALL_FOREIGN_FUNCTION, proxy_call_foreign_function),
    ROW(PROXY_DEFINE_METRIC, proxy_define_metric),
    ROW(PROXY_INCREMENT_METRIC, proxy_increment_metric),
    ROW(PROXY_RECORD_METRIC, proxy_record_metric),
    ROW(PROXY_GET_METRIC, proxy_get_metric),
    ROW(PROXY_CONTINUE_STREAM, proxy_continue_stream),
    ROW(PROXY_CONTINUE_REQUEST, proxy_continue_request),
    ROW(PROXY_CONTINUE_RESPONSE, proxy_continue_response),
    ROW(PROXY_CLOSE_STREAM, proxy_close_stream),
    ROW(PROXY_SEND_LOCAL_RESPONSE, proxy_send_local_response),
    ROW(PROXY_GET_STATUS, proxy_get_status),
    ROW(PROXY_SET_SHARED_DATA, proxy_set_shared_data),
    ROW(PROXY_GET_SHARED_DATA, proxy_get_shared_data),
    ROW(PROXY_REGISTER_SHARED_QUEUE, proxy_register_shared_queue),
    ROW(PROXY_RESOLVE_SHARED_QUEUE, proxy_resolve_shared_queue),
    ROW(PROXY_ENQUEUE_SHARED_QUEUE, proxy_enqueue_shared_queue),
    ROW(PROXY_DEQUEUE_SHARED_QUEUE, proxy_dequeue_shared_queue),
    ROW(PROXY_HTTP_CALL, proxy_http_call),
    ROW(PROXY_GRPC_CALL, proxy_grpc_call),
    ROW(PROXY_GRPC_STREAM, proxy_grpc_stream),
    ROW(PROXY_GRPC_SEND, proxy_grpc_send),
    ROW(PROXY_GRPC_CANCEL, proxy_grpc_cancel),
    ROW(PROXY_GRPC_CLOSE, proxy_grpc_close),
    ROW(PROXY_SET_EFFECTIVE_CONTEXT, proxy_set_effective_context),
    ROW(PROXY_DONE, proxy_done),
    ROW(PROXY_GET_CONFIGURATION, proxy_get_configuration),
    ROW(PROXY_CLEAR_ROUTE_CACHE, proxy_clear_route_cache),
    ROW(EMSCRIPTEN_NOTIFY_MEMORY_GROWTH, emscripten_notify_memory_growth),
    ROW(PTHREAD_EQUAL, pthread_equal),
};
#undef ROW

_Static_assert(SW_HOSTCALLS <= 64, "used_hostcalls has a bit for each");

/* A start section runs before the instance is there to be asked for its memory (AssemblyScript's top-level code). */
static void note_memory(sw_vm *vm, wasmtime_caller_t *caller) {
    wasmtime_extern_t item;
    if (sw_engine.wasmtime_caller_export_get(caller, "memory", 6, &item) && item.kind == WASMTIME_EXTERN_MEMORY)
        vm->memory = item.of.memory;
}

static sw_vm *vm_of(wasmtime_caller_t *caller) {
    sw_vm *vm = sw_engine.wasmtime_context_get_data(sw_engine.wasmtime_caller_context(caller));
    if (!sw_vm_has_memory(vm)) note_memory(vm, caller);
    return vm;
}

/* A failure that happened inside the call ends the guest; its reason is kept in the VM. */
static wasm_trap_t *outcome(const sw_vm *vm) {
    if (!sw_vm_is_failed(vm)) return NULL;
    static const char text[] = "host";
    return sw_engine.wasmtime_trap_new(text, sizeof text - 1);
}

/* The arguments are overwritten by the result: only a trace needs them afterwards. A function that the guest imports
 * without parameters and result (0.1.0's proxy_continue_request) has no place for one. */
static void finish(sw_vm *vm, uint8_t what, const sw_import *import, wasmtime_val_raw_t *values, size_t count, int32_t result) {
    vm->hostcalls++;
    if (vm->trace_on) sw_trace_add(vm, what, import->index, values, import->parameters, result);
    if (count) values[0].i32 = result;
}

/* While start functions and the allocator run, a guest may log, and nothing else: its contexts are not there yet, or
 * are in the middle of something. */
static bool is_allowed(sw_vm *vm, const sw_import *import) {
    if (vm->allowed == SW_ANY_CALL || import->index == SW_CALL_PROXY_LOG ||
        import->index == SW_CALL_EMSCRIPTEN_NOTIFY_MEMORY_GROWTH || import->index == SW_CALL_PTHREAD_EQUAL)
        return true;
    sw_vm_fail(vm, SW_FAILURE_RESTRICTED, "restricted_callback: %s called %s", import->name,
               vm->allowed == SW_START_CALLS ? "by a start function" : "by the allocator");
    return false;
}

wasm_trap_t *sw_enter_hostcall(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    const sw_import *import = data;
    sw_vm *vm = vm_of(caller);
    if (vm->allowed != SW_ANY_CALL && !is_allowed(vm, import)) return outcome(vm);
    vm->used_hostcalls |= UINT64_C(1) << import->index;
    sw_hostcall function = sw_hostcall_table[import->index];
    int32_t result = function ? function(vm, values) : SW_UNIMPLEMENTED;
    finish(vm, SW_TRACE_HOSTCALL, import, values, count, result);
    return outcome(vm);
}

wasm_trap_t *sw_enter_wasi(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    const sw_import *import = data;
    sw_vm *vm = vm_of(caller);
    sw_hostcall function = sw_wasi_table[import->index];
    int32_t result = function ? function(vm, values) : sw_wasi_errno[import->index];
    finish(vm, SW_TRACE_WASI, import, values, count, result);
    return outcome(vm);
}

static void tell_restricted(sw_vm *vm, sw_import *import) {
    if (atomic_exchange(&import->told, true)) return;
    char line[128];
    int length = snprintf(line, sizeof line, "%s is not in allowed_capabilities: it is refused", import->name);
    sw_logs_add(vm, SW_LOG_ERROR, line, (size_t)length);
}

wasm_trap_t *sw_enter_restricted_hostcall(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    sw_vm *vm = vm_of(caller);
    tell_restricted(vm, data);
    finish(vm, SW_TRACE_HOSTCALL, data, values, count, SW_INTERNAL_FAILURE);
    return NULL;
}

wasm_trap_t *sw_enter_restricted_wasi(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    sw_vm *vm = vm_of(caller);
    tell_restricted(vm, data);
    finish(vm, SW_TRACE_WASI, data, values, count, SW_ERRNO_NOTCAPABLE);
    return NULL;
}

/* A host call of a dialect or of a later version: the answer is always the same. */
wasm_trap_t *sw_enter_constant(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    (void)caller;
    if (count) {
        memset(&values[0], 0, sizeof values[0]);
        values[0].i32 = ((const sw_import *)data)->index;
    }
    return NULL;
}
