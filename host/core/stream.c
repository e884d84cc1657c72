/* Life of an exchange: streams are opened, closed and opened again, so that a request allocates nothing. */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "logs.h"
#include "metrics.h"

sw_stream *sw_stream_new(void) {
    sw_stream *stream = calloc(1, sizeof *stream);
    if (!stream) return NULL;
    stream->state.exact = true;
    stream->end_of_stream_call = -1;
    return stream;
}

static void clear_local_response(sw_local_response *local) {
    local->pending = local->active = local->from_response = false;
    sw_headers_clear(&local->headers);
    sw_buffer_clear(&local->body);
    sw_buffer_clear(&local->details);
}

sw_headers *sw_stream_map(sw_stream *stream, int type) { return &stream->maps[type]; }

static bool make_slots(sw_stream *stream, uint16_t count) {
    if (count <= stream->slots_size) return true;
    sw_slot *slots = realloc(stream->slots, count * sizeof *slots); /* no context is in use: no one points here */
    if (!slots) return false;
    memset(slots + stream->slots_size, 0, (size_t)(count - stream->slots_size) * sizeof *slots);
    stream->slots = slots;
    stream->slots_size = count;
    return true;
}

int sw_stream_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client) {
    if (stream->open || !make_slots(stream, chain->count)) return -1;
    stream->owner = owner;
    stream->chain = chain;
    stream->count = chain->count;
    stream->client = client;
    stream->upstream = NULL;
    stream->attempts = 0;
    stream->protocol = 0;
    stream->started_ns = sw_realtime_ns();
    stream->ended_ns = stream->asked_ns = stream->answered_ns = 0;
    for (uint16_t i = 0; i < chain->count; i++) stream->slots[i].filter = chain->filters[i];
    stream->open = true;
    return 0;
}

/* Streams of all VMs: only the event loop's thread has streams. */
static sw_stream *woken;

void sw_stream_wake(sw_stream *stream) {
    if (stream->in_event || stream->is_woken) return; /* its own event settles it */
    stream->is_woken = true;
    stream->next_woken = woken;
    woken = stream;
}

void sw_stream_reset(sw_stream *stream, const char *details) {
    if (!stream->reset && !stream->local.active) {
        sw_buffer_clear(&stream->local.details);
        sw_buffer_append(&stream->local.details, details, strlen(details));
    }
    stream->reset = true;
    sw_stream_wake(stream);
}

int64_t sw_stream_next_woken(void) {
    if (!woken) return -1;
    sw_stream *stream = woken;
    woken = stream->next_woken;
    stream->is_woken = false;
    return stream->owner;
}

/* Ticks are told of once: those of a VM that stands by as a spare are for no one to take yet. */
uint32_t sw_attention(void) {
    uint32_t flags = (sw_logs_pending() ? SW_LOGS : 0u) | (woken ? SW_WOKEN : 0u);
    if (atomic_load_explicit(&sw_ticks_changed, memory_order_relaxed) && atomic_exchange(&sw_ticks_changed, false)) flags |= SW_TICKS;
    return flags;
}

static void forget_woken(sw_stream *stream) {
    sw_stream **link = &woken;
    while (*link != stream) link = &(*link)->next_woken;
    *link = stream->next_woken;
    stream->is_woken = false;
}

/* A stream inside an event, its end too, cannot be settled now: it looks for dead VMs by itself. */
int64_t sw_vm_first_stream(const sw_vm *vm) {
    for (const sw_context *context = vm->streams; context; context = context->next)
        if (!context->stream->in_event) return context->stream->owner;
    return -1;
}

static void reset_slot(sw_slot *slot) {
    for (int side = 0; side < SW_SIDES; side++) {
        sw_buffer body = slot->side[side].body;
        sw_buffer_clear(&body);
        slot->side[side] = (sw_slot_side){.body = body};
    }
    slot->created = slot->touched = slot->skipped = slot->done = false;
    slot->leased = NULL;
}

/* Envoy's order: of an exchange the log comes first, of a connection once its filter is done. A context that is made
 * for the log (an access logger's) is done behind it. */
static void end_filters(sw_stream *stream) {
    bool has_begun = stream->side[SW_REQUEST].started;
    for (uint16_t i = 0; i < stream->count && stream->is_connection; i++) sw_filter_done(&stream->slots[i]);
    for (uint16_t i = 0; i < stream->count && has_begun; i++) sw_filter_log(stream, &stream->slots[i]);
    for (uint16_t i = 0; i < stream->count; i++) {
        sw_filter_done(&stream->slots[i]);
        sw_filter_delete_context(stream, &stream->slots[i]);
    }
}

static void count(const sw_stream *stream) {
    const sw_chain *chain = stream->chain;
    int64_t status = sw_headers_find(&stream->maps[2], ":status", 7, 0);
    unsigned kind = 0;
    if (status >= 0 && stream->maps[2].fields[status].value_length == 3)
        kind = (unsigned)(*sw_field_value(&stream->maps[2], &stream->maps[2].fields[status]) - '0');
    sw_metrics_add(chain->metrics, chain->requests[kind < 6 ? kind : 0], 1);
    sw_metrics_sample(chain->metrics, chain->durations, (stream->ended_ns - stream->started_ns) / 1000000);
}

uint32_t sw_stream_close(sw_stream *stream) {
    if (!stream->open) return 0;
    if (stream->is_woken) forget_woken(stream);
    stream->in_event = stream->logging = true;
    stream->ended_ns = sw_realtime_ns();
    stream->flags = 0;
    if (stream->chain->metrics && !stream->is_connection) count(stream);
    end_filters(stream);
    for (uint16_t i = 0; i < stream->count; i++) reset_slot(&stream->slots[i]);
    for (int i = 0; i < 4; i++) sw_headers_clear(&stream->maps[i]);
    for (int side = 0; side < SW_SIDES; side++) {
        sw_buffer out = stream->side[side].out;
        sw_buffer_clear(&out);
        stream->side[side] = (sw_side){.out = out};
        stream->bytes[side] = 0;
    }
    clear_local_response(&stream->local);
    sw_headers_clear(&stream->early_set);
    sw_headers_clear(&stream->early_add);
    sw_headers_clear(&stream->state);
    stream->is_connection = stream->closing = stream->told_of_close[SW_REQUEST] = stream->told_of_close[SW_RESPONSE] = false;
    stream->open = stream->in_event = stream->logging = stream->reset = stream->failed = false;
    stream->chain = NULL;
    stream->count = 0;
    return stream->flags | sw_attention();
}

void sw_stream_lease(sw_stream *stream, uint16_t place, sw_context *root) {
    if (place < stream->count) stream->slots[place].leased = root;
}

void sw_stream_set_upstream(sw_stream *stream, const sw_peer *upstream) {
    stream->upstream = upstream;
    if (!upstream) return;
    stream->attempts++;
    stream->asked_ns = sw_monotonic_ns();
}

const char *sw_stream_take_body(sw_stream *stream, int side, size_t *length) {
    sw_buffer *out = &stream->side[side].out;
    const char *bytes = sw_buffer_bytes(out);
    *length = out->length;
    out->start = out->length = 0; /* the block stays, with the bytes, until the next event writes or frees it */
    return bytes;
}

/* An exchange that was never closed ends without a word to its filters: they may be gone already. */
static void abandon(sw_stream *stream) {
    if (stream->is_woken) forget_woken(stream);
    for (uint16_t i = 0; i < stream->count; i++)
        if (stream->slots[i].context.vm) sw_context_leave(&stream->slots[i].context);
}

void sw_stream_delete(sw_stream *stream) {
    if (!stream) return;
    if (stream->open) abandon(stream);
    for (int i = 0; i < 4; i++) sw_headers_free(&stream->maps[i]);
    for (int side = 0; side < SW_SIDES; side++) sw_buffer_free(&stream->side[side].out);
    for (uint16_t i = 0; i < stream->slots_size; i++)
        for (int side = 0; side < SW_SIDES; side++) sw_buffer_free(&stream->slots[i].side[side].body);
    free(stream->slots);
    sw_headers_free(&stream->local.headers);
    sw_buffer_free(&stream->local.body);
    sw_buffer_free(&stream->local.details);
    sw_headers_free(&stream->early_set);
    sw_headers_free(&stream->early_add);
    sw_headers_free(&stream->state);
    sw_buffer_free(&stream->incoming);
    free(stream);
}
