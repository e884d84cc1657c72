/* The host calls that are carried out in C, one file a subject, and the one table of them.
 *
 * Each gets its arguments as the guest passed them and returns a Status. It checks every guest range before it touches
 * it, never waits, and never enters the guest but for its allocator. */
#pragma once
#include "stream.h"

typedef int32_t (*sw_hostcall)(sw_vm *vm, const wasmtime_val_raw_t *arguments);

/* By row of abi.HOSTCALLS; NULL = not served, the guest gets UNIMPLEMENTED. */
extern const sw_hostcall sw_hostcall_table[SW_HOSTCALLS];
/* By row of abi.WASI_FUNCTIONS; NULL = always answers the errno of the table. */
extern const sw_hostcall sw_wasi_table[SW_WASI_FUNCTIONS];

static inline uint32_t sw_argument(const wasmtime_val_raw_t *arguments, int index) {
    return (uint32_t)arguments[index].i32;
}
/* The stream of the effective context, NULL when that is a plugin context or none. */
static inline sw_stream *sw_effective_stream(const sw_vm *vm) { return vm->effective ? vm->effective->stream : NULL; }

#define SW_HOSTCALL(name) int32_t name(sw_vm *vm, const wasmtime_val_raw_t *a)
SW_HOSTCALL(proxy_log);
SW_HOSTCALL(proxy_get_log_level);
SW_HOSTCALL(proxy_get_current_time_nanoseconds);
SW_HOSTCALL(proxy_set_tick_period_milliseconds);
SW_HOSTCALL(proxy_get_buffer_status);
SW_HOSTCALL(proxy_get_buffer_bytes);
SW_HOSTCALL(proxy_set_buffer_bytes);
SW_HOSTCALL(proxy_get_header_map_size);
SW_HOSTCALL(proxy_get_header_map_pairs);
SW_HOSTCALL(proxy_set_header_map_pairs);
SW_HOSTCALL(proxy_get_header_map_value);
SW_HOSTCALL(proxy_add_header_map_value);
SW_HOSTCALL(proxy_replace_header_map_value);
SW_HOSTCALL(proxy_remove_header_map_value);
SW_HOSTCALL(proxy_get_property);
SW_HOSTCALL(proxy_set_property);
SW_HOSTCALL(proxy_call_foreign_function);
SW_HOSTCALL(proxy_define_metric);
SW_HOSTCALL(proxy_increment_metric);
SW_HOSTCALL(proxy_record_metric);
SW_HOSTCALL(proxy_get_metric);
SW_HOSTCALL(proxy_continue_stream);
SW_HOSTCALL(proxy_continue_request);
SW_HOSTCALL(proxy_continue_response);
SW_HOSTCALL(proxy_close_stream);
SW_HOSTCALL(proxy_send_local_response);
SW_HOSTCALL(proxy_get_status);
SW_HOSTCALL(proxy_set_shared_data);
SW_HOSTCALL(proxy_get_shared_data);
SW_HOSTCALL(proxy_register_shared_queue);
SW_HOSTCALL(proxy_resolve_shared_queue);
SW_HOSTCALL(proxy_enqueue_shared_queue);
SW_HOSTCALL(proxy_dequeue_shared_queue);
SW_HOSTCALL(proxy_http_call);
SW_HOSTCALL(proxy_grpc_call);
SW_HOSTCALL(proxy_grpc_stream);
SW_HOSTCALL(proxy_grpc_send);
SW_HOSTCALL(proxy_grpc_cancel);
SW_HOSTCALL(proxy_grpc_close);
SW_HOSTCALL(proxy_set_effective_context);
SW_HOSTCALL(proxy_done);
SW_HOSTCALL(proxy_get_configuration);
SW_HOSTCALL(proxy_clear_route_cache);
SW_HOSTCALL(emscripten_notify_memory_growth);
SW_HOSTCALL(pthread_equal);
