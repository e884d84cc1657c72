#include "passes.h"

#include <string.h>

/* Envoy's results of body callbacks; the specification's Action is the first two. */
enum { CONTINUE = 0, STOP_AND_BUFFER = 1, STOP_AND_WATERMARK = 2, STOP_NO_BUFFER = 3 };
/* Envoy's results of header callbacks. */
enum { STOP_ITERATION = 1, CONTINUE_AND_END_STREAM = 2, STOP_ALL_AND_BUFFER = 3 };

sw_slot *sw_slot_at(sw_stream *stream, int side, uint16_t at) {
    bool reversed = side == SW_RESPONSE && stream->chain->reverse_response;
    return &stream->slots[reversed ? stream->count - 1 - at : at];
}

bool sw_is_interrupted(const sw_stream *stream) { return stream->local.pending || stream->reset || stream->closing; }

static bool is_down(const sw_slot *slot) {
    if (slot->filter->kind == SW_FILTER_NATIVE) return false;
    if (slot->created) return !slot->context.vm || sw_vm_is_failed(slot->context.vm);
    const sw_context *root = sw_root_of(slot);
    return !root || sw_vm_is_failed(root->vm);
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

bool sw_is_complete(const sw_stream *stream) {
    return stream->side[SW_REQUEST].end_out && stream->side[SW_RESPONSE].end_out;
}

void sw_fail_exchange(sw_stream *stream, sw_slot *slot) {
    if (slot->context.vm) sw_context_leave(&slot->context);
    slot->created = slot->skipped = true;
    stream->flags |= SW_VM_DIED;
    if (stream->logging) return;
    bool is_wasm = slot->filter->kind == SW_FILTER_WASM; /* a fault in Python is the gateway's own */
    const char *details = is_wasm ? "wasm_fail_stream" : "python_filter_failed";
    if (stream->side[SW_RESPONSE].head_out) {
        if (!sw_is_complete(stream)) sw_stream_reset(stream, details);
        return;
    }
    stream->failed = true;
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
        sw_fail_exchange(stream, slot);
    return false;
}

static void finish(sw_stream *stream, int side) {
    sw_side *state = &stream->side[side];
    state->end_passed = true;
    state->has_trailers = sw_trailers_of(stream, side)->count != 0;
}

static void overflow(sw_stream *stream, int side) {
    static const char *const bodies[] = {"Payload Too Large", "Bad Gateway"};
    static const char *const details[] = {"request_payload_too_large", "response_payload_too_large"};
    if (stream->side[SW_RESPONSE].head_out) {
        sw_stream_reset(stream, details[side]);
        return;
    }
    sw_local_response *local = sw_stream_begin_local_response(stream, side == SW_REQUEST ? 413 : 502);
    sw_buffer_append(&local->body, bodies[side], strlen(bodies[side]));
    sw_buffer_append(&local->details, details[side], strlen(details[side]));
}

size_t sw_body_limit_of(const sw_stream *stream, int side, const sw_slot *slot) {
    size_t own = slot->filter->body_limit[side];
    return own ? own : stream->chain->body_limit[side];
}

static bool is_over_limit(const sw_stream *stream, int side, const sw_slot *slot) {
    const sw_slot_side *held = &slot->side[side];
    return !held->watermark && held->body.length > sw_body_limit_of(stream, side, slot);
}

bool sw_overflows(sw_stream *stream, int side, const sw_slot *slot) {
    bool is_over = is_over_limit(stream, side, slot);
    if (is_over) overflow(stream, side);
    return is_over;
}

void sw_move_body(sw_stream *stream, sw_buffer *to, sw_buffer *from) {
    if (!sw_buffer_move(to, from)) stream->reset = true;
}

/* Without a callback for the body there is nothing to wait for but a resume: that is a stop of everything. */
static bool stops_head_alone(const sw_stream *stream, const sw_slot *slot, int side, int32_t result) {
    return result == STOP_ITERATION && !stream->is_connection && slot->filter->stops_head_alone &&
           sw_filter_takes(slot, sw_body_event(stream, side));
}

/* Callbacks of connections answer with an Action: whatever is not CONTINUE pauses. No answer can tell the peer that too
 * much is held, so it is slowed down instead. */
static int32_t result_of(const sw_stream *stream, int32_t result, int32_t pause) {
    return stream->is_connection && result > 0 ? pause : result;
}

void sw_pass_headers(sw_stream *stream, int side, uint16_t at, bool end) {
    sw_side *state = &stream->side[side];
    for (; at < stream->count; at++) {
        sw_slot *slot = sw_slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        state->head_at = at;
        if (can_call(stream, slot, sw_head_event(stream, side))) {
            stream->end_of_stream_call = end ? side : -1;
            int32_t result = result_of(stream, sw_filter_headers(stream, slot, side, end), STOP_ITERATION);
            stream->end_of_stream_call = -1;
            if (result < 0) sw_fail_exchange(stream, slot);
            if (sw_is_interrupted(stream)) return;
            if (result > 0 && result != CONTINUE_AND_END_STREAM) {
                here->stopped = SW_STOPPED_HEADERS;
                here->watermark = result != STOP_ALL_AND_BUFFER;
                here->sees_body = stops_head_alone(stream, slot, side, result);
                here->ended = here->ended_by_head = end;
                slot->touched = true;
                return;
            }
            here->resume = false;
            if (end && here->body.length) { /* the filter made a body where there was none */
                sw_pass_headers(stream, side, at + 1, false);
                if (!sw_is_interrupted(stream)) sw_pass_body(stream, side, at + 1, &here->body, true);
                return;
            }
        }
        if (sw_is_interrupted(stream)) return;
    }
    state->head_at = stream->count;
    state->head_passed = true;
    if (end) finish(stream, side);
}

/* Hands a filter's body on. Trailers that were made with its last bytes come behind it. */
static void pass_on(sw_stream *stream, int side, uint16_t next, sw_buffer *data, bool end) {
    if (end && sw_trailers_of(stream, side)->count && !stream->side[side].has_trailers) {
        stream->side[side].has_trailers = true;
        if (data->length) sw_pass_body(stream, side, next, data, false);
        if (!sw_is_interrupted(stream)) sw_pass_trailers(stream, side, next);
        return;
    }
    sw_pass_body(stream, side, next, data, end);
}

void sw_pass_body(sw_stream *stream, int side, uint16_t at, sw_buffer *data, bool end) {
    for (; at < stream->count; at++) {
        sw_slot *slot = sw_slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        bool holds_head = here->stopped == SW_STOPPED_HEADERS;
        if (holds_head && !here->sees_body) { /* no callback until it is resumed (Envoy) */
            sw_move_body(stream, &here->body, data);
            here->ended = end;
            if (is_over_limit(stream, side, slot)) overflow(stream, side);
            return;
        }
        if (!can_call(stream, slot, sw_body_event(stream, side))) {
            if (sw_is_interrupted(stream)) return;
            continue;
        }
        sw_move_body(stream, &here->body, data);
        if (here->stopped && is_over_limit(stream, side, slot)) {
            overflow(stream, side);
            return;
        }
        int32_t result = result_of(stream, sw_filter_body(stream, slot, side, end), STOP_AND_WATERMARK);
        if (result < 0) sw_fail_exchange(stream, slot);
        if (sw_is_interrupted(stream)) return;
        if (result != CONTINUE) {
            if (result >= STOP_NO_BUFFER) sw_buffer_clear(&here->body); /* the filter has taken the bytes itself */
            if (!holds_head) here->stopped = SW_STOPPED_BODY;
            here->watermark = result == STOP_AND_WATERMARK;
            here->ended = end;
            slot->touched = true;
            if (is_over_limit(stream, side, slot)) overflow(stream, side);
            return;
        }
        here->stopped = SW_PASSING;
        here->resume = false;
        if (holds_head) { /* what it has seen of the body decides: the head goes first */
            sw_pass_headers(stream, side, at + 1, false);
            if (sw_is_interrupted(stream)) return;
        }
        sw_move_body(stream, data, &here->body);
        if (end && sw_trailers_of(stream, side)->count && !stream->side[side].has_trailers) {
            pass_on(stream, side, at + 1, data, end);
            return;
        }
    }
    sw_move_body(stream, &stream->side[side].out, data);
    if (end) finish(stream, side);
}

void sw_pass_trailers(sw_stream *stream, int side, uint16_t at) {
    for (; at < stream->count; at++) {
        sw_slot *slot = sw_slot_at(stream, side, at);
        sw_slot_side *here = &slot->side[side];
        bool holds_head = here->stopped == SW_STOPPED_HEADERS;
        if (holds_head && !here->sees_body) {
            here->ended = here->has_trailers = true;
            return;
        }
        if (can_call(stream, slot, side == SW_REQUEST ? SW_ON_REQUEST_TRAILERS : SW_ON_RESPONSE_TRAILERS)) {
            int32_t result = sw_filter_trailers(stream, slot, side);
            if (result < 0) sw_fail_exchange(stream, slot);
            if (sw_is_interrupted(stream)) return;
            if (result > 0) {
                if (holds_head)
                    here->ended = here->has_trailers = true;
                else
                    here->stopped = SW_STOPPED_TRAILERS;
                slot->touched = true;
                return;
            }
        }
        if (sw_is_interrupted(stream)) return;
        here->stopped = SW_PASSING;
        here->resume = false;
        if (holds_head) sw_pass_headers(stream, side, at + 1, false);
        if (sw_is_interrupted(stream)) return;
        if (here->body.length) sw_pass_body(stream, side, at + 1, &here->body, false);
        if (sw_is_interrupted(stream)) return;
    }
    finish(stream, side);
}

static void resume_headers(sw_stream *stream, int side, uint16_t at, sw_slot_side *here) {
    bool has_more = here->body.length || here->has_trailers || (here->ended && !here->ended_by_head);
    sw_pass_headers(stream, side, at + 1, here->ended && !has_more);
    if (!has_more || sw_is_interrupted(stream)) return;
    bool ended = here->ended, has_trailers = here->has_trailers;
    here->ended = false;
    if (here->ended_by_head) { /* a body of the filter's own making: it need not see it */
        pass_on(stream, side, at + 1, &here->body, true);
        return;
    }
    uint16_t next = here->sees_body ? at + 1 : at; /* what it has seen it need not see again */
    if (here->body.length || (ended && !has_trailers)) {
        sw_buffer held = {0};
        sw_move_body(stream, &held, &here->body);
        pass_on(stream, side, next, &held, ended && !has_trailers);
        sw_buffer_free(&held);
    }
    if (has_trailers && !sw_is_interrupted(stream)) sw_pass_trailers(stream, side, next);
}

void sw_resume_side(sw_stream *stream, int side, uint16_t at) {
    sw_slot_side *here = &sw_slot_at(stream, side, at)->side[side];
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
        if (here->body.length) sw_pass_body(stream, side, at + 1, &here->body, false);
        if (!sw_is_interrupted(stream)) sw_pass_trailers(stream, side, at + 1);
    }
}
