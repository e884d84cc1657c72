#include "faces.h"

#include <stdlib.h>
#include <string.h>

#include "metrics.h"

void sw_vm_configure(sw_vm *vm, uint8_t abi_version, uint8_t log_level, const char *vm_id, size_t vm_id_length,
                     const char *configuration, size_t configuration_length, const char *environment,
                     size_t environment_length) {
    vm->abi_version = abi_version;
    vm->log_level = log_level;
    sw_buffer_append(&vm->vm_id, vm_id, vm_id_length);
    sw_buffer_append(&vm->configuration, configuration, configuration_length);
    sw_buffer_append(&vm->environment, environment, environment_length);
}

int sw_vm_set_properties(sw_vm *vm, const char *pairs, size_t length) {
    vm->properties.exact = true;
    return sw_headers_set_pairs(&vm->properties, pairs, length);
}

void sw_vm_set_log_level(sw_vm *vm, uint8_t log_level) { vm->log_level = log_level; }

const char *sw_vm_failure(const sw_vm *vm, int *kind, size_t *length) {
    *kind = vm->failure_kind;
    *length = vm->failure.length;
    return sw_buffer_bytes(&vm->failure);
}

size_t sw_vm_memory_size(const sw_vm *vm) {
    return sw_vm_has_memory(vm) ? sw_engine.wasmtime_memory_data_size(vm->context, &vm->memory) : 0;
}

uint64_t sw_vm_calls(const sw_vm *vm) { return vm->calls; }
uint64_t sw_vm_hostcalls(const sw_vm *vm) { return vm->hostcalls; }
uint32_t sw_vm_live_contexts(const sw_vm *vm) { return vm->contexts_used; }
const char *sw_vm_memory(sw_vm *vm, uint32_t pointer, uint32_t length) { return sw_guest(vm, pointer, length); }

int sw_vm_trace(sw_vm *vm, uint32_t rows) {
    free(vm->trace);
    vm->trace = rows ? calloc(rows, sizeof *vm->trace) : NULL;
    vm->trace_size = rows;
    vm->trace_count = 0;
    vm->trace_on = vm->trace != NULL;
    return rows && !vm->trace ? -1 : 0;
}

uint64_t sw_vm_trace_rows(const sw_vm *vm, const sw_trace_row **rows, uint32_t *size) {
    *rows = vm->trace;
    *size = vm->trace_size;
    return vm->trace_count;
}

uint32_t sw_context_id(const sw_context *context) { return context->id; }

bool sw_vm_take_ticks_changed(sw_vm *vm) {
    bool changed = vm->ticks_changed;
    vm->ticks_changed = false;
    return changed;
}

int64_t sw_context_take_tick(sw_context *context) {
    if (!context->tick_changed) return -1;
    context->tick_changed = false;
    return context->tick_period;
}

void sw_context_retire(sw_context *context) { context->is_retired = true; }
uint32_t sw_context_streams(const sw_context *context) { return context->references - 1; }
void sw_context_defer_done(sw_context *context, bool pending) { context->done_pending = pending; }
bool sw_context_is_done_pending(const sw_context *context) { return context->done_pending; }

enum { ALL_EVENTS = (1 << SW_EVENTS) - 1 };

sw_filter *sw_filter_new_wasm(bool fail_open, bool writes_bodies) {
    sw_filter *filter = calloc(1, sizeof *filter);
    if (!filter) return NULL;
    filter->kind = SW_FILTER_WASM;
    filter->events = ALL_EVENTS;
    filter->policy = fail_open ? SW_FAIL_OPEN : SW_FAIL_CLOSED;
    filter->writes_bodies = writes_bodies;
    filter->takes_body[SW_REQUEST] = filter->takes_body[SW_RESPONSE] = true;
    return filter;
}

void sw_filter_take_bodies(sw_filter *filter, bool of_requests, bool of_responses) {
    filter->takes_body[SW_REQUEST] = of_requests;
    filter->takes_body[SW_RESPONSE] = of_responses;
}

sw_filter *sw_filter_new_native(uint32_t events) {
    sw_filter *filter = calloc(1, sizeof *filter);
    if (!filter) return NULL;
    filter->kind = SW_FILTER_NATIVE;
    filter->events = events;
    filter->writes_bodies = true;
    return filter;
}

void sw_filter_limit_bodies(sw_filter *filter, size_t request_limit, size_t response_limit) {
    filter->body_limit[SW_REQUEST] = request_limit;
    filter->body_limit[SW_RESPONSE] = response_limit;
}

void sw_filter_only_log(sw_filter *filter) { filter->events &= 1u << SW_ON_LOG | 1u << SW_ON_DELETE; }
void sw_filter_only_reads(sw_filter *filter) { filter->writes_bodies = false; }
void sw_filter_stop_head_alone(sw_filter *filter, bool alone) { filter->stops_head_alone = alone; }
void sw_filter_delete(sw_filter *filter) { free(filter); }
void sw_filter_bind(sw_filter *filter, sw_context *root) { filter->root = root; }

static bool takes(const sw_filter *filter, int side) {
    uint32_t events = side == SW_REQUEST ? 1u << SW_ON_REQUEST_BODY | 1u << SW_ON_REQUEST_TRAILERS
                                         : 1u << SW_ON_RESPONSE_BODY | 1u << SW_ON_RESPONSE_TRAILERS;
    if (filter->kind == SW_FILTER_WASM && filter->events & events) {
        if (!filter->root) return filter->takes_body[side];
        const uint8_t *exported = filter->root->vm->parameters;
        return side == SW_REQUEST ? exported[SW_PROXY_ON_REQUEST_BODY] || exported[SW_PROXY_ON_REQUEST_TRAILERS]
                                  : exported[SW_PROXY_ON_RESPONSE_BODY] || exported[SW_PROXY_ON_RESPONSE_TRAILERS];
    }
    return filter->events & events;
}

sw_chain *sw_chain_new(sw_filter **filters, size_t count, bool reverse_response, bool hold_response_head,
                       size_t request_limit, size_t response_limit, const char *properties, size_t properties_length) {
    if (count > UINT16_MAX) return NULL;
    sw_chain *chain = calloc(1, sizeof *chain);
    if (!chain) return NULL;
    chain->properties.exact = true;
    chain->filters = calloc(count ? count : 1, sizeof *filters);
    if (!chain->filters || sw_headers_set_pairs(&chain->properties, properties, properties_length)) {
        sw_chain_delete(chain);
        return NULL;
    }
    if (count) memcpy(chain->filters, filters, count * sizeof *filters);
    chain->count = (uint16_t)count;
    chain->reverse_response = reverse_response;
    chain->body_limit[SW_REQUEST] = request_limit;
    chain->body_limit[SW_RESPONSE] = response_limit;
    for (size_t i = 0; i < count; i++)
        for (int side = 0; side < SW_SIDES; side++) {
            if (!takes(filters[i], side)) continue;
            chain->wants_body |= (uint8_t)(1 << side);
            if (filters[i]->writes_bodies) chain->writes_body |= (uint8_t)(1 << side);
        }
    chain->hold_response_head = hold_response_head && chain->writes_body >> SW_RESPONSE & 1;
    return chain;
}

void sw_chain_count_in(sw_chain *chain, sw_metrics *metrics, const uint32_t *requests, uint32_t durations) {
    sw_metrics_retain(metrics);
    chain->metrics = metrics;
    memcpy(chain->requests, requests, sizeof chain->requests);
    chain->durations = durations;
}

void sw_chain_delete(sw_chain *chain) {
    if (!chain) return;
    sw_metrics_release(chain->metrics);
    sw_headers_free(&chain->properties);
    free(chain->filters);
    free(chain);
}

int sw_chain_body_bits(const sw_chain *chain) { return chain->wants_body | chain->writes_body << 2; }
void sw_stream_set_protocol(sw_stream *stream, int protocol) { stream->protocol = (uint8_t)protocol; }

bool sw_stream_is_local(const sw_stream *stream) { return stream->local.active; }

bool sw_stream_is_paused(const sw_stream *stream, int side) {
    for (uint16_t i = 0; i < stream->count; i++)
        if (stream->slots[i].side[side].stopped) return true;
    return false;
}

const char *sw_stream_details(const sw_stream *stream, size_t *length) {
    *length = stream->local.details.length;
    return sw_buffer_bytes(&stream->local.details);
}
