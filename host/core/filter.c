/* One event of an exchange to one of its filters: contexts made when first needed, results made of what guests answer. */
#include <string.h>

#include "stream.h"

static const uint16_t callbacks[] = {
    [SW_ON_REQUEST_HEADERS] = SW_PROXY_ON_REQUEST_HEADERS,     [SW_ON_REQUEST_BODY] = SW_PROXY_ON_REQUEST_BODY,
    [SW_ON_REQUEST_TRAILERS] = SW_PROXY_ON_REQUEST_TRAILERS,   [SW_ON_RESPONSE_HEADERS] = SW_PROXY_ON_RESPONSE_HEADERS,
    [SW_ON_RESPONSE_BODY] = SW_PROXY_ON_RESPONSE_BODY,         [SW_ON_RESPONSE_TRAILERS] = SW_PROXY_ON_RESPONSE_TRAILERS,
    [SW_ON_LOG] = SW_PROXY_ON_LOG,                             [SW_ON_DELETE] = SW_PROXY_ON_DELETE,
    [SW_ON_NEW_CONNECTION] = SW_PROXY_ON_NEW_CONNECTION,
    [SW_ON_DOWNSTREAM_DATA] = SW_PROXY_ON_DOWNSTREAM_DATA,
    [SW_ON_UPSTREAM_DATA] = SW_PROXY_ON_UPSTREAM_DATA,
    [SW_ON_DOWNSTREAM_CLOSE] = SW_PROXY_ON_DOWNSTREAM_CONNECTION_CLOSE,
    [SW_ON_UPSTREAM_CLOSE] = SW_PROXY_ON_UPSTREAM_CONNECTION_CLOSE,
};

static bool is_end(int event) { return event == SW_ON_LOG || event == SW_ON_DELETE; }

/* Which side an event brings something of, -1 for one that only tells. */
static int side_of(int event) {
    switch (event) {
    case SW_ON_RESPONSE_HEADERS: case SW_ON_RESPONSE_BODY: case SW_ON_RESPONSE_TRAILERS: case SW_ON_UPSTREAM_DATA:
        return SW_RESPONSE;
    case SW_ON_LOG: case SW_ON_DELETE: case SW_ON_DOWNSTREAM_CLOSE: case SW_ON_UPSTREAM_CLOSE:
        return -1;
    default:
        return SW_REQUEST;
    }
}

bool sw_filter_takes(const sw_slot *slot, int event) {
    const sw_filter *filter = slot->filter;
    if (!(filter->events >> event & 1)) return false;
    /* One that has raised sees no more of the exchange, not even the answer made for its fault: it would raise again. */
    if (filter->kind == SW_FILTER_NATIVE) return !slot->skipped || is_end(event);
    if (slot->skipped) return false;
    const sw_context *root = sw_root_of(slot);
    const sw_vm *vm = slot->context.vm ? slot->context.vm : root ? root->vm : NULL;
    if (event == SW_ON_NEW_CONNECTION) return true; /* it makes the context, whether there is a callback for it or not */
    return !vm || sw_vm_is_failed(vm) || vm->parameters[callbacks[event]]; /* a dead VM is dealt with where it is called */
}

/* The context is made at the first event that reaches the filter, on the VM that is the plugin's at that time. */
static bool create(sw_stream *stream, sw_slot *slot) {
    if (slot->created) return slot->context.vm != NULL;
    slot->created = true;
    sw_context *root = sw_root_of(slot), *context = &slot->context;
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
    if (slot->filter->kind == SW_FILTER_NATIVE) {
        slot->created = true;
        return sw_call_native_filter(stream->owner, (uint32_t)(slot - stream->slots), (uint32_t)event, length, end_of_stream);
    }
    if (slot->skipped) return 0;
    if (!create(stream, slot)) return -1;
    uint32_t arguments[] = {slot->context.id, length, end_of_stream};
    int32_t result = 0;
    return sw_vm_call(slot->context.vm, callbacks[event], &slot->context, arguments, &result) ? -1 : result & INT32_MAX;
}

static int32_t call(sw_stream *stream, sw_slot *slot, int event, uint32_t length, bool end_of_stream) {
    stream->phase = (uint8_t)event;
    stream->called_side = side_of(event);
    stream->called = stream->called_side < 0 ? NULL : slot;
    stream->answered_in_vain = false;
    int32_t result = make_call(stream, slot, event, length, end_of_stream);
    stream->called = NULL;
    if (stream->answered_in_vain && result > 0) result = 0; /* it pauses for its answer: there is one already */
    return result;
}

bool sw_slot_may_write_body(const sw_stream *stream, const sw_slot *slot, int side) {
    if (slot->side[side].stopped) return true;
    return stream->called == slot && (stream->phase == sw_body_event(stream, side) || stream->end_of_stream_call == side);
}

int32_t sw_filter_headers(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream) {
    uint32_t count = (uint32_t)sw_headers_of(stream, side)->count;
    return call(stream, slot, sw_head_event(stream, side), count, end_of_stream);
}

int32_t sw_filter_body(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream) {
    size_t length = slot->side[side].body.length;
    stream->end_of_stream_call = end_of_stream ? side : -1;
    int32_t result = call(stream, slot, sw_body_event(stream, side), length > INT32_MAX ? INT32_MAX : (uint32_t)length, end_of_stream);
    stream->end_of_stream_call = -1;
    return result;
}

int32_t sw_filter_trailers(sw_stream *stream, sw_slot *slot, int side) {
    uint32_t count = (uint32_t)sw_trailers_of(stream, side)->count;
    return call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_TRAILERS : SW_ON_RESPONSE_TRAILERS, count, true);
}

/* Tells of what has happened; nobody waits for an answer. */
static void tell(sw_stream *stream, sw_slot *slot, int event, uint32_t what) {
    if (slot->created && slot->filter->kind == SW_FILTER_WASM && !slot->context.vm) return; /* its VM has died */
    if (sw_filter_takes(slot, event)) call(stream, slot, event, what, true);
    if (slot->context.vm && sw_vm_is_failed(slot->context.vm)) stream->flags |= SW_VM_DIED;
}

void sw_filter_log(sw_stream *stream, sw_slot *slot) { tell(stream, slot, SW_ON_LOG, 0); } /* may be its first callback */

void sw_filter_closed(sw_stream *stream, sw_slot *slot, int side, uint32_t peer) {
    if (slot->created) tell(stream, slot, side == SW_REQUEST ? SW_ON_DOWNSTREAM_CLOSE : SW_ON_UPSTREAM_CLOSE, peer);
}

void sw_filter_done(sw_slot *slot) {
    sw_context *context = &slot->context;
    if (slot->done || slot->filter->kind == SW_FILTER_NATIVE || !context->vm) return;
    slot->done = true;
    sw_vm_call(context->vm, SW_PROXY_ON_DONE, context, &context->id, NULL);
}

void sw_filter_delete_context(sw_stream *stream, sw_slot *slot) {
    sw_context *context = &slot->context;
    if (slot->filter->kind == SW_FILTER_NATIVE) {
        tell(stream, slot, SW_ON_DELETE, 0);
    } else if (context->vm) {
        sw_vm_call(context->vm, SW_PROXY_ON_DELETE, context, &context->id, NULL);
        if (sw_vm_is_failed(context->vm)) stream->flags |= SW_VM_DIED;
        bool is_last = context->root->is_retired && context->root->references == 2; /* its owner's, and this */
        if (is_last || (context->vm->is_watched && sw_vm_is_due(context->vm))) stream->flags |= SW_ENDING;
        sw_context_leave(context);
    }
}
