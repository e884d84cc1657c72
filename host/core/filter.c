/* One event of an exchange to one of its filters: contexts made when first needed, results made of what guests answer. */
#include <string.h>

#include "stream.h"

static const uint16_t callbacks[] = {
    [SW_ON_REQUEST_HEADERS] = SW_PROXY_ON_REQUEST_HEADERS,     [SW_ON_REQUEST_BODY] = SW_PROXY_ON_REQUEST_BODY,
    [SW_ON_REQUEST_TRAILERS] = SW_PROXY_ON_REQUEST_TRAILERS,   [SW_ON_RESPONSE_HEADERS] = SW_PROXY_ON_RESPONSE_HEADERS,
    [SW_ON_RESPONSE_BODY] = SW_PROXY_ON_RESPONSE_BODY,         [SW_ON_RESPONSE_TRAILERS] = SW_PROXY_ON_RESPONSE_TRAILERS,
    [SW_ON_LOG] = SW_PROXY_ON_LOG,                             [SW_ON_DELETE] = SW_PROXY_ON_DELETE,
};

bool sw_filter_takes(const sw_slot *slot, int event) {
    const sw_filter *filter = slot->filter;
    if (!(filter->events >> event & 1)) return false;
    /* One that has raised sees no more of the exchange, not even the answer made for its fault: it would raise again. */
    if (filter->kind == SW_FILTER_NATIVE) return !slot->skipped || event >= SW_ON_LOG;
    if (slot->skipped) return false;
    const sw_vm *vm = slot->context.vm ? slot->context.vm : filter->root ? filter->root->vm : NULL;
    return !vm || sw_vm_is_failed(vm) || vm->parameters[callbacks[event]]; /* a dead VM is dealt with where it is called */
}

/* The context is made at the first event that reaches the filter, on the VM that is the plugin's at that time. */
static bool create(sw_stream *stream, sw_slot *slot) {
    if (slot->created) return slot->context.vm != NULL;
    slot->created = true;
    sw_context *root = slot->filter->root, *context = &slot->context;
    if (!root || sw_vm_is_failed(root->vm)) return false;
    context->root = root;
    context->stream = stream;
    context->filter = (uint16_t)(slot - stream->slots);
    context->done_pending = false;
    if (!sw_context_enter(context, root->vm)) return false;
    uint32_t arguments[] = {context->id, root->id};
    return sw_vm_call(context->vm, SW_PROXY_ON_CONTEXT_CREATE, context, arguments, NULL) == 0;
}

static int32_t make_call(sw_stream *stream, sw_slot *slot, int event, uint32_t length, bool end_of_stream) {
    if (slot->filter->kind == SW_FILTER_NATIVE)
        return sw_call_native_filter(stream->owner, (uint32_t)(slot - stream->slots), (uint32_t)event, length, end_of_stream);
    if (slot->skipped) return 0;
    if (!create(stream, slot)) return -1;
    uint32_t arguments[] = {slot->context.id, length, end_of_stream};
    int32_t result = 0;
    return sw_vm_call(slot->context.vm, callbacks[event], &slot->context, arguments, &result) ? -1 : result & INT32_MAX;
}

static int32_t call(sw_stream *stream, sw_slot *slot, int event, uint32_t length, bool end_of_stream) {
    stream->phase = (uint8_t)event;
    stream->called = event < SW_ON_LOG ? slot : NULL;
    stream->called_side = event < SW_ON_RESPONSE_HEADERS ? SW_REQUEST : SW_RESPONSE;
    stream->answered_in_vain = false;
    int32_t result = make_call(stream, slot, event, length, end_of_stream);
    stream->called = NULL;
    if (stream->answered_in_vain && result > 0) result = 0; /* it pauses for its answer: there is one already */
    return result;
}

bool sw_slot_may_write_body(const sw_stream *stream, const sw_slot *slot, int side) {
    if (slot->side[side].stopped) return true;
    uint8_t body_event = side == SW_REQUEST ? SW_ON_REQUEST_BODY : SW_ON_RESPONSE_BODY;
    return stream->called == slot && (stream->phase == body_event || stream->end_of_stream_call == side);
}

int32_t sw_filter_headers(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream) {
    uint32_t count = (uint32_t)sw_headers_of(stream, side)->count;
    return call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_HEADERS : SW_ON_RESPONSE_HEADERS, count, end_of_stream);
}

int32_t sw_filter_body(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream) {
    size_t length = slot->side[side].body.length;
    stream->end_of_stream_call = end_of_stream ? side : -1;
    int32_t result = call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_BODY : SW_ON_RESPONSE_BODY,
                          length > INT32_MAX ? INT32_MAX : (uint32_t)length, end_of_stream);
    stream->end_of_stream_call = -1;
    return result;
}

int32_t sw_filter_trailers(sw_stream *stream, sw_slot *slot, int side) {
    uint32_t count = (uint32_t)sw_trailers_of(stream, side)->count;
    return call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_TRAILERS : SW_ON_RESPONSE_TRAILERS, count, true);
}

void sw_filter_log(sw_stream *stream, sw_slot *slot) {
    if (slot->created && slot->filter->kind == SW_FILTER_WASM && !slot->context.vm) return; /* its VM has died */
    if (sw_filter_takes(slot, SW_ON_LOG)) call(stream, slot, SW_ON_LOG, 0, true); /* may be its first callback */
}

/* on_done's answer counts for plugin contexts only: a stream ends whatever its filter says, as in Envoy. */
void sw_filter_end(sw_stream *stream, sw_slot *slot) {
    if (slot->filter->kind == SW_FILTER_NATIVE) {
        if (sw_filter_takes(slot, SW_ON_DELETE)) call(stream, slot, SW_ON_DELETE, 0, true);
        return;
    }
    sw_context *context = &slot->context;
    if (!context->vm) return;
    uint32_t id = context->id;
    sw_vm_call(context->vm, SW_PROXY_ON_DONE, context, &id, NULL);
    sw_vm_call(context->vm, SW_PROXY_ON_DELETE, context, &id, NULL);
    if (sw_vm_is_failed(context->vm)) stream->flags |= SW_VM_DIED;
    if (context->root->is_retired && context->root->references == 2) stream->flags |= SW_DRAINED; /* its owner's, and this */
    sw_context_leave(context);
}
