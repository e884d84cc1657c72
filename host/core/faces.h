/* What Python's faces read and set of VMs, contexts, filters and chains: no behaviour of its own. */
#pragma once
#include "stream.h"

void sw_vm_configure(sw_vm *vm, uint8_t abi_version, uint8_t log_level, const char *vm_id, size_t vm_id_length,
                     const char *configuration, size_t configuration_length, const char *environment,
                     size_t environment_length);
/* `pairs`: path to value. 0, or as sw_headers_set_pairs. */
int sw_vm_set_properties(sw_vm *vm, const char *pairs, size_t length);
void sw_vm_set_log_level(sw_vm *vm, uint8_t log_level);
const char *sw_vm_failure(const sw_vm *vm, int *kind, size_t *length);
size_t sw_vm_memory_size(const sw_vm *vm);
uint64_t sw_vm_calls(const sw_vm *vm);
uint64_t sw_vm_hostcalls(const sw_vm *vm);
uint32_t sw_vm_live_contexts(const sw_vm *vm);
const char *sw_vm_memory(sw_vm *vm, uint32_t pointer, uint32_t length);
/* Keeps the last `rows` calls from now on; 0 ends it. */
int sw_vm_trace(sw_vm *vm, uint32_t rows);
uint64_t sw_vm_trace_rows(const sw_vm *vm, const sw_trace_row **rows, uint32_t *size);
uint32_t sw_context_id(const sw_context *context);
/* The tick period that was set since the last time, in milliseconds (0 = none), or -1. */
int64_t sw_context_take_tick(sw_context *context);
/* Whether any context's tick period was set since this was last asked. */
bool sw_vm_take_ticks_changed(sw_vm *vm);
/* Has the core say SW_ENDING when the last stream leaves the plugin context. */
void sw_context_retire(sw_context *context);
/* Stream contexts that a plugin context has. */
uint32_t sw_context_streams(const sw_context *context);
void sw_context_defer_done(sw_context *context, bool pending);
bool sw_context_is_done_pending(const sw_context *context);
sw_filter *sw_filter_new_wasm(bool fail_open, bool writes_bodies);
sw_filter *sw_filter_new_native(uint32_t events);
/* An access logger: it sees the end of exchanges, and nothing of their way. */
void sw_filter_only_log(sw_filter *filter);
/* It leaves bodies as they are: for its sake no length has to be counted anew. */
void sw_filter_only_reads(sw_filter *filter);
/* See stream.h: stops_head_alone. */
void sw_filter_stop_head_alone(sw_filter *filter, bool alone);
void sw_filter_limit_bodies(sw_filter *filter, size_t request_limit, size_t response_limit);
/* Whether the filter's module takes bodies or trailers, for chains that are made while it has no VM. */
void sw_filter_take_bodies(sw_filter *filter, bool of_requests, bool of_responses);
void sw_filter_delete(sw_filter *filter);
/* New streams of the filter go to this plugin context from now on; NULL: the plugin is down. */
void sw_filter_bind(sw_filter *filter, sw_context *root);
sw_chain *sw_chain_new(sw_filter **filters, size_t count, bool reverse_response, bool hold_response_head,
                       size_t request_limit, size_t response_limit, const char *properties, size_t properties_length);
/* `requests`: 6 counters by class of status; `durations`: a histogram. Once. */
void sw_chain_count_in(sw_chain *chain, struct sw_metrics *metrics, const uint32_t *requests, uint32_t durations);
void sw_chain_delete(sw_chain *chain);
/* Bit 0, 1: some filter takes bodies of requests, responses; bit 2, 3: some filter can change them. */
int sw_chain_body_bits(const sw_chain *chain);
void sw_stream_set_protocol(sw_stream *stream, int protocol);
/* Whether a filter holds the side now. */
bool sw_stream_is_paused(const sw_stream *stream, int side);
/* Whether the exchange has been answered here, and not by an upstream. */
bool sw_stream_is_local(const sw_stream *stream);
const char *sw_stream_details(const sw_stream *stream, size_t *length);
