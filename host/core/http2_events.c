#include "http2_events.h"

#include <stdlib.h>
#include <string.h>

static sw_http2_event *add_event(sw_http2 *http2, int32_t kind, int32_t stream, uint32_t code) {
    if (http2->count == http2->capacity) {
        size_t capacity = http2->capacity ? http2->capacity * 2 : 16;
        sw_http2_event *events = realloc(http2->events, capacity * sizeof *events);
        if (!events) return NULL;
        http2->events = events;
        http2->capacity = capacity;
    }
    sw_http2_event *event = &http2->events[http2->count++];
    *event = (sw_http2_event){kind, stream, code, (uint32_t)http2->bytes.length, 0};
    return event;
}

const int32_t *sw_http2_take_events(sw_http2 *http2, size_t *count) {
    *count = http2->count;
    http2->count = 0;
    return (const int32_t *)http2->events;
}

const char *sw_http2_event_bytes(const sw_http2 *http2) { return sw_buffer_bytes(&http2->bytes); }

/* Events that were taken leave their bytes until there are new ones. */
static sw_http2_event *add_event_with(sw_http2 *http2, int32_t kind, int32_t stream, uint32_t code, size_t length, char **place) {
    if (!http2->count) sw_buffer_clear(&http2->bytes);
    *place = sw_buffer_reserve(&http2->bytes, length);
    sw_http2_event *event = *place || !length ? add_event(http2, kind, stream, code) : NULL;
    if (!event) return NULL;
    event->length = (uint32_t)length;
    http2->bytes.length += length;
    return event;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data) {
    (void)session, (void)frame;
    sw_headers_clear(&((sw_http2 *)data)->block);
    return 0;
}

/* A block over its limits ends its stream, not the connection: the rest of it is still read, as the compression's state
 * is the connection's, but kept nowhere. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *data) {
    (void)session, (void)frame, (void)flags;
    sw_http2 *http2 = data;
    if (http2->block.count >= http2->limits.most_fields ||
        sw_headers_add(&http2->block, (const char *)name, name_length, (const char *)value, value_length))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length, void *data) {
    (void)flags;
    sw_http2 *http2 = data;
    char *place;
    http2->control_frames = 0;
    if (!add_event_with(http2, SW_HTTP2_DATA, stream, 0, length, &place)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(place, bytes, length);
    /* Each stream's window bounds what its reader holds; a slow one must not keep the others waiting. */
    return sw_nghttp2.nghttp2_session_consume_connection(session, length) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int add_block(sw_http2 *http2, const nghttp2_frame *frame) {
    const sw_headers *block = &http2->block;
    bool is_head = block->count && *sw_field_name(block, &block->fields[0]) == ':';
    char *place;
    if (!add_event_with(http2, is_head ? SW_HTTP2_HEAD : SW_HTTP2_TRAILERS, frame->hd.stream_id,
                        frame->hd.flags & NGHTTP2_FLAG_END_STREAM, sw_headers_pairs_size(block), &place))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    sw_headers_pairs_write(block, place);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data) {
    (void)session;
    sw_http2 *http2 = data;
    /* Frames that move no request on cost the peer little and us something: CVE-2019-9511 to -9518 are of their kind. */
    if (frame->hd.type != NGHTTP2_HEADERS && ++http2->control_frames > http2->limits.most_control_frames) {
        if (!http2->error) http2->error = "too many control frames in a row";
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        http2->control_frames = 0;
        if (add_block(http2, frame)) return NGHTTP2_ERR_CALLBACK_FAILURE;
        break;
    case NGHTTP2_DATA: break;
    case NGHTTP2_PING:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) return 0;
        return add_event(http2, SW_HTTP2_PONG, 0, 0) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    case NGHTTP2_SETTINGS:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) return 0;
        return add_event(http2, SW_HTTP2_SETTINGS, 0, 0) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    case NGHTTP2_GOAWAY:
        return add_event(http2, SW_HTTP2_GOAWAY, frame->goaway.last_stream_id, frame->goaway.error_code)
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    default: return 0;
    }
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    return !is_end || add_event(http2, SW_HTTP2_END, frame->hd.stream_id, 0) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* nghttp2 answers it by itself, with RST_STREAM or GOAWAY. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *data) {
    (void)session, (void)frame;
    ((sw_http2 *)data)->fault = sw_nghttp2.nghttp2_strerror(error);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *data) {
    (void)session;
    if (frame->hd.type <= NGHTTP2_HEADERS && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.length))
        ((sw_http2 *)data)->control_frames = 0;
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *data) {
    (void)session;
    sw_http2 *http2 = data;
    sw_http2_forget(http2, stream);
    return add_event(http2, SW_HTTP2_CLOSED, stream, code) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

nghttp2_session_callbacks *sw_http2_new_callbacks(void) {
    nghttp2_session_callbacks *callbacks;
    if (sw_nghttp2.nghttp2_session_callbacks_new(&callbacks)) return NULL;
    sw_nghttp2.nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    sw_nghttp2.nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    sw_nghttp2.nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    sw_nghttp2.nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    sw_nghttp2.nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    sw_nghttp2.nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    sw_nghttp2.nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    return callbacks;
}
