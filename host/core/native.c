/* What filters in Python ask of an exchange: the same acts as host calls, without a guest's memory in between. */
#include "native.h"
#include "passes.h"

static sw_slot *slot_of(const sw_stream *stream, uint16_t filter) {
    return stream->open && filter < stream->count ? &stream->slots[filter] : NULL;
}

const char *sw_native_body(const sw_stream *stream, uint16_t filter, int side, size_t *length) {
    const sw_slot *slot = slot_of(stream, filter);
    *length = slot ? slot->side[side].body.length : 0;
    return slot ? sw_buffer_bytes(&slot->side[side].body) : NULL;
}

int sw_native_set_body(sw_stream *stream, uint16_t filter, int side, size_t at, size_t replaced, const char *data, size_t length) {
    sw_slot *slot = slot_of(stream, filter);
    if (!slot || !sw_slot_may_write_body(stream, slot, side)) return -1;
    slot->touched = true;
    return sw_buffer_splice(&slot->side[side].body, at, replaced, data, length) ? 0 : -1;
}

int sw_native_resume(sw_stream *stream, uint16_t filter, int side) {
    sw_slot *slot = slot_of(stream, filter);
    if (!slot) return -1;
    sw_slot_resume(stream, slot, side);
    return 0;
}

int sw_native_watch_body(sw_stream *stream, uint16_t filter, int side) {
    sw_slot *slot = slot_of(stream, filter);
    if (!slot || slot->filter->kind != SW_FILTER_NATIVE || slot->side[side].stopped != SW_STOPPED_HEADERS) return -1;
    if (!sw_filter_takes(slot, sw_body_event(stream, side))) return -1;
    sw_slot_side *here = &slot->side[side];
    here->sees_body = true;
    here->watermark = false;
    sw_stream_wake(stream); /* who was told to send no more is told otherwise */
    return !sw_overflows(stream, side, slot) && here->ended;
}

int sw_native_reset(sw_stream *stream) {
    if (!stream->open || stream->logging) return -1;
    sw_stream_reset(stream, "python_filter_reset");
    return 0;
}

int sw_native_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length, const char *body,
                             size_t body_length, const char *details, size_t details_length) {
    stream->answered_in_vain = stream->local.pending || stream->local.active;
    if (!stream->open || stream->logging || stream->answered_in_vain || stream->side[SW_RESPONSE].head_out) return -1;
    sw_local_response *local = sw_stream_begin_local_response(stream, status);
    sw_stream_wake(stream);
    return sw_headers_set_pairs(&local->headers, pairs, pairs_length) || !sw_buffer_append(&local->body, body, body_length) ||
                   !sw_buffer_append(&local->details, details, details_length)
               ? -1
               : 0;
}

int sw_native_set_state(sw_stream *stream, const char *path, size_t path_length, const char *value, size_t length) {
    return stream->open ? sw_headers_set(&stream->state, path, path_length, value, length) : -1;
}
