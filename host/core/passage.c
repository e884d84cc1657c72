#include "passage.h"

enum { FIRST_FINAL = 200, FIRST_ROOM = 4096 };

static uint32_t leaving(const sw_passage *passage) { return (uint32_t)passage->flags & SW_LEAVING; }

static char *room(sw_buffer *out, int64_t needed) {
    sw_buffer_clear(out);
    return sw_buffer_reserve(out, needed < FIRST_ROOM ? FIRST_ROOM : (size_t)needed);
}

int64_t sw_put_request_head(sw_buffer *out, const sw_headers *headers, const sw_client *client, const char *host,
                            size_t host_length, int64_t framing, int flags) {
    int64_t written = 0;
    do {
        char *place = room(out, -written);
        written = place ? sw_write_request_head(headers, place, out->capacity, client, host, host_length, framing, flags) : 0;
    } while (written < 0);
    return written;
}

/* A request that leaves as a head alone. */
static void write_request(sw_passage *passage, sw_stream *stream, const sw_client *client, const char *host,
                          size_t host_length, sw_buffer *out) {
    if (leaving(passage) != (SW_REQUEST_HEAD | SW_REQUEST_END)) return;
    const sw_headers *headers = sw_headers_of(stream, SW_REQUEST);
    passage->written = sw_put_request_head(out, headers, client, host, host_length, SW_WRITE_NO_BODY, 0);
}

int sw_pass_request(sw_passage *passage, sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *peer,
                    const sw_client *client, const char *host, size_t host_length, sw_buffer *out) {
    *passage = (sw_passage){.flags = -1};
    if (sw_stream_open(stream, owner, chain, peer)) return -1;
    passage->flags = sw_stream_on_headers(stream, SW_REQUEST, true);
    write_request(passage, stream, client, host, host_length, out);
    return 0;
}

void sw_pass_settled(sw_passage *passage, sw_stream *stream, const sw_client *client, const char *host, size_t host_length,
                     sw_buffer *out) {
    *passage = (sw_passage){.flags = sw_stream_settle(stream)};
    write_request(passage, stream, client, host, host_length, out);
}

static bool is_whole(int64_t head, const sw_judge *judge, size_t length) {
    return head >> SW_STATUS_SHIFT >= FIRST_FINAL && (head & SW_FRAMING_MASK) == SW_FRAMING_LENGTH &&
           (uint64_t)judge->content_length == length - (size_t)(head & SW_HEAD_LENGTH_MASK);
}

/* Whether the message leaves as one piece, and which: what the filters made of it, or what came where they take no body. */
static bool is_plain(sw_passage *passage, const sw_stream *stream) {
    uint32_t flags = leaving(passage);
    if (!(stream->chain->wants_body >> SW_RESPONSE & 1)) return (flags & ~(uint32_t)SW_RESPONSE_END) == SW_RESPONSE_HEAD;
    const sw_buffer *passed = &stream->side[SW_RESPONSE].out;
    passage->body = sw_buffer_bytes(passed);
    passage->body_length = passed->length;
    return (flags & ~(uint32_t)SW_RESPONSE_BODY) == (SW_RESPONSE_HEAD | SW_RESPONSE_END);
}

void sw_pass_response(sw_passage *passage, sw_stream *stream, sw_judge *judge, const char *data, size_t at, size_t length,
                      int64_t request, int flags, bool recounts, sw_buffer *out) {
    *passage = (sw_passage){.flags = -1};
    const sw_headers *headers = sw_headers_of(stream, SW_RESPONSE);
    passage->head = sw_judge_response(judge, data, at, length, request, sw_headers_of(stream, SW_RESPONSE));
    if (!stream->open || !is_whole(passage->head, judge, length - at)) return;
    const char *body = data + at + (passage->head & SW_HEAD_LENGTH_MASK);
    size_t announced = (size_t)(data + length - body);
    passage->body = body;
    passage->body_length = announced;
    passage->flags = sw_stream_on_message(stream, SW_RESPONSE, passage->body, announced);
    if (!is_plain(passage, stream) || (!recounts && passage->body_length != announced)) return;
    int64_t written = 0;
    do {
        char *place = room(out, -written);
        written = place ? sw_write_response_head(headers, place, out->capacity, (int64_t)passage->body_length, flags) : 0;
    } while (written < 0);
    int64_t status = written >> SW_STATUS_SHIFT & 0xFFFF;
    if (status == 204 || status == 304) return; /* a filter made it one: it has no body, whatever came */
    if (written >> SW_CLOSES_SHIFT) return;     /* the connection's end is Python's to see to */
    passage->written = (uint32_t)written;
    if (written && passage->body != body) passage->body = sw_stream_take_body(stream, SW_RESPONSE, &passage->body_length);
}

int64_t sw_take_call_response(sw_delivery *delivery, bool *whole, sw_judge *judge, const char *data, size_t at, size_t length,
                              int64_t request, size_t most) {
    sw_headers *headers = sw_delivery_map(delivery, SW_MAP_HTTP_CALL_RESPONSE_HEADERS);
    int64_t head = sw_judge_response(judge, data, at, length, request, headers);
    const char *body = data + at + (head > 0 ? head & SW_HEAD_LENGTH_MASK : 0);
    size_t body_length = (size_t)(data + length - body);
    *whole = is_whole(head, judge, length - at) && body_length <= most &&
             !sw_delivery_append(delivery, SW_BUFFER_HTTP_CALL_RESPONSE_BODY, body, body_length);
    return head;
}
