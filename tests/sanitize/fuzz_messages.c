/* The judge and the writer of HTTP/1.1 heads, with damaged messages in blocks of exactly their size. */
#include "harness.h"
#include "passage.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}
typedef struct { const char *bytes; size_t length; } text;

static const text requests[] = {
    TEXT("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    TEXT("\r\nPOST /a?b=c#d HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"),
    TEXT("PUT http://example.org HTTP/1.1\r\nHost: EXAMPLE.org\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: te\r\n\r\n"),
    TEXT("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, x-a, upgrade\r\nX-A: 1\r\nUpgrade: websocket\r\n\r\n"),
    TEXT("OPTIONS https://a%20b:1 HTTP/1.0\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1\r\n\r\n"),
    TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), TEXT("GET /\xff HTTP/2.0\r\n\r\n"), TEXT("G\0T / HTTP/1.1\r\nHost:\r\n\r\n"),
    TEXT("GET /long/path?with=query HTTP/1.1\r\nhost:a\r\nX-B:\r\nX-C: \t c \t\r\nX-Forwarded-Proto: https\r\nx-forwarded-host: b\r\n\r\n"),
};
static const text responses[] = {
    TEXT("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: s\r\nDate: d\r\n\r\n"), TEXT("HTTP/1.0 200\r\n\r\n"),
    TEXT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    TEXT("HTTP/1.1 204 \r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), TEXT("HTTP/1.1 099 a\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"),
    TEXT("HTTP/1.1 500 Internal\tServer Error\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\n\r\n"),
};
static const text pieces[] = {
    TEXT("\r\n"), TEXT("\n"), TEXT("\r"), TEXT("\0"), TEXT(" "), TEXT("\t"), TEXT(":"), TEXT(","), TEXT("Content-Length: 1\r\n"),
    TEXT("Transfer-Encoding: chunked\r\n"), TEXT("Host: b\r\n"), TEXT("Connection: close\r\n"), TEXT("Connection: ,,content-length\r\n"),
    TEXT("HTTP/1.1"), TEXT("x-forwarded-for: a\r\n"), TEXT("Upgrade: h2c\r\n"), TEXT(" folded\r\n"), TEXT("[::"), TEXT("%0"),
    TEXT("Te: trailers\r\nConnection: te\r\n"), TEXT("18446744073709551616"),
};
#define PICK(list) (list)[chance(sizeof(list) / sizeof *(list))]

/* A message in a block of its own, changed in up to four places. */
static char *damage(text from, size_t *length) {
    char space[2048];
    size_t size = from.length;
    memcpy(space, from.bytes, size);
    for (uint32_t i = chance(5); i; i--) {
        size_t at = chance((uint32_t)size + 1);
        text piece = PICK(pieces);
        switch (chance(5)) {
        case 0:
            if (at < size) space[at] = (char)chance(256);
            break;
        case 1: /* out with some bytes */
            if (at < size) {
                size_t cut = 1 + chance((uint32_t)(size - at < 9 ? size - at : 9));
                memmove(space + at, space + at + cut, size - at - cut);
                size -= cut;
            }
            break;
        case 2: size = one_in(4) ? at : size; break;
        case 3: /* much of one byte */
            if (size < 1200) {
                size_t more = chance(400);
                memmove(space + at + more, space + at, size - at);
                memset(space + at, "a/ ,%"[chance(5)], more);
                size += more;
            }
            break;
        default:
            if (size < 1200) {
                memmove(space + at + piece.length, space + at, size - at);
                memcpy(space + at, piece.bytes, piece.length);
                size += piece.length;
            }
        }
    }
    char *block = malloc(size);
    memcpy(block, space, size);
    *length = size;
    return block;
}

static int64_t judge_one(sw_judge *judge, const char *data, size_t length, bool is_request, int64_t answered, sw_headers *headers) {
    return is_request ? sw_judge_request(judge, data, 0, length, headers) : sw_judge_response(judge, data, 0, length, answered, headers);
}

/* How the bytes were split must not change the outcome: less than a head is nothing, or the same error already. */
static void check_prefixes(sw_judge *judge, const char *data, size_t length, bool is_request, int64_t answered, int64_t whole) {
    sw_headers headers = {0};
    for (int i = 0; i < 3; i++) {
        size_t part = chance((uint32_t)length + 1);
        char *prefix = malloc(part);
        memcpy(prefix, data, part);
        int64_t result = judge_one(judge, prefix, part, is_request, answered, &headers);
        if (whole > 0) CHECK(part >= (size_t)(whole & SW_HEAD_LENGTH_MASK) ? result == whole : result == 0);
        else CHECK(result == 0 || result == whole);
        free(prefix);
    }
    sw_headers_free(&headers);
}

static int64_t write_one(const sw_headers *headers, bool is_request, char *out, size_t size, int64_t framing, int flags, const sw_client *client) {
    return is_request ? sw_write_request_head(headers, out, size, client, "upstream:8080", flags & 32 ? 13 : 0, framing, flags & 31)
                      : sw_write_response_head(headers, out, size, framing, flags & 31);
}

/* What was judged good and then changed by a plugin is written so that the judge takes it, with the framing asked for. */
static void write_and_judge(sw_headers *headers, bool is_request) {
    sw_client client = {.address = "10.1.2.3", .port = "8080", .address_length = 8, .port_length = 4, .tls = one_in(2)};
    static const text values[] = {TEXT("a"), TEXT(""), TEXT("b\r\nc: d"), TEXT("7"), TEXT("\0"), TEXT("/p q"), TEXT("304"), TEXT("204"), TEXT("chunked"), TEXT("a, Close")};
    static const text names[] = {TEXT("x-a"), TEXT(":path"), TEXT(":method"), TEXT(":authority"), TEXT(":status"), TEXT("content-length"),
                                 TEXT("transfer-encoding"), TEXT("te"), TEXT("upgrade"), TEXT("bad name"), TEXT(""), TEXT("x-forwarded-for"), TEXT("connection")};
    for (uint32_t i = chance(3); i; i--) {
        text name = PICK(names), value = PICK(values);
        sw_headers_set(headers, name.bytes, name.length, value.bytes, value.length);
    }
    int64_t framing = (int64_t)chance(9) - 3;
    int flags = (int)chance(64);
    int64_t needed = -write_one(headers, is_request, NULL, 0, framing, flags, one_in(4) ? NULL : &client);
    CHECK(needed > 0);
    char *out = malloc((size_t)needed);
    int64_t written = write_one(headers, is_request, out, (size_t)needed, framing, flags, one_in(4) ? NULL : &client);
    CHECK(written >= 0 && (written & SW_HEAD_LENGTH_MASK) <= needed);
    if (written > 0) {
        size_t length = (size_t)(written & SW_HEAD_LENGTH_MASK);
        sw_headers again = {0};
        sw_judge judge = {65536, 8000, 200, true, 0};
        int64_t result = judge_one(&judge, out, length, is_request, 0, &again);
        if (!is_request) CHECK(result > 0 && (size_t)(result & SW_HEAD_LENGTH_MASK) == length);
        if (result > 0 && is_request) { /* it may be refused for a Host that a filter emptied, never read as another message */
            CHECK((size_t)(result & SW_HEAD_LENGTH_MASK) == length);
            int64_t expected = framing >= 0 ? SW_FRAMING_LENGTH : framing == SW_WRITE_CHUNKED ? SW_FRAMING_CHUNKED : SW_FRAMING_NONE;
            if (framing != SW_WRITE_AS_IS) CHECK((result & SW_FRAMING_MASK) == expected);
        }
        sw_headers_free(&again);
    }
    free(out);
}

static void trailers(const sw_judge *judge) {
    sw_headers map = {0};
    for (uint32_t i = chance(6); i; i--) {
        text name = PICK(pieces), value = PICK(pieces);
        sw_judge_trailer(judge, &map, one_in(2) ? "x-checksum" : name.bytes, one_in(2) ? 4 : name.length < 10 ? name.length : 10, value.bytes, value.length);
    }
    int64_t needed = -sw_write_trailers(&map, NULL, 0);
    char *out = malloc((size_t)needed);
    CHECK(sw_write_trailers(&map, out, (size_t)needed) > 0);
    free(out);
    sw_headers_free(&map);
}

/* A response to a call: the same head, and its content if that is all here. */
static void take_call_response(sw_judge *judge, const char *data, size_t length, int64_t answered, int64_t head) {
    sw_delivery *delivery = sw_delivery_new();
    bool is_whole;
    size_t most = one_in(2) ? 4096 : chance(8), body_length = length - (head > 0 ? (size_t)(head & SW_HEAD_LENGTH_MASK) : 0);
    CHECK(sw_take_call_response(delivery, &is_whole, judge, data, 0, length, answered, most) == head);
    size_t taken = sw_delivery_length(delivery, SW_BUFFER_HTTP_CALL_RESPONSE_BODY);
    CHECK(taken == (is_whole ? body_length : 0) && taken <= most);
    if (is_whole) CHECK(head >> SW_STATUS_SHIFT >= 200 && (uint64_t)judge->content_length == body_length);
    sw_delivery_delete(delivery);
}

void fuzz_messages(unsigned rounds) {
    doing = "judging messages";
    for (unsigned i = 0; i < rounds; i++) {
        sw_judge judge = {one_in(4) ? 20 + chance(200) : 65536, one_in(4) ? chance(60) : 8000, one_in(4) ? chance(6) : 100, one_in(2), 0};
        bool is_request = one_in(2);
        size_t length;
        char *data = damage(is_request ? PICK(requests) : PICK(responses), &length);
        int64_t answered = one_in(4) ? SW_HEAD_METHOD : 0;
        sw_headers headers = {0};
        memory_fails_one_in = one_in(5) ? 4 : 0;
        int64_t result = judge_one(&judge, data, length, is_request, answered, &headers);
        bool had_memory = result != -SW_MESSAGE_NO_MEMORY;
        memory_fails_one_in = 0;
        CHECK((result & SW_HEAD_LENGTH_MASK) <= (int64_t)length || result <= 0);
        CHECK(result > -(int64_t)SW_MESSAGE_NO_MEMORY - 1);
        if (result < 0) CHECK(sw_message_error_status((int)-result) >= 400 && *sw_message_error_text((int)-result));
        if (had_memory) check_prefixes(&judge, data, length, is_request, answered, result);
        if (had_memory && !is_request) take_call_response(&judge, data, length, answered, result);
        if (result > 0) write_and_judge(&headers, is_request);
        trailers(&judge);
        sw_headers_free(&headers);
        free(data);
    }
}
