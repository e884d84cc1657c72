#include "connection.h"

#include "passes.h"

/* There is no head of a response to wait for, nor one to answer with: as if it had left already. */
int sw_connection_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client) {
    if (sw_stream_open(stream, owner, chain, client)) return -1;
    stream->is_connection = true;
    sw_side *upstream = &stream->side[SW_RESPONSE];
    upstream->started = upstream->head_passed = upstream->head_out = true;
    return 0;
}

uint32_t sw_connection_on_new(sw_stream *stream) { return sw_stream_on_headers(stream, SW_REQUEST, false); }

uint32_t sw_connection_on_data(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream) {
    return sw_stream_on_body(stream, side, data, length, end_of_stream);
}

/* A filter hears of it even when the connection was reset: it may have counted on it. */
uint32_t sw_connection_on_close(sw_stream *stream, int side, uint32_t peer) {
    if (!stream->open || stream->in_event || stream->told_of_close[side]) return 0;
    stream->told_of_close[side] = true;
    sw_stream_enter(stream);
    for (uint16_t i = 0; i < stream->count; i++) sw_filter_closed(stream, &stream->slots[i], side, peer);
    return sw_stream_leave(stream);
}

void sw_connection_close(sw_stream *stream) {
    stream->closing = true;
    sw_stream_wake(stream);
}

int sw_native_close(sw_stream *stream) {
    if (!stream->open || stream->logging || !stream->is_connection) return -1;
    sw_connection_close(stream);
    return 0;
}
