/* Host calls about buffers: bodies, configurations, and what a callback brings along. */
#include <stdio.h>

#include "delivery.h"
#include "hostcalls.h"
#include "logs.h"
#include "passes.h"

static bool is_body(uint32_t type) { return type <= SW_BUFFER_UPSTREAM_DATA; }
static int side_of(uint32_t type) { return type % SW_SIDES; }

/* Whether the effective context is of a stream that has such bodies: an exchange, or a connection. */
static bool has_body(const sw_vm *vm, uint32_t type) {
    const sw_stream *stream = sw_effective_stream(vm);
    return stream && stream->is_connection == (type >= SW_BUFFER_DOWNSTREAM_DATA);
}

/* What the filter sees as the body of that side: the chunk that passes now, or what it holds while stopped. */
static sw_buffer *body_of(const sw_vm *vm, uint32_t type) {
    sw_stream *stream = sw_effective_stream(vm);
    if (!has_body(vm, type) || stream->logging || !stream->side[side_of(type)].started) return NULL;
    return &sw_slot_of(vm->effective)->side[side_of(type)].body;
}

/* The buffer to read. *status tells why there is none. */
static const sw_buffer *readable(const sw_vm *vm, uint32_t type, int32_t *status) {
    const sw_buffer *buffer = NULL;
    *status = SW_NOT_FOUND;
    if (type > SW_BUFFER_FOREIGN_FUNCTION_ARGUMENTS)
        *status = SW_BAD_ARGUMENT;
    else if (is_body(type))
        buffer = body_of(vm, type);
    else if (type == SW_BUFFER_VM_CONFIGURATION)
        buffer = &vm->configuration;
    else if (type == SW_BUFFER_PLUGIN_CONFIGURATION && vm->effective)
        buffer = &vm->effective->root->configuration;
    else
        buffer = sw_delivered_buffer(vm, type);
    return buffer;
}

/* As in Envoy, what is not there (yet) is empty: bodies and data wherever there is a stream, of whichever kind, and what a
 * gRPC message or a foreign function would have brought. */
static bool is_empty_when_absent(const sw_vm *vm, uint32_t type) {
    if (is_body(type)) return sw_effective_stream(vm) != NULL;
    return type == SW_BUFFER_GRPC_CALL_MESSAGE || type == SW_BUFFER_FOREIGN_FUNCTION_ARGUMENTS;
}

SW_HOSTCALL(proxy_get_buffer_status) {
    static const sw_buffer empty;
    int32_t status;
    const sw_buffer *buffer = readable(vm, sw_argument(a, 0), &status);
    if (!buffer && is_empty_when_absent(vm, sw_argument(a, 0))) buffer = &empty;
    if (!buffer) return status;
    uint32_t length = buffer->length > UINT32_MAX ? UINT32_MAX : (uint32_t)buffer->length;
    bool is_written = sw_guest_put_u32(vm, sw_argument(a, 1), length) && sw_guest_put_u32(vm, sw_argument(a, 2), 0);
    return is_written ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

/* A start behind the end is an empty range, a length beyond it is clipped (guests pass the greatest number there is). */
SW_HOSTCALL(proxy_get_buffer_bytes) {
    int32_t status;
    uint32_t type = sw_argument(a, 0), start = sw_argument(a, 1);
    size_t length = sw_argument(a, 2);
    const sw_buffer *buffer = readable(vm, type, &status);
    if (!buffer && is_empty_when_absent(vm, type)) return sw_guest_give(vm, NULL, 0, sw_argument(a, 3), sw_argument(a, 4));
    if (!buffer) return status;
    if (start > buffer->length) start = (uint32_t)buffer->length;
    if (length > buffer->length - start) length = buffer->length - start;
    const char *bytes = length ? sw_buffer_bytes(buffer) + start : NULL;
    return sw_guest_give(vm, bytes, length, sw_argument(a, 3), sw_argument(a, 4));
}

/* Whether the body would grow beyond what its filter may hold: a guest that doubles it in a loop has used up the host's
 * memory long before its own deadline. A body that came longer than that may be made shorter. */
static bool grows_too_long(const sw_vm *vm, int side, const sw_buffer *body, size_t at, size_t replaced, size_t added) {
    const sw_context *context = vm->effective;
    size_t limit = sw_body_limit_of(context->stream, side, sw_slot_of(vm->effective));
    size_t behind = at < body->length ? body->length - at : 0;
    if (replaced > behind) replaced = behind;
    return added > replaced && body->length - replaced + added > limit;
}

static void tell_too_long(sw_vm *vm, uint32_t type) {
    static const char *const names[] = {"request body", "response body", "downstream data", "upstream data"};
    char text[128];
    int length = snprintf(text, sizeof text, "proxy_set_buffer_bytes was refused: the %s would be longer than %zu bytes", names[type],
                          sw_body_limit_of(vm->effective->stream, side_of(type), sw_slot_of(vm->effective)));
    sw_logs_add(vm, SW_LOG_WARN, text, (size_t)length);
}

/* The specification's splice: `length` bytes from `start` on give way to the data. Envoy does it at both ends only. */
SW_HOSTCALL(proxy_set_buffer_bytes) {
    uint32_t type = sw_argument(a, 0), length = sw_argument(a, 4);
    const char *data = sw_guest(vm, sw_argument(a, 3), length);
    if (!data) return SW_INVALID_MEMORY_ACCESS;
    if (!is_body(type)) return SW_BAD_ARGUMENT;
    sw_buffer *body = body_of(vm, type);
    if (!body) return sw_effective_stream(vm) ? SW_BAD_ARGUMENT : SW_NOT_FOUND;
    sw_slot *slot = sw_slot_of(vm->effective);
    if (!sw_slot_may_write_body(vm->effective->stream, slot, side_of(type))) return SW_BAD_ARGUMENT;
    if (grows_too_long(vm, side_of(type), body, sw_argument(a, 1), sw_argument(a, 2), length)) {
        tell_too_long(vm, type);
        return SW_INTERNAL_FAILURE;
    }
    slot->touched = true;
    return sw_buffer_splice(body, sw_argument(a, 1), sw_argument(a, 2), data, length) ? SW_OK : SW_INTERNAL_FAILURE;
}
