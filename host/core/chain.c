/* The passes of an exchange through its chain: headers, bodies and trailers, pausing and resuming, local responses. */
#include <string.h>

#include "stream.h"

/* Envoy's results of body callbacks; the specification's Action is the first two. */
enum { CONTINUE = 0, STOP_AND_BUFFER = 1, STOP_AND_WATERMARK = 2, STOP_NO_BUFFER = 3 };
/* Envoy's results of header callbacks. */
enum { CONTINUE_AND_END_STREAM = 2, STOP_ALL_AND_BUFFER = 3 };

static void pass_body(sw_stream *stream, int side, uint16_t at, sw_buffer *data, bool end);
static void pass_trailers(sw_stream *stream, int side, uint16_t at);

/* The slot at a place in the side's order. */
static sw_slot *slot_at(sw_stream *stream, int side, uint16_t at) {
    bool reversed = side == SW_RESPONSE && stream->chain->reverse_response;
    return &stream->slots[reversed ? stream->count - 1 - at : at];
}

static bool is_interrupted(const sw_stream *stream) { return stream->local.pending || stream->reset; }

static bool is_down(const sw_slot *slot) {
    if (slot->filter->kind == SW_FILTER_NATIVE) return false;
    if (slot->created) return !slot->context.vm || sw_vm_is_failed(slot->context.vm);
    return !slot->filter->root || sw_vm_is_failed(slot->filter->root->vm);
}

sw_local_response *sw_stream_begin_local_response(sw_stream *stream, uint32_t status) {
    sw_local_response *local = &stream->local;
    local->pending = true;
    local->from_response = stream->side[SW_RESPONSE].started;
    local->status = status;
    local->grpc_status = -1;
    sw_headers_clear(&local->headers);
    sw_buffer_clear(&local->body);
    sw_buffer_clear(&local->details);
    return local;
}

static bool is_complete(const sw_stream *stream) {
    return stream->side[SW_REQUEST].end_out && stream->side[SW_RESPONSE].end_out;
}

/* A filter's VM is gone under this exchange: 503 where the client has seen nothing yet, else the exchange is cut: what
 * the filter held of either side cannot be made good. */
static void fail(sw_stream *stream, sw_slot *slot) {
    if (slot->context.vm) sw_context_leave(&slot->context);
    slot->created = slot->skipped = true;
    stream->flags |= SW_VM_DIED;
    if (stream->logging) return;
    if (stream->side[SW_RESPONSE].head_out) {
        if (!is_complete(stream)) stream->reset = true;
        return;
    }
    stream->failed = true;
    bool is_wasm = slot->filter->kind == SW_FILTER_WASM; /* a fault in Python is the gateway's own */
    const char *details = is_wasm ? "wasm_fail_stream" : "python_filter_failed";
    sw_local_response *local = sw_stream_begin_local_response(stream, is_wasm ? 503 : 500);
    sw_buffer_append(&local->details, details, strlen(details));
}

/* Whether the filter can be called; if its VM died before this event, the plugin's policy says what that means. */
static bool can_call(sw_stream *stream, sw_slot *slot, int event) {
    if (!sw_filter_takes(slot, event)) return false;
    if (!is_down(slot)) return true;
    if ((slot->filter->policy == SW_FAIL_OPEN && !slot->touched) || stream->failed)
        slot->skipped = true;
    else
        fail(stream, slot);
    return false;
}

static void finish(sw_stream *stream, int side) {
    sw_side *state = &stream->side[side];
    state->end_passed = true;
    state->has_trailers = sw_trailers_of(stream, side)->count != 0;
}

static void overflow(sw_stream *stream, int side) {
    if (stream->side[SW_RESPONSE].head_out) {
        stream->reset = true;
        return;
    }
    static const char *const bodies[] = {"Payload Too Large", "Bad Gateway"};
    static const char *const details[] = {"request_payload_too_large", "response_payload_too_large"};
    sw_local_response *local = sw_stream_begin_local_response(stream, side == SW_REQUEST ? 413 : 502);
    sw_buffer_append(&local->body, bodies[side], strlen(bodies[side]));
    sw_buffer_append(&local->details, details[side], strlen(details[side]));
}

static size_t limit_of(const sw_stream *stream, int side, const sw_slot *slot) {
    size_t own = slot->filter->body_limit[side];
    return own ? own : stream->chain->body_limit[side];
}

static bool is_over_limit(const sw_stream *stream, int side, const sw_slot *slot) {
    const sw_slot_side *held = &slot->side[side];
    return !held->watermark && held->body.length > limit_of(stream, side, slot);
}

/* Bytes for which there is no room are never left out of the middle of a body: the exchange is cut. */
static void move_body(sw_stream *stream, sw_buffer *to, sw_buffer *from) {
    if (!sw_buffer_move(to, from)) stream->reset = true;
}

static void pass_headers(sw_stream *stream, int side, uint16_t at, bool end) {
    sw_side *state = &stream->side[side];
    for (; at < stream->count; at++) {
        sw_slot *slot = slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        state->head_at = at;
        if (can_call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_HEADERS : SW_ON_RESPONSE_HEADERS)) {
            stream->end_of_stream_call = end ? side : -1;
            int32_t result = sw_filter_headers(stream, slot, side, end);
            stream->end_of_stream_call = -1;
            if (result < 0) fail(stream, slot);
            if (is_interrupted(stream)) return;
            if (result > 0 && result != CONTINUE_AND_END_STREAM) {
                here->stopped = SW_STOPPED_HEADERS;
                here->watermark = result != STOP_ALL_AND_BUFFER;
                here->ended = here->ended_by_head = end;
                slot->touched = true;
                return;
            }
            here->resume = false;
            if (end && here->body.length) { /* the filter made a body where there was none */
                pass_headers(stream, side, at + 1, false);
                if (!is_interrupted(stream)) pass_body(stream, side, at + 1, &here->body, true);
                return;
            }
        }
        if (is_interrupted(stream)) return;
    }
    state->head_at = stream->count;
    state->head_passed = true;
    if (end) finish(stream, side);
}

/* Hands a filter's body on. Trailers that were made with its last bytes come behind it. */
static void pass_on(sw_stream *stream, int side, uint16_t next, sw_buffer *data, bool end) {
    if (end && sw_trailers_of(stream, side)->count && !stream->side[side].has_trailers) {
        stream->side[side].has_trailers = true;
        if (data->length) pass_body(stream, side, next, data, false);
        if (!is_interrupted(stream)) pass_trailers(stream, side, next);
        return;
    }
    pass_body(stream, side, next, data, end);
}

static void pass_body(sw_stream *stream, int side, uint16_t at, sw_buffer *data, bool end) {
    for (; at < stream->count; at++) {
        sw_slot *slot = slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        if (here->stopped == SW_STOPPED_HEADERS) { /* no callback until it is resumed (Envoy) */
            move_body(stream, &here->body, data);
            here->ended = end;
            if (is_over_limit(stream, side, slot)) overflow(stream, side);
            return;
        }
        if (!can_call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_BODY : SW_ON_RESPONSE_BODY)) {
            if (is_interrupted(stream)) return;
            continue;
        }
        move_body(stream, &here->body, data);
        if (here->stopped == SW_STOPPED_BODY && is_over_limit(stream, side, slot)) {
            overflow(stream, side);
            return;
        }
        int32_t result = sw_filter_body(stream, slot, side, end);
        if (result < 0) fail(stream, slot);
        if (is_interrupted(stream)) return;
        if (result != CONTINUE) {
            if (result >= STOP_NO_BUFFER) sw_buffer_clear(&here->body); /* the filter has taken the bytes itself */
            here->stopped = SW_STOPPED_BODY;
            here->watermark = result == STOP_AND_WATERMARK;
            here->ended = end;
            slot->touched = true;
            if (is_over_limit(stream, side, slot)) overflow(stream, side);
            return;
        }
        here->stopped = SW_PASSING;
        here->resume = false;
        move_body(stream, data, &here->body);
        if (end && sw_trailers_of(stream, side)->count && !stream->side[side].has_trailers) {
            pass_on(stream, side, at + 1, data, end);
            return;
        }
    }
    move_body(stream, &stream->side[side].out, data);
    if (end) finish(stream, side);
}

static void pass_trailers(sw_stream *stream, int side, uint16_t at) {
    for (; at < stream->count; at++) {
        sw_slot *slot = slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        if (here->stopped == SW_STOPPED_HEADERS) {
            here->ended = here->has_trailers = true;
            return;
        }
        if (can_call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_TRAILERS : SW_ON_RESPONSE_TRAILERS)) {
            int32_t result = sw_filter_trailers(stream, slot, side);
            if (result < 0) fail(stream, slot);
            if (is_interrupted(stream)) return;
            if (result > 0) {
                here->stopped = SW_STOPPED_TRAILERS;
                slot->touched = true;
                return;
            }
        }
        if (is_interrupted(stream)) return;
        here->stopped = SW_PASSING;
        here->resume = false;
        if (here->body.length) pass_body(stream, side, at + 1, &here->body, false);
        if (is_interrupted(stream)) return;
    }
    finish(stream, side);
}

static void resume_headers(sw_stream *stream, int side, uint16_t at, sw_slot_side *here) {
    bool has_more = here->body.length || here->has_trailers || (here->ended && !here->ended_by_head);
    pass_headers(stream, side, at + 1, here->ended && !has_more);
    if (!has_more || is_interrupted(stream)) return;
    bool ended = here->ended, has_trailers = here->has_trailers;
    here->ended = false;
    if (here->ended_by_head) { /* a body of the filter's own making: it need not see it */
        pass_on(stream, side, at + 1, &here->body, true);
        return;
    }
    if (here->body.length || (ended && !has_trailers)) {
        sw_buffer held = {0};
        move_body(stream, &held, &here->body);
        pass_body(stream, side, at, &held, ended && !has_trailers);
        sw_buffer_free(&held);
    }
    if (has_trailers && !is_interrupted(stream)) pass_trailers(stream, side, at);
}

static void resume(sw_stream *stream, int side, uint16_t at) {
    sw_slot_side *here = &slot_at(stream, side, at)->side[side];
    uint8_t stopped = here->stopped;
    bool ended = here->ended;
    here->resume = false;
    here->stopped = SW_PASSING;
    if (stopped == SW_STOPPED_HEADERS) {
        resume_headers(stream, side, at, here);
    } else if (stopped == SW_STOPPED_BODY) {
        here->ended = false;
        pass_on(stream, side, at + 1, &here->body, ended);
    } else if (stopped == SW_STOPPED_TRAILERS) {
        if (here->body.length) pass_body(stream, side, at + 1, &here->body, false);
        if (!is_interrupted(stream)) pass_trailers(stream, side, at + 1);
    }
}

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
    pass_headers(stream, SW_RESPONSE, first, !has_body);
    if (has_body && !is_interrupted(stream)) {
        move_body(stream, &stream->incoming, &local->body);
        pass_body(stream, SW_RESPONSE, first, &stream->incoming, true);
    }
}

/* What a plugin's dead VM makes of this exchange. */
static void look_for_dead(sw_stream *stream) {
    for (uint16_t i = 0; i < stream->count; i++) {
        sw_slot *slot = &stream->slots[i];
        if (slot->filter->kind == SW_FILTER_NATIVE || !slot->context.vm || !sw_vm_is_failed(slot->context.vm)) continue;
        if (is_complete(stream) || stream->failed || (slot->filter->policy == SW_FAIL_OPEN && !slot->touched)) {
            sw_context_leave(&slot->context);
            slot->skipped = true;
        } else {
            fail(stream, slot);
        }
    }
}

static bool resume_one(sw_stream *stream) {
    for (int side = 0; side < SW_SIDES; side++)
        for (uint16_t at = 0; at < stream->count; at++)
            if (slot_at(stream, side, at)->side[side].resume) {
                resume(stream, side, at);
                return true;
            }
    return false;
}

/* A buffer with a limit is full only when it overflows: until then the end of the body may be all that is missing. */
static uint32_t blocked(const sw_stream *stream, int side) {
    for (uint16_t i = 0; i < stream->count; i++) {
        const sw_slot *slot = &stream->slots[i];
        const sw_slot_side *held = &slot->side[side];
        if (held->stopped && held->watermark && held->body.length >= limit_of(stream, side, slot))
            return SW_REQUEST_BLOCKED << side;
    }
    return 0;
}

static void announce(sw_stream *stream, int side) {
    sw_side *state = &stream->side[side];
    if (!state->head_passed) return;
    if (!state->head_out) {
        bool hold = side == SW_RESPONSE && stream->chain->hold_response_head;
        if (hold && !state->end_passed && !state->out.length) return;
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
static uint32_t leave(sw_stream *stream) {
    look_for_dead(stream);
    while (!stream->reset) {
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
        if (stream->count)
            stream->flags |= blocked(stream, SW_REQUEST) | blocked(stream, SW_RESPONSE);
    }
    stream->in_event = false;
    return stream->flags | sw_attention();
}

static void enter(sw_stream *stream) {
    stream->in_event = true;
    stream->flags = 0;
}

uint32_t sw_stream_on_headers(sw_stream *stream, int side, bool end_of_stream) {
    if (!stream->open || stream->reset || stream->side[side].started) return 0; /* a local response has started its side */
    enter(stream);
    stream->side[side].started = true;
    stream->side[side].ended = end_of_stream;
    if (side == SW_RESPONSE && (stream->early_set.count || stream->early_add.count)) merge_early_fields(stream);
    pass_headers(stream, side, 0, end_of_stream);
    return leave(stream);
}

/* What comes after a local response took over, or behind the end, has no one to go to. */
static bool is_unwanted(const sw_stream *stream, int side) {
    return !stream->open || stream->reset || stream->local.active || !stream->side[side].started ||
           stream->side[side].ended;
}

uint32_t sw_stream_on_body(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream) {
    if (is_unwanted(stream, side)) return 0;
    enter(stream);
    stream->bytes[side] += length;
    stream->side[side].ended = end_of_stream;
    sw_buffer_clear(&stream->incoming);
    if (!sw_buffer_append(&stream->incoming, data, length))
        stream->reset = true; /* out of memory */
    else
        pass_body(stream, side, 0, &stream->incoming, end_of_stream);
    return leave(stream);
}

uint32_t sw_stream_on_trailers(sw_stream *stream, int side) {
    if (is_unwanted(stream, side)) return 0;
    enter(stream);
    stream->side[side].ended = stream->side[side].has_trailers = true;
    pass_trailers(stream, side, 0);
    return leave(stream);
}

uint32_t sw_stream_settle(sw_stream *stream) {
    if (!stream->open || stream->in_event) return 0;
    enter(stream);
    return leave(stream);
}

uint32_t sw_stream_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length,
                                  const char *body, size_t body_length, const char *details, size_t details_length) {
    if (!stream->open || stream->reset || stream->side[SW_RESPONSE].head_out) return 0;
    enter(stream);
    sw_local_response *local = sw_stream_begin_local_response(stream, status);
    sw_headers_set_pairs(&local->headers, pairs, pairs_length);
    sw_buffer_append(&local->body, body, body_length);
    sw_buffer_append(&local->details, details, details_length);
    return leave(stream);
}

void sw_slot_resume(sw_stream *stream, sw_slot *slot, int side) {
    if (!slot->side[side].stopped && !(stream->called == slot && stream->called_side == side)) return;
    slot->side[side].resume = true;
    sw_stream_wake(stream);
}
