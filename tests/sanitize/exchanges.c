#include "exchanges.h"

#include "connection.h"
#include "faces.h"
#include "native.h"
#include "passage.h"

exchange exchanges[MOST_EXCHANGES];

/* The body's bytes tell their place, so that lost, doubled and swapped ones are seen. */
static char byte_at(int side, size_t at) { return (char)(at * 31 + at / 251 + (size_t)side * 97); }

static void take(exchange *e, int side) {
    size_t length;
    const char *bytes = sw_stream_take_body(e->stream, side, &length);
    CHECK(length > 0);
    if (e->is_passive && !e->is_local)
        for (size_t i = 0; i < length; i++) CHECK(bytes[i] == byte_at(side, e->out[side] + i));
    e->out[side] += length;
}

static void check_side(exchange *e, int side, uint32_t flags) {
    bool head = flags & SW_SIDE_FLAG(side, SW_REQUEST_HEAD), body = flags & SW_SIDE_FLAG(side, SW_REQUEST_BODY);
    bool end = flags & SW_SIDE_FLAG(side, SW_REQUEST_END);
    CHECK(!head || !e->head_out[side]);
    e->head_out[side] |= head;
    CHECK(!(body || end) || e->head_out[side]);
    CHECK(!(body || end) || !e->end_out[side]);
    if (body) take(e, side);
    e->end_out[side] |= end;
    if (end && e->is_passive && !e->is_local) CHECK(e->out[side] == e->in[side]);
}

static void after(exchange *e, uint32_t flags) {
    const uint32_t side_flags = SW_REQUEST_HEAD | SW_REQUEST_BODY | SW_REQUEST_END | SW_RESPONSE_HEAD | SW_RESPONSE_BODY | SW_RESPONSE_END;
    if (e->is_reset) CHECK(!(flags & side_flags));
    if (flags & SW_RESET) {
        e->is_reset = true;
        CHECK(!(flags & side_flags));
        CHECK(!e->is_passive || memory_failures); /* nobody asked for it */
    }
    if (e->is_closing) CHECK(!(flags & side_flags)); /* what had left went with the event that closed */
    if (e->is_connection) {
        CHECK(!(flags & (SW_RESPONSE_HEAD | SW_REQUEST_TRAILERS | SW_RESPONSE_TRAILERS)));
        e->is_closing |= (flags & SW_CLOSE) != 0;
        CHECK(!e->is_closing || !e->is_passive);
    } else if (flags & SW_LOCAL_RESPONSE) {
        CHECK(!e->head_out[SW_RESPONSE]);
        CHECK(!e->is_passive || memory_failures); /* nobody asked for it */
        e->is_local = true;
    }
    if (e->is_local) CHECK(!(flags & (SW_REQUEST_HEAD | SW_REQUEST_BODY | SW_REQUEST_END)));
    check_side(e, SW_REQUEST, flags);
    check_side(e, SW_RESPONSE, flags);
    CHECK(!e->stream->in_event && (!e->stream->local.pending || e->stream->reset));
    if (e->head_out[SW_RESPONSE] && !e->is_connection) CHECK(sw_headers_find(sw_stream_map(e->stream, 2), ":status", 7, 0) >= 0 || memory_failures);
    settle_woken();
}

void settle_woken(void) {
    int64_t owner;
    for (int i = 0; (owner = sw_stream_next_woken()) >= 0; i++) {
        CHECK(i < 1000);
        CHECK(owner < MOST_EXCHANGES && exchanges[owner].is_open);
        exchange_settle(&exchanges[owner]);
    }
}

/* As any exchange, or as one whose request has no body. */
void exchange_settle(exchange *e) {
    if (e->stream->in_event) return;
    if (one_in(2)) {
        after(e, sw_stream_settle(e->stream));
        return;
    }
    static const sw_client client;
    sw_buffer out = {0};
    sw_passage passage;
    sw_pass_settled(&passage, e->stream, &client, "b", 1, &out);
    CHECK(passage.written <= (int64_t)out.capacity);
    if (passage.written) CHECK((passage.flags & SW_LEAVING) == (SW_REQUEST_HEAD | SW_REQUEST_END));
    after(e, (uint32_t)passage.flags);
    sw_buffer_free(&out);
}

static void add(exchange *e, int map, const char *name, const char *value) {
    sw_headers_add(sw_stream_map(e->stream, map), name, strlen(name), value, strlen(value));
}

/* A request without a body, in one go with the opening. */
static void pass_request(exchange *e, const sw_chain *chain) {
    static const sw_peer peer;
    static const sw_client client = {.address = "10.1.2.3", .address_length = 8};
    sw_buffer out = {0};
    sw_passage passage;
    e->started[SW_REQUEST] = e->ended[SW_REQUEST] = true;
    e->is_open = true;
    if (sw_pass_request(&passage, e->stream, e->owner, chain, &peer, &client, "b", 1, &out)) {
        e->is_open = false;
    } else {
        CHECK(passage.written <= (int64_t)out.capacity);
        if (passage.written) CHECK((passage.flags & SW_LEAVING) == (SW_REQUEST_HEAD | SW_REQUEST_END));
        if (passage.written && e->is_passive) CHECK(!memcmp(sw_buffer_bytes(&out), "POST / HTTP/1.1\r\nHost: b\r\n", 25));
        after(e, (uint32_t)passage.flags);
    }
    sw_buffer_free(&out);
}

void exchange_open(exchange *e, const sw_chain *chain, bool is_passive) {
    sw_stream *stream = e->stream ? e->stream : sw_stream_new();
    if (!stream) return;
    *e = (exchange){.stream = stream, .owner = (uint32_t)(e - exchanges), .is_passive = is_passive};
    streams_by_owner[e->owner] = stream;
    if (one_in(3)) {
        e->is_connection = e->head_out[SW_RESPONSE] = e->started[SW_RESPONSE] = true;
        e->is_open = sw_connection_open(stream, e->owner, chain, NULL) == 0;
        return;
    }
    add(e, 0, ":method", "POST");
    add(e, 0, ":path", "/");
    add(e, 0, ":authority", "a");
    add(e, 0, "x-a", "b");
    if (one_in(3)) pass_request(e, chain);
    else e->is_open = sw_stream_open(stream, e->owner, chain, NULL) == 0;
    if (!e->is_open) sw_headers_clear(sw_stream_map(stream, 0));
}

void exchange_close(exchange *e) {
    if (!e->is_open) return;
    e->is_open = false;
    sw_stream_close(e->stream);
    CHECK(!e->stream->open && !e->stream->is_woken && sw_headers_count(sw_stream_map(e->stream, 0)) == 0);
    for (uint16_t i = 0; i < e->stream->slots_size; i++) {
        CHECK(!e->stream->slots[i].context.vm);
        for (int side = 0; side < SW_SIDES; side++) CHECK(!e->stream->slots[i].side[side].body.length);
    }
    settle_woken();
}

/* A whole response in one go, with some bytes of the next one sometimes, which make it go step by step. */
static void pass_response(exchange *e) {
    char head[80];
    size_t length = chance(one_in(10) ? 3000 : 40), extra = one_in(8) ? 1 : 0;
    size_t at = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length);
    char *data = malloc(at + length + extra);
    memcpy(data, head, at);
    for (size_t i = 0; i < length; i++) data[at + i] = byte_at(SW_RESPONSE, i);
    if (extra) data[at + length] = 'H';
    sw_judge judge = {65536, 8000, 100, false, 0};
    sw_buffer out = {0};
    sw_passage passage;
    bool recounts = e->is_passive || one_in(2), sees_body = e->stream->chain->wants_body >> SW_RESPONSE & 1;
    e->started[SW_RESPONSE] = true;
    e->ended[SW_RESPONSE] = sees_body || !length; /* else the filters hear no more of it */
    e->in[SW_RESPONSE] = sees_body ? length : 0;
    sw_pass_response(&passage, e->stream, &judge, data, 0, at + length + extra, 0, 0, recounts, &out);
    if (passage.written) {
        CHECK(!extra && (passage.flags & SW_RESPONSE_HEAD) && passage.written <= (int64_t)out.capacity);
        sw_headers again = {0};
        int64_t judged = sw_judge_response(&judge, sw_buffer_bytes(&out), 0, (size_t)passage.written, 0, &again);
        if (!memory_failures) CHECK((judged & SW_HEAD_LENGTH_MASK) == passage.written && judge.content_length == (int64_t)passage.body_length);
        sw_headers_free(&again);
        for (size_t i = 0; i < passage.body_length; i++) {
            char byte = passage.body[i];
            CHECK(!e->is_passive || byte == byte_at(SW_RESPONSE, i));
        }
        e->head_out[SW_RESPONSE] = true;
        e->end_out[SW_RESPONSE] = e->ended[SW_RESPONSE];
        e->out[SW_RESPONSE] = sees_body ? passage.body_length : 0;
        CHECK(!e->is_passive || passage.body_length == length);
        settle_woken();
    } else if (passage.flags >= 0) {
        after(e, (uint32_t)passage.flags);
    } else {
        CHECK(extra || memory_failures);
        e->ended[SW_RESPONSE] = length == 0;
        e->in[SW_RESPONSE] = 0;
        after(e, sw_stream_on_headers(e->stream, SW_RESPONSE, length == 0));
    }
    sw_buffer_free(&out);
    free(data);
}

static void headers(exchange *e, int side) {
    if (side == SW_RESPONSE && !e->is_local && one_in(2)) return pass_response(e);
    e->started[side] = true;
    e->ended[side] = one_in(4);
    if (side == SW_RESPONSE && !e->is_local) {
        sw_headers_clear(sw_stream_map(e->stream, 2));
        add(e, 2, ":status", "200");
    }
    after(e, sw_stream_on_headers(e->stream, side, e->ended[side]));
}

static void body(exchange *e, int side) {
    size_t length = chance(one_in(10) ? 3000 : 40);
    char *data = malloc(length);
    for (size_t i = 0; i < length; i++) data[i] = byte_at(side, e->in[side] + i);
    e->in[side] += length;
    e->ended[side] = one_in(3);
    after(e, sw_stream_on_body(e->stream, side, data, length, e->ended[side]));
    free(data);
}

static void trailers(exchange *e, int side) {
    e->ended[side] = true;
    if (one_in(2)) add(e, 2 * side + 1, "x-checksum", "1");
    after(e, sw_stream_on_trailers(e->stream, side));
}

static void local_response(exchange *e) {
    static const char pairs[] = "\1\0\0\0\3\0\0\0\1\0\0\0x-a\0b";
    e->is_passive = false;
    after(e, sw_stream_local_response(e->stream, 504, pairs, sizeof pairs, "late", chance(5), "timeout", 7));
}

/* What no connection brings: the core has to bear it. */
static void absurd(exchange *e) {
    int side = (int)chance(2);
    e->is_passive = false;
    switch (chance(4)) {
    case 0: after(e, sw_stream_on_body(e->stream, side, "absurd", 6, one_in(2))); break;
    case 1: after(e, sw_stream_on_trailers(e->stream, side)); break;
    case 2:
        if (sw_headers_find(sw_stream_map(e->stream, 2), ":status", 7, 0) < 0) add(e, 2, ":status", "200");
        after(e, sw_stream_on_headers(e->stream, side, one_in(2)));
        break;
    default: after(e, sw_stream_local_response(e->stream, 200 + chance(400), "bad", 3, NULL, 0, NULL, 0));
    }
}

static void data(exchange *e, int side) {
    size_t length = chance(one_in(10) ? 3000 : 40);
    char *bytes = malloc(length);
    for (size_t i = 0; i < length; i++) bytes[i] = byte_at(side, e->in[side] + i);
    e->in[side] += length;
    e->ended[side] = one_in(4);
    after(e, sw_connection_on_data(e->stream, side, bytes, length, e->ended[side]));
    free(bytes);
}

static void new_connection(exchange *e) {
    e->started[SW_REQUEST] = true;
    after(e, sw_connection_on_new(e->stream));
}

static void connection_event(exchange *e) {
    int side = (int)chance(2);
    if (one_in(30)) after(e, sw_connection_on_close(e->stream, side, chance(3))); /* bytes may follow: filters hold some */
    else if (!e->started[SW_REQUEST]) new_connection(e);
    else if (one_in(60)) e->is_passive = false, data(e, side); /* behind the end, too */
    else if (!e->ended[side]) data(e, side);
}

void exchange_event(exchange *e) {
    int side = e->started[SW_REQUEST] && one_in(2) ? SW_RESPONSE : SW_REQUEST;
    if (!e->is_connection && one_in(60)) return absurd(e);
    if (!e->is_connection && one_in(60)) return local_response(e);
    if (one_in(8)) { /* a pause that ends from elsewhere */
        sw_native_resume(e->stream, (uint16_t)chance(MOST_FILTERS), (int)chance(2));
        return settle_woken();
    }
    if (one_in(12)) { /* a filter in Python asks for the body of the head it holds */
        sw_native_watch_body(e->stream, (uint16_t)chance(MOST_FILTERS), (int)chance(2));
        return settle_woken();
    }
    if (one_in(10)) return exchange_settle(e);
    if (e->is_connection) return connection_event(e);
    if (!e->started[side]) {
        if (side == SW_REQUEST || e->head_out[SW_REQUEST]) headers(e, side);
    } else if (!e->ended[side]) {
        if (one_in(5)) trailers(e, side);
        else body(e, side);
    }
}

void exchange_must_finish(exchange *e) {
    if (!e->is_open || !e->is_passive || memory_failures) return;
    if (e->is_connection && !e->started[SW_REQUEST]) new_connection(e);
    for (int side = 0; e->is_connection && side < SW_SIDES; side++)
        while (!e->ended[side]) data(e, side);
    while (!e->ended[SW_REQUEST] || !e->ended[SW_RESPONSE]) {
        int side = e->ended[SW_REQUEST] ? SW_RESPONSE : SW_REQUEST;
        if (side == SW_RESPONSE && !e->head_out[SW_REQUEST]) break; /* still held back: there is no upstream yet */
        if (!e->started[side]) headers(e, side);
        else body(e, side);
    }
    for (int i = 0; i < 200; i++)
        for (uint16_t filter = 0; filter < MOST_FILTERS; filter++)
            for (int side = 0; side < SW_SIDES; side++) {
                sw_native_resume(e->stream, filter, side);
                settle_woken();
            }
    for (int side = 0; side < SW_SIDES; side++)
        if (e->ended[side]) CHECK(e->end_out[side]);
}
