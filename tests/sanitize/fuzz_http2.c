/* Two ends of an HTTP/2 connection that do at random what their users may, with a wire between that is damaged at times;
 * the library beneath is the system's. */
#include "harness.h"
#include "http2.h"

enum { MOST_WIRE = 1 << 16, MOST_STREAMS = 16 };

typedef struct {
    sw_http2 *http2;
    int32_t streams[MOST_STREAMS];
    uint32_t count;
    char *wire; /* what this end has sent and the other has not read */
    size_t length;
} end_of_wire;

static sw_headers random_fields(bool is_head, bool is_request) {
    static const char *names[] = {"te", "content-type", "x-a", "grpc-status", "content-length", "X-Capital", "bad name", "connection", ""};
    static const char *values[] = {"trailers", "application/grpc", "", "0", "5", "a\r\nb", "\x7f", "close"};
    static const char *statuses[] = {"200", "103", "999", "x"};
    sw_headers fields;
    sw_headers_init(&fields);
    if (is_head && is_request && !one_in(8)) {
        sw_headers_add(&fields, ":method", 7, "POST", 4);
        sw_headers_add(&fields, ":scheme", 7, "http", 4);
        sw_headers_add(&fields, ":path", 5, "/a", 2);
        sw_headers_add(&fields, ":authority", 10, "b", 1);
    } else if (is_head && !is_request) {
        const char *status = one_in(3) ? statuses[chance(4)] : "200";
        sw_headers_add(&fields, ":status", 7, status, strlen(status));
    }
    for (uint32_t i = one_in(9) ? 100 : chance(3); i; i--) {
        const char *name = names[one_in(6) ? chance(9) : chance(4)], *value = values[one_in(6) ? chance(8) : chance(4)];
        sw_headers_add(&fields, name, strlen(name), value, strlen(value));
    }
    return fields;
}

static void note(end_of_wire *end, int32_t stream) {
    end->streams[end->count++ % MOST_STREAMS] = stream;
}

static int32_t some_stream(const end_of_wire *end) {
    if (one_in(12)) return (int32_t)chance(40) - 2;
    return end->count ? end->streams[chance(end->count < MOST_STREAMS ? end->count : MOST_STREAMS)] : 1;
}

static void act(end_of_wire *end, bool is_server) {
    sw_http2 *http2 = end->http2;
    int32_t stream = some_stream(end);
    char content[700];
    memset(content, 'c', sizeof content);
    sw_headers fields = random_fields(one_in(3) ? one_in(2) : true, !is_server);
    switch (chance(12)) {
    case 0: case 1: case 2:
        if (is_server) {
            sw_http2_respond(http2, stream, &fields, one_in(4));
        } else if ((stream = sw_http2_request(http2, &fields, one_in(4))) > 0) {
            note(end, stream);
        }
        break;
    case 3: case 4: case 5: {
        size_t length = one_in(20) ? 0 : chance(sizeof content), before = sw_http2_unsent(http2, stream);
        int result = sw_http2_write(http2, stream, content, length, one_in(5));
        CHECK(sw_http2_unsent(http2, stream) == before + (result ? 0 : length));
        break;
    }
    case 6: sw_http2_write_trailers(http2, stream, &fields); break;
    case 7: sw_http2_consume(http2, stream, chance(2000)); break;
    case 8: if (one_in(3)) sw_http2_reset(http2, stream, chance(16)); break;
    case 9: if (one_in(4)) sw_http2_ping(http2); break;
    case 10: if (one_in(200)) sw_http2_end(http2, chance(14)); break;
    default: CHECK(sw_http2_takes_requests(http2) ? !http2->error : true);
    }
    sw_headers_free(&fields);
}

/* Everything that an event points at is there, and a head that was taken apart can be put together. */
static void look_at_events(end_of_wire *end) {
    size_t count;
    const int32_t *rows = sw_http2_take_events(end->http2, &count);
    const sw_http2_event *events = (const sw_http2_event *)rows;
    for (size_t i = 0; i < count; i++) {
        const sw_http2_event *event = &events[i];
        CHECK(event->kind >= SW_HTTP2_HEAD && event->kind <= SW_HTTP2_SETTINGS);
        if (event->kind <= SW_HTTP2_DATA) CHECK((size_t)event->offset + event->length <= end->http2->bytes.length);
        if (event->kind == SW_HTTP2_HEAD || event->kind == SW_HTTP2_TRAILERS) {
            sw_headers fields;
            sw_headers_init(&fields);
            int result = sw_headers_set_pairs(&fields, sw_http2_event_bytes(end->http2) + event->offset, event->length);
            CHECK(result == 0 || result == -1);
            sw_headers_free(&fields);
            note(end, event->stream);
        }
    }
}

static void send(end_of_wire *end) {
    size_t length;
    const char *data = sw_http2_take_output(end->http2, 1 + chance(4000), &length);
    look_at_events(end);
    if (length > MOST_WIRE - end->length) length = MOST_WIRE - end->length; /* a wire that loses bytes is a damaged one */
    if (length) memcpy(end->wire + end->length, data, length);
    end->length += length;
}

static void receive(end_of_wire *from, end_of_wire *to, bool is_damaged) {
    size_t length = one_in(3) ? chance((uint32_t)from->length + 1) : from->length;
    char *data = malloc(length ? length : 1); /* a block of exactly its size */
    memcpy(data, from->wire, length);
    if (is_damaged && length && one_in(6)) data[chance((uint32_t)length)] ^= (char)(1 << chance(8));
    int result = sw_http2_receive(to->http2, data, length);
    CHECK(result == 0 || (result == SW_HTTP2_LOST && sw_http2_error(to->http2)));
    free(data);
    memmove(from->wire, from->wire + length, from->length - length);
    from->length -= length;
    look_at_events(to);
}

/* nghttp2 1.52 loses a frame now and then when a callback of ours has no memory and fails: seen a few times in 100,000
 * connections, and never without such failures. Leaks are looked for on the others; all else is, on every one. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void one_connection(void) {
    sw_http2_limits limits = {one_in(3) ? 1 + chance(2000) : 65535, 65535 + chance(1 << 20), 1 + chance(50),
                              one_in(4) ? 64 + chance(400) : 65536, one_in(4) ? 3 + chance(9) : 128, 20 + chance(1000)};
    end_of_wire ends[2] = {0};
    bool is_damaged = one_in(3);
    unsigned failing = one_in(5) ? 40 : 0;
    if (failing && __lsan_disable) __lsan_disable();
    memory_fails_one_in = failing;
    for (int i = 0; i < 2; i++) ends[i].http2 = sw_http2_new(i, &limits);
    memory_fails_one_in = 0;
    for (int i = 0; i < 2; i++) ends[i].wire = malloc(MOST_WIRE);
    for (uint32_t step = chance(120); step && ends[0].http2 && ends[1].http2; step--) {
        int side = (int)chance(2);
        memory_fails_one_in = failing;
        if (one_in(2)) act(&ends[side], side);
        if (one_in(2)) send(&ends[side]);
        memory_fails_one_in = 0;
        if (one_in(2)) receive(&ends[side], &ends[!side], is_damaged);
    }
    for (int i = 0; i < 2; i++) {
        sw_http2_delete(ends[i].http2);
        free(ends[i].wire);
    }
    if (failing && __lsan_enable) __lsan_enable();
}

void fuzz_http2(unsigned rounds) {
    const char *missing = sw_nghttp2_load("libnghttp2.so.14");
    if (missing) {
        printf("http2: skipped, %s\n", missing);
        return;
    }
    doing = "HTTP/2";
    for (unsigned i = 0; i < rounds; i++) one_connection();
}
