/* One HTTP/2 connection without its socket (RFC 9113), in either role: bytes in, events out; calls in, bytes out.
 *
 * nghttp2 does the protocol. This puts what it tells into one list of events and one block of bytes, so that a read of
 * many frames costs Python one call; it holds what is to be sent on a stream until the peer's windows take it; and it
 * bounds what a hostile peer can make of a connection. It knows nothing of sockets, plugins or gRPC. */
#pragma once
#include "buffer.h"
#include "headers.h"
#include "nghttp2.h"

/* `code` of each: HEADERS: 1 = the stream ends with it. RESET, GOAWAY: the error code (RFC 9113 section 7).
 * `stream` of GOAWAY: the last one that the peer has seen. HEADERS and DATA have `length` bytes at `offset` of the
 * block: a header map in the ABI's serialized form, content. */
typedef struct { int32_t kind, stream; uint32_t code, offset, length; } sw_http2_event;
enum {
    SW_HTTP2_HEAD,     /* a request or response head, interim ones too */
    SW_HTTP2_TRAILERS,
    SW_HTTP2_DATA,
    SW_HTTP2_END,      /* the peer sends no more on the stream */
    SW_HTTP2_CLOSED,   /* the stream is gone, with an error code, 0 = both sides had ended */
    SW_HTTP2_GOAWAY,
    SW_HTTP2_PONG,     /* a PING was acknowledged */
    SW_HTTP2_SETTINGS, /* the peer's, first or changed */
};
/* What calls return beside 0: the connection is lost (see sw_http2_error), no such stream, fields that may not be sent. */
enum { SW_HTTP2_LOST = -1, SW_HTTP2_NO_STREAM = -2, SW_HTTP2_BAD_FIELDS = -3, SW_HTTP2_REFUSED = -4 };

typedef struct {
    uint32_t stream_window, connection_window; /* bytes that the peer may send unasked */
    uint32_t most_streams;                     /* that the peer may have open (server role) */
    uint32_t most_header_bytes, most_fields;   /* of one header block; more resets the stream */
    uint32_t most_control_frames;              /* in a row with neither content nor a head among them */
} sw_http2_limits;

/* What waits to be sent on a stream. Kept here and not in nghttp2's stream, which is there only once its head is sent. */
typedef struct sw_http2_outgoing {
    struct sw_http2_outgoing *next; /* of the same bucket */
    int32_t stream;
    bool end;
    sw_buffer content;
    sw_headers *trailers; /* behind the content; NULL = none */
} sw_http2_outgoing;
enum { SW_HTTP2_BUCKETS = 64 };

typedef struct sw_http2 {
    nghttp2_session *session;
    sw_http2_limits limits;
    sw_headers block;            /* the header block that is being read: they never interleave */
    sw_buffer bytes;             /* of the events */
    sw_buffer output;
    sw_http2_event *events;
    size_t count, capacity;
    uint32_t control_frames;
    sw_http2_outgoing *outgoing[SW_HTTP2_BUCKETS];
    const char *error;           /* why the connection is lost */
    const char *fault;           /* what of the protocol the peer has violated last */
} sw_http2;

sw_http2 *sw_http2_new(bool is_server, const sw_http2_limits *limits);
void sw_http2_delete(sw_http2 *http2);
/* Takes bytes of the peer. 0 or LOST; a GOAWAY may then still be there to be sent. */
int sw_http2_receive(sw_http2 *http2, const char *data, size_t length);
/* The events since the last time, good until the next call of anything but sw_http2_event_bytes. */
const int32_t *sw_http2_take_events(sw_http2 *http2, size_t *count);
const char *sw_http2_event_bytes(const sw_http2 *http2);
/* What is to be sent now, hardly more than `most` bytes (a frame); length 0 = nothing. Good until the next call of it. */
const char *sw_http2_take_output(sw_http2 *http2, size_t most, size_t *length);

/* Opens a stream with a request; its id or an error. */
int32_t sw_http2_request(sw_http2 *http2, const sw_headers *head, bool end);
int sw_http2_respond(sw_http2 *http2, int32_t stream, const sw_headers *head, bool end);
/* Queues content; `end` = the last. */
int sw_http2_write(sw_http2 *http2, int32_t stream, const char *data, size_t length, bool end);
int sw_http2_write_trailers(sw_http2 *http2, int32_t stream, const sw_headers *trailers);
/* Bytes of the stream that wait for the peer's window; 0 for one that is gone. */
size_t sw_http2_unsent(const sw_http2 *http2, int32_t stream);
/* Lets the peer send as many bytes more on the stream. */
int sw_http2_consume(sw_http2 *http2, int32_t stream, size_t length);
int sw_http2_reset(sw_http2 *http2, int32_t stream, uint32_t code);
int sw_http2_ping(sw_http2 *http2);
/* Ends the connection with a GOAWAY of this code. */
int sw_http2_end(sw_http2 *http2, uint32_t code);
bool sw_http2_takes_requests(const sw_http2 *http2);
bool sw_http2_is_over(const sw_http2 *http2);
/* NULL = there was none. */
const char *sw_http2_error(const sw_http2 *http2);
const char *sw_http2_fault(const sw_http2 *http2);
