/* One HTTP exchange, or one TCP connection (connection.h), through a chain of filters. No I/O: events come in, flags say
 * what may leave.
 *
 * A filter is a plugin's part in a chain; a chain is shared by all exchanges of a route. Each side (request, response)
 * of an exchange passes the filters in its order. A filter that pauses keeps what arrives in a buffer of its own, so
 * that several filters may be paused at once, and resuming one continues behind it. */
#pragma once
#include "headers.h"
#include "vm.h"

enum { SW_REQUEST = 0, SW_RESPONSE = 1, SW_SIDES = 2 };

/* What may leave now: returned by every event. The numbers are host/stream.py's. */
enum {
    SW_REQUEST_HEAD = 1, SW_REQUEST_BODY = 2, SW_REQUEST_END = 4,
    SW_RESPONSE_HEAD = 8, SW_RESPONSE_BODY = 16, SW_RESPONSE_END = 32,
    SW_LOCAL_RESPONSE = 64, SW_CLOSE = 64 /* of a connection */, SW_RESET = 128, SW_REQUEST_BLOCKED = 256, SW_RESPONSE_BLOCKED = 512,
    SW_REQUEST_TRAILERS = 1024, SW_RESPONSE_TRAILERS = 2048, /* with END: there are trailers */
    SW_LOGS = 4096, SW_WOKEN = 8192, SW_VM_DIED = 16384, SW_TICKS = 32768, /* to be seen to behind the event */
    SW_ENDING = 65536, /* a plugin context that is to end has no stream left, or a VM is due to be replaced */
};
#define SW_LEAVING 4095u /* the ones that say what may leave */
#define SW_SIDE_FLAG(side, flag) ((uint32_t)(flag) << (3 * (side))) /* the request's flag to the side's */

typedef enum { SW_FILTER_WASM, SW_FILTER_NATIVE } sw_filter_kind;
typedef enum { SW_FAIL_CLOSED, SW_FAIL_OPEN } sw_fail_policy; /* for streams in flight when their VM dies */

/* The events of a filter, and their bits in `sw_filter.events`. */
enum {
    SW_ON_REQUEST_HEADERS, SW_ON_REQUEST_BODY, SW_ON_REQUEST_TRAILERS,
    SW_ON_RESPONSE_HEADERS, SW_ON_RESPONSE_BODY, SW_ON_RESPONSE_TRAILERS, SW_ON_LOG, SW_ON_DELETE,
    SW_ON_NEW_CONNECTION, SW_ON_DOWNSTREAM_DATA, SW_ON_UPSTREAM_DATA, SW_ON_DOWNSTREAM_CLOSE, SW_ON_UPSTREAM_CLOSE,
    SW_EVENTS
};

typedef struct sw_filter {
    uint8_t kind, policy;
    bool writes_bodies;          /* it can change bodies: lengths must be counted anew */
    bool stops_head_alone;       /* StopIteration holds the head while the body's callbacks run on (Envoy's
                                    allow_on_headers_stop_iteration); else it stops them as well */
    size_t body_limit[2];        /* by side: bytes that it may hold while it pauses; 0 = the chain's */
    bool takes_body[2];          /* by side, for as long as there is no VM to be asked */
    uint32_t events;             /* which it takes at all; of these a wasm filter gets those that its module exports */
    sw_context *root;            /* wasm filters: the plugin context that new streams get; NULL = the plugin is down */
} sw_filter;

typedef struct sw_chain {
    uint16_t count;
    bool reverse_response;
    bool hold_response_head;     /* until the first body bytes leave, so that a length can be counted */
    uint8_t wants_body;          /* bit per side: some filter takes its body or trailers */
    uint8_t writes_body;
    size_t body_limit[SW_SIDES]; /* bytes that a pausing filter without a limit may hold; beyond: 413 / 502 */
    sw_headers properties;       /* exact names: path with NUL between segments -> encoded value */
    sw_filter **filters;
    struct sw_metrics *metrics;  /* where its exchanges are counted; NULL = nowhere */
    uint32_t requests[6];        /* counters by class of status, 0: without a response */
    uint32_t durations;          /* a histogram of milliseconds */
} sw_chain;

/* What is the same for all exchanges of a client connection or an upstream node. */
typedef struct sw_peer {
    char address[64], local_address[64]; /* "ip:port" */
    uint16_t address_length, local_address_length;
    int64_t port, local_port;
    uint64_t id;
    const sw_headers *properties; /* of its TLS: exact names, encoded values; NULL = none */
} sw_peer;

typedef enum { SW_PASSING, SW_STOPPED_HEADERS, SW_STOPPED_BODY, SW_STOPPED_TRAILERS } sw_stop;

typedef struct {
    uint8_t stopped;     /* a sw_stop */
    bool ended;          /* the last byte has arrived here and waits */
    bool ended_by_head;  /* there is no body but what the filter itself makes */
    bool has_trailers;   /* trailers wait behind it */
    bool resume;         /* continue_stream was called while stopped, or by the callback that stops it */
    bool watermark;      /* stopped with back-pressure instead of a limit */
    bool sees_body;      /* its head is stopped alone: its callbacks see body and trailers all the same */
    sw_buffer body;      /* what the filter sees as the body, and holds while stopped */
} sw_slot_side;

typedef struct {
    sw_context context;  /* wasm filters; context.vm is NULL until the first callback and after the last */
    sw_filter *filter;
    sw_context *leased;  /* the plugin context of a VM that this stream has for itself; NULL: the filter's */
    bool created, touched, skipped; /* touched: it held or changed something; skipped: its VM died and it is passed by */
    bool done;           /* on_done has been called */
    sw_slot_side side[SW_SIDES];
} sw_slot;

typedef struct {
    bool started, head_passed, head_out, ended, end_passed, end_out, has_trailers;
    uint16_t head_at;    /* position of the filter where the head waits; the chain's length once it has passed */
    sw_buffer out;       /* body bytes that have passed the chain */
} sw_side;

typedef struct {
    bool pending, active, from_response;
    uint32_t status;
    int32_t grpc_status;
    sw_headers headers;
    sw_buffer body, details;     /* details: also why an exchange without an answer of ours was given up */
} sw_local_response;

typedef struct sw_stream {
    uint32_t owner;              /* what Python knows the stream by */
    const sw_chain *chain;
    sw_headers maps[4];          /* by the ABI's map types 0 to 3 */
    sw_side side[SW_SIDES];
    sw_slot *slots;
    uint16_t slots_size, count;
    bool open, logging, in_event, reset, is_woken, failed;
    bool is_connection;          /* its body bytes are those of a TCP connection, and it has no heads */
    bool closing;                /* a filter has closed the connection: nothing comes in any more */
    bool told_of_close[SW_SIDES];
    const sw_slot *called;       /* whose callback of headers, body or trailers runs now, and of which side */
    int called_side;
    bool answered_in_vain;       /* that callback has sent an answer behind the one that won */
    int32_t end_of_stream_call;  /* -1, or the side whose body callback with end_of_stream runs now */
    uint8_t phase;               /* the event that runs: a SW_ON_… */
    uint8_t protocol;            /* 0 = HTTP/1.1, 1 = HTTP/1.0, 2 = HTTP/2 */
    uint32_t flags;              /* collected for the event's return */
    sw_local_response local;
    sw_headers early_set, early_add; /* response fields written before there is a response */
    sw_headers state;            /* properties that filters have set, exact names */
    const sw_peer *client, *upstream;
    uint32_t attempts;           /* nodes that were asked */
    uint64_t started_ns, ended_ns;
    uint64_t asked_ns, answered_ns;  /* monotonic: an upstream was got, its response was here to the end; 0 = not yet */
    uint64_t bytes[SW_SIDES];    /* body bytes that arrived */
    sw_buffer incoming;          /* the chunk on its way through the filters */
    struct sw_stream *next_woken;
} sw_stream;

static inline sw_headers *sw_headers_of(sw_stream *stream, int side) { return &stream->maps[2 * side]; }
static inline sw_headers *sw_trailers_of(sw_stream *stream, int side) { return &stream->maps[2 * side + 1]; }
/* The event of a side's beginning, and that of its bytes. */
static inline int sw_head_event(const sw_stream *stream, int side) {
    if (stream->is_connection) return SW_ON_NEW_CONNECTION;
    return side == SW_REQUEST ? SW_ON_REQUEST_HEADERS : SW_ON_RESPONSE_HEADERS;
}
static inline int sw_body_event(const sw_stream *stream, int side) {
    if (stream->is_connection) return side == SW_REQUEST ? SW_ON_DOWNSTREAM_DATA : SW_ON_UPSTREAM_DATA;
    return side == SW_REQUEST ? SW_ON_REQUEST_BODY : SW_ON_RESPONSE_BODY;
}
static inline sw_context *sw_root_of(const sw_slot *slot) { return slot->leased ? slot->leased : slot->filter->root; }
static inline sw_slot *sw_slot_of(sw_context *context) { return &context->stream->slots[context->filter]; }

/* stream.c: life of an exchange */
sw_stream *sw_stream_new(void);
void sw_stream_delete(sw_stream *stream);
sw_headers *sw_stream_map(sw_stream *stream, int type);
int sw_stream_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client);
/* on_log, on_done, on_delete, or for a connection on_done, on_log, on_delete; the stream can be opened again. Returns flags (SW_LOGS, SW_WOKEN, SW_VM_DIED). */
uint32_t sw_stream_close(sw_stream *stream);
/* Gives the filter at this place a plugin context of its own until the stream is closed. Before the first event. */
void sw_stream_lease(sw_stream *stream, uint16_t place, sw_context *root);
void sw_stream_set_upstream(sw_stream *stream, const sw_peer *upstream);

/* chain.c: the events. Each returns flags. */
uint32_t sw_stream_on_headers(sw_stream *stream, int side, bool end_of_stream);
uint32_t sw_stream_on_body(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream);
uint32_t sw_stream_on_trailers(sw_stream *stream, int side);
/* Head and body at once, of a message that is all here. The body only where a filter takes it. */
uint32_t sw_stream_on_message(sw_stream *stream, int side, const char *body, size_t length);
/* Around every event: the second does what was asked meanwhile, and makes up the flags. */
void sw_stream_enter(sw_stream *stream);
uint32_t sw_stream_leave(sw_stream *stream);
/* Carries out what was asked from elsewhere: resumes, a local response, a close; or what its dead VM makes of it. */
uint32_t sw_stream_settle(sw_stream *stream);
/* The host's own answer (404, 502, …), which passes the response filters as a plugin's does. */
uint32_t sw_stream_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length,
                                  const char *body, size_t body_length, const char *details, size_t details_length);
/* Takes the bytes that have passed; they are good until the next event. */
const char *sw_stream_take_body(sw_stream *stream, int side, size_t *length);

/* Used by the host calls */
/* Resumes the filter's side once the guest has returned, if it is stopped then: it must be stopped now, or this must be
 * the callback that stops it (Envoy). A resume does not disarm a later pause. */
void sw_slot_resume(sw_stream *stream, sw_slot *slot, int side);
void sw_stream_wake(sw_stream *stream);
/* Gives the exchange up, for this reason: what has left stays cut short. */
void sw_stream_reset(sw_stream *stream, const char *details);
/* Takes a stream off the list of those that were resumed from elsewhere: its owner, or -1. Settle it next. */
int64_t sw_stream_next_woken(void);
/* What has to be seen to behind an event, whosever it was: SW_LOGS, SW_WOKEN, SW_TICKS. */
uint32_t sw_attention(void);
/* The owner of a stream that has a context on this VM and can be settled, or -1. */
int64_t sw_vm_first_stream(const sw_vm *vm);
sw_local_response *sw_stream_begin_local_response(sw_stream *stream, uint32_t status);

/* filter.c: one event to one filter. The result is the filter's status, or -1: its VM has failed. */
int32_t sw_filter_headers(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream);
int32_t sw_filter_body(sw_stream *stream, sw_slot *slot, int side, bool end_of_stream);
int32_t sw_filter_trailers(sw_stream *stream, sw_slot *slot, int side);
void sw_filter_log(sw_stream *stream, sw_slot *slot);
/* A side of a connection is closed, by its peer or by us (the ABI's peer type). */
void sw_filter_closed(sw_stream *stream, sw_slot *slot, int side, uint32_t peer);
/* on_done, once. Its answer counts for plugin contexts only: a stream ends whatever its filter says, as in Envoy. */
void sw_filter_done(sw_slot *slot);
/* on_delete; the context is no more. */
void sw_filter_delete_context(sw_stream *stream, sw_slot *slot);
bool sw_filter_takes(const sw_slot *slot, int event);
/* A body may be written while it is in the filter's hands: in its body callbacks, while the filter holds it, and where
 * the message has none of its own, in the header callback. */
bool sw_slot_may_write_body(const sw_stream *stream, const sw_slot *slot, int side);

/* native.c: filters in Python. This one is Python's, made by cffi: it never raises, and -1 says that the filter did. */
int32_t sw_call_native_filter(uint32_t owner, uint32_t filter, uint32_t event, uint64_t length, int32_t end_of_stream);
