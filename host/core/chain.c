/* The events of an exchange, and what follows from them: local responses, what dead VMs leave, the flags. */
#include <string.h>

#include "passes.h"

/* Fields that filters wrote while the request was under way. */
static void merge_early_fields(sw_stream *stream) {
    sw_headers *map = sw_headers_of(stream, SW_RESPONSE);
    const sw_headers *set = &stream->early_set, *add = &stream->early_add;
    for (uint32_t i = 0; i < set->count; i++) sw_headers_set_field(map, set, &set->fields[i]);
    for (uint32_t i = 0; i < add->count; i++) sw_headers_add_field(map, add, &add->fields[i]);
}

/* The response map of a local response: the status, the plugin's fields, and what a body needs. */
static void fill_local_head(sw_stream *stream, const sw_local_response *local) {
    sw_headers *map = sw_headers_of(stream, SW_RESPONSE);
    char digits[24];
    size_t length = sw_put_decimal(digits, local->status);
    sw_headers_clear(map);
    sw_headers_add(map, ":status", 7, digits, length);
    for (uint32_t i = 0; i < local->headers.count; i++) {
        const sw_field *field = &local->headers.fields[i];
        const char *name = sw_field_name(&local->headers, field);
        if (field->name_length && name[0] == ':') continue;
        if (field->name_length == 14 && !memcmp(name, "content-length", 14)) continue;
        sw_headers_add_field(map, &local->headers, field);
    }
    if (!local->from_response) merge_early_fields(stream);
    if (local->body.length || (local->status != 204 && local->status != 304)) { /* RFC 9110, section 8.6 */
        length = sw_put_decimal(digits, local->body.length);
        sw_headers_set(map, "content-length", 14, digits, length);
    }
    if (local->body.length && sw_headers_find(map, "content-type", 12, 0) < 0)
        sw_headers_add(map, "Content-Type", 12, "text/plain", 10);
    if (local->grpc_status >= 0) {
        length = sw_put_decimal(digits, (uint64_t)local->grpc_status);
        sw_headers_set(map, "grpc-status", 11, digits, length);
    }
}

/* What either side still held is given up: the exchange now is the local response. */
static void abandon(sw_stream *stream) {
    for (uint16_t i = 0; i < stream->count; i++)
        for (int side = 0; side < SW_SIDES; side++) {
            sw_slot_side *held = &stream->slots[i].side[side];
            sw_buffer_clear(&held->body);
            *held = (sw_slot_side){.body = held->body};
        }
    for (int side = 0; side < SW_SIDES; side++) sw_buffer_clear(&stream->side[side].out);
    sw_buffer_clear(&stream->incoming);
    sw_headers_clear(sw_trailers_of(stream, SW_RESPONSE));
}

static void start_local_response(sw_stream *stream) {
    sw_local_response *local = &stream->local;
    sw_side *response = &stream->side[SW_RESPONSE];
    bool is_direct = local->from_response;
    local->pending = false;
    local->active = true;
    stream->flags = (stream->flags & SW_VM_DIED) | SW_LOCAL_RESPONSE;
    abandon(stream);
    fill_local_head(stream, local);
    sw_buffer out = response->out;
    *response = (sw_side){.started = true, .ended = true, .out = out};
    bool has_body = local->body.length != 0;
    uint16_t first = is_direct ? stream->count : 0; /* made in the response pass: its filters have had their turn */
    sw_pass_headers(stream, SW_RESPONSE, first, !has_body);
    if (has_body && !sw_is_interrupted(stream)) {
        sw_move_body(stream, &stream->incoming, &local->body);
        sw_pass_body(stream, SW_RESPONSE, first, &stream->incoming, true);
    }
}

/* What a plugin's dead VM makes of this exchange. */
static void look_for_dead(sw_stream *stream) {
    for (uint16_t i = 0; i < stream->count; i++) {
        sw_slot *slot = &stream->slots[i];
        if (slot->filter->kind == SW_FILTER_NATIVE || !slot->context.vm || !sw_vm_is_failed(slot->context.vm)) continue;
        if (sw_is_complete(stream) || stream->failed || (slot->filter->policy == SW_FAIL_OPEN && !slot->touched)) {
            sw_context_leave(&slot->context);
            slot->skipped = true;
        } else {
            sw_fail_exchange(stream, slot);
        }
    }
}

static bool resume_one(sw_stream *stream) {
    for (int side = 0; side < SW_SIDES; side++)
        for (uint16_t at = 0; at < stream->count; at++)
            if (sw_slot_at(stream, side, at)->side[side].resume) {
                sw_resume_side(stream, side, at);
                return true;
            }
    return false;
}

/* A buffer with a limit is full only when it overflows: until then the end of the body may be all that is missing. */
static uint32_t blocked(const sw_stream *stream, int side) {
    for (uint16_t i = 0; i < stream->count; i++) {
        const sw_slot *slot = &stream->slots[i];
        const sw_slot_side *held = &slot->side[side];
        if (held->stopped && held->watermark && held->body.length >= sw_body_limit_of(stream, side, slot))
            return SW_REQUEST_BLOCKED << side;
    }
    return 0;
}

/* 101 (Switching Protocols): what follows is no body, and none of it comes here. */
static bool switches_protocols(sw_stream *stream) {
    size_t length;
    const char *status = sw_headers_get(sw_headers_of(stream, SW_RESPONSE), ":status", 7, &length);
    return status && length == 3 && !memcmp(status, "101", 3);
}

static void announce(sw_stream *stream, int side) {
    sw_side *state = &stream->side[side];
    if (!state->head_passed) return;
    if (!state->head_out) {
        bool hold = side == SW_RESPONSE && stream->chain->hold_response_head;
        if (hold && !state->end_passed && !state->out.length && !switches_protocols(stream)) return;
        state->head_out = true;
        stream->flags |= SW_SIDE_FLAG(side, SW_REQUEST_HEAD);
    }
    if (state->out.length) stream->flags |= SW_SIDE_FLAG(side, SW_REQUEST_BODY);
    if (state->end_passed && !state->end_out) {
        state->end_out = true;
        stream->flags |= SW_SIDE_FLAG(side, SW_REQUEST_END);
        if (state->has_trailers) stream->flags |= SW_REQUEST_TRAILERS << side;
    }
}

/* The end of every event: what was asked meanwhile is done, and what dead VMs left; then the flags are made up. */
uint32_t sw_stream_leave(sw_stream *stream) {
    look_for_dead(stream);
    while (!stream->reset && !stream->closing) {
        if (stream->local.pending)
            start_local_response(stream);
        else if (!resume_one(stream))
            break;
    }
    if (stream->reset) {
        stream->flags = (stream->flags & SW_VM_DIED) | SW_RESET;
    } else {
        if (!stream->local.active) announce(stream, SW_REQUEST);
        announce(stream, SW_RESPONSE);
        if (stream->closing) stream->flags |= SW_CLOSE;
        if (stream->count)
            stream->flags |= blocked(stream, SW_REQUEST) | blocked(stream, SW_RESPONSE);
    }
    stream->in_event = false;
    return stream->flags | sw_attention();
}

void sw_stream_enter(sw_stream *stream) {
    stream->in_event = true;
    stream->flags = 0;
}

static void note_end(sw_stream *stream, int side) {
    stream->side[side].ended = true;
    if (side == SW_RESPONSE && stream->asked_ns) stream->answered_ns = sw_monotonic_ns();
}

uint32_t sw_stream_on_headers(sw_stream *stream, int side, bool end_of_stream) {
    if (!stream->open || stream->reset || stream->side[side].started) return 0; /* a local response has started its side */
    sw_stream_enter(stream);
    stream->side[side].started = true;
    if (end_of_stream) note_end(stream, side);
    if (side == SW_RESPONSE && (stream->early_set.count || stream->early_add.count)) merge_early_fields(stream);
    sw_pass_headers(stream, side, 0, end_of_stream);
    return sw_stream_leave(stream);
}

/* What comes after a local response took over, or behind the end, has no one to go to. */
static bool is_unwanted(const sw_stream *stream, int side) {
    return !stream->open || stream->reset || stream->closing || stream->local.active || !stream->side[side].started ||
           stream->side[side].ended;
}

uint32_t sw_stream_on_body(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream) {
    if (is_unwanted(stream, side)) return 0;
    sw_stream_enter(stream);
    stream->bytes[side] += length;
    if (end_of_stream) note_end(stream, side);
    sw_buffer_clear(&stream->incoming);
    if (!sw_buffer_append(&stream->incoming, data, length))
        stream->reset = true; /* out of memory */
    else
        sw_pass_body(stream, side, 0, &stream->incoming, end_of_stream);
    return sw_stream_leave(stream);
}

uint32_t sw_stream_on_trailers(sw_stream *stream, int side) {
    if (is_unwanted(stream, side)) return 0;
    sw_stream_enter(stream);
    note_end(stream, side);
    stream->side[side].has_trailers = true;
    sw_pass_trailers(stream, side, 0);
    return sw_stream_leave(stream);
}

uint32_t sw_stream_on_message(sw_stream *stream, int side, const char *body, size_t length) {
    uint32_t flags = sw_stream_on_headers(stream, side, !length);
    if (!length || flags & (SW_LOCAL_RESPONSE | SW_RESET) || !(stream->chain->wants_body >> side & 1)) return flags;
    uint32_t more = sw_stream_on_body(stream, side, body, length, true);
    return more & (SW_RESET | SW_LOCAL_RESPONSE) ? more | (flags & ~SW_LEAVING) : flags | more; /* what was to leave is void */
}

uint32_t sw_stream_settle(sw_stream *stream) {
    if (!stream->open || stream->in_event) return 0;
    sw_stream_enter(stream);
    return sw_stream_leave(stream);
}

uint32_t sw_stream_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length,
                                  const char *body, size_t body_length, const char *details, size_t details_length) {
    if (!stream->open || stream->reset || stream->side[SW_RESPONSE].head_out) return 0;
    sw_stream_enter(stream);
    sw_local_response *local = sw_stream_begin_local_response(stream, status);
    sw_headers_set_pairs(&local->headers, pairs, pairs_length);
    sw_buffer_append(&local->body, body, body_length);
    sw_buffer_append(&local->details, details, details_length);
    return sw_stream_leave(stream);
}

void sw_slot_resume(sw_stream *stream, sw_slot *slot, int side) {
    if (!slot->side[side].stopped && !(stream->called == slot && stream->called_side == side)) return;
    slot->side[side].resume = true;
    sw_stream_wake(stream);
}
