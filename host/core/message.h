/* HTTP/1.1 message heads: the judge of what comes in (message.c) and the writer of what goes out (message_write.c).
 *
 * Every rule about validity and framing of heads and trailers is in message.c (RFC 9110, RFC 9112); the header maps know
 * none. Both sides work on whole heads: the bytes are copied once into the map's arena and fields point there. */
#pragma once
#include "headers.h"

/* Why a head is refused: name, status to answer (a malformed response answers 502 whatever its row says), text. */
#define SW_MESSAGE_ERRORS(X)                                                                    \
    X(BAD_REQUEST_LINE, 400, "malformed request line")                                          \
    X(BAD_METHOD, 400, "method is not a token")                                                 \
    X(METHOD_TOO_LONG, 501, "method not implemented")                                           \
    X(CONNECT, 501, "CONNECT is not implemented")                                               \
    X(BAD_TARGET, 400, "invalid request target")                                                \
    X(TARGET_TOO_LONG, 414, "request target too long")                                          \
    X(BAD_VERSION, 400, "malformed protocol version")                                           \
    X(VERSION_NOT_SUPPORTED, 505, "HTTP version not supported")                                 \
    X(BAD_STATUS_LINE, 502, "malformed status line")                                            \
    X(BARE_LF, 400, "line ends in a bare LF")                                                   \
    X(FOLDED_LINE, 400, "field line is folded or starts with whitespace")                       \
    X(BAD_FIELD_NAME, 400, "field name is not a token")                                         \
    X(BAD_FIELD_VALUE, 400, "control character in a field value")                               \
    X(NO_COLON, 400, "field line without a colon")                                              \
    X(HEAD_TOO_LARGE, 431, "request header fields too large")                                   \
    X(TOO_MANY_FIELDS, 431, "too many header fields")                                           \
    X(NO_HOST, 400, "missing Host")                                                             \
    X(SECOND_HOST, 400, "more than one Host")                                                   \
    X(BAD_HOST, 400, "invalid Host")                                                            \
    X(HOST_MISMATCH, 400, "Host differs from the request target")                               \
    X(BAD_CONTENT_LENGTH, 400, "invalid Content-Length")                                        \
    X(SECOND_CONTENT_LENGTH, 400, "more than one Content-Length")                               \
    X(LENGTH_AND_ENCODING, 400, "Content-Length together with Transfer-Encoding")               \
    X(BAD_TRANSFER_ENCODING, 400, "invalid Transfer-Encoding")                                  \
    X(UNKNOWN_TRANSFER_ENCODING, 501, "transfer coding not implemented")                        \
    X(ENCODING_IN_HTTP_1_0, 400, "Transfer-Encoding in an HTTP/1.0 message")                    \
    X(BAD_CONNECTION, 400, "invalid Connection")                                                \
    X(UNKNOWN_EXPECTATION, 417, "expectation not supported")                                    \
    X(FORBIDDEN_TRAILER, 400, "field not allowed in trailers")                                  \
    X(NO_MEMORY, 503, "out of memory")

enum sw_message_error {
    SW_MESSAGE_OK,
#define X(name, status, text) SW_MESSAGE_##name,
    SW_MESSAGE_ERRORS(X)
#undef X
};
int sw_message_error_status(int error);
const char *sw_message_error_text(int error);

/* What a judge knows: its limits, set by the owner, and the length of the last head's body. One per event loop. */
typedef struct sw_judge {
    uint32_t most_head_bytes;    /* request or status line and fields with their line ends, below 1 MiB */
    uint32_t most_target_bytes;  /* below 16 KiB */
    uint32_t most_fields;
    bool trust_forwarded;        /* X-Forwarded-Proto, -Host, -Port and X-Real-IP of the peer stay in the map */
    int64_t content_length;      /* out: when the head just judged has SW_FRAMING_LENGTH */
} sw_judge;

/* A judged head in one number: the low 20 bits are its length in bytes, then these flags. A request has its lengths of
 * :method, of :path without the query and of :authority at the shifts; a response has its status at SW_STATUS_SHIFT. */
#define SW_HEAD_LENGTH_MASK 0xfffff
enum sw_head_flag {
    SW_FRAMING_NONE = 0, /* no body */
    SW_FRAMING_LENGTH = 1 << 20,
    SW_FRAMING_CHUNKED = 2 << 20,
    SW_FRAMING_CLOSE = 3 << 20, /* the body ends with the connection: responses only */
    SW_FRAMING_MASK = 3 << 20,
    SW_KEEP_ALIVE = 1 << 22,
    SW_EXPECT_CONTINUE = 1 << 23,
    SW_UPGRADE = 1 << 24,
    SW_HTTP_1_0 = 1 << 25,
    SW_HEAD_METHOD = 1 << 26,
    SW_IDEMPOTENT = 1 << 27,
};
enum { SW_STATUS_SHIFT = 32, SW_CLOSES_SHIFT = 48, SW_METHOD_SHIFT = 32, SW_PATH_SHIFT = 37, SW_AUTHORITY_SHIFT = 51 };

/* Judges the head at data[at..length) and fills the map (emptied before): :method, :authority, :path, :scheme and the
 * fields without Host and without the hop-by-hop ones. Positive: the head as above; 0: not complete; negative: an error
 * of the list, the map is then without meaning. */
int64_t sw_judge_request(sw_judge *judge, const char *data, size_t at, size_t length, sw_headers *headers);
/* The values of :authority, :method and :path without its query, one behind the other, with the length of each: good only
 * before anything else changes the map. */
const char *sw_target_of(const sw_headers *headers, int64_t head, size_t lengths[3]);
/* The same for a response: :status and fields. `request` holds the flags of the request that it answers. */
int64_t sw_judge_response(sw_judge *judge, const char *data, size_t at, size_t length, int64_t request,
                          sw_headers *headers);
/* Adds a trailer field after the rules for trailers (RFC 9110, 6.5.1). 0, or an error of the list. */
int sw_judge_trailer(const sw_judge *judge, sw_headers *trailers, const char *name, size_t name_length,
                     const char *value, size_t value_length);

/* Whether these can be written into a message without changing its shape: for what filters and plugins set. */
bool sw_is_valid_name(const char *name, size_t length);
bool sw_is_valid_value(const char *value, size_t length);
bool sw_is_valid_field(const char *name, size_t name_length, const char *value, size_t value_length);
bool sw_is_valid_method(const char *method, size_t length);
bool sw_is_valid_path(const char *path, size_t length);
bool sw_is_valid_authority(const char *authority, size_t length);
/* What a judge says of the method: SW_IDEMPOTENT, SW_HEAD_METHOD. */
int64_t sw_method_flags(const char *method, size_t length);
/* The number, or -1 when the text is not 1*DIGIT or is over INT64_MAX. */
int64_t sw_content_length(const char *text, size_t length);
/* Whether a Connection field has the option `close`. */
bool sw_lists_close(const char *value, size_t length);

/* The client of a connection, for the X-Forwarded fields. */
typedef struct sw_client {
    char address[64], port[8];
    uint8_t address_length, port_length;
    bool tls;
} sw_client;

/* How the writer frames a message: a length (0 or more) or one of these. */
enum { SW_WRITE_NO_BODY = -1, SW_WRITE_CHUNKED = -2, SW_WRITE_AS_IS = -3 /* the map's Content-Length: HEAD, 304 */ };
enum sw_write_flag { SW_WRITE_CLOSE = 1, SW_WRITE_KEEP_ALIVE = 2, SW_WRITE_UPGRADE = 4, SW_WRITE_EXPECT = 8, SW_WRITE_LOCAL = 16 };

/* Writes the map as an HTTP/1.1 head into out[0..size). Positive: the bytes written; 0: the map holds what must not be
 * written (control bytes, a name that is no token, a bad pseudo-header); negative: -n bytes of room are needed. Host is
 * `host` where host_length is not 0, else :authority. */
int64_t sw_write_request_head(const sw_headers *headers, char *out, size_t size, const sw_client *client,
                              const char *host, size_t host_length, int64_t framing, int flags);
/* The same for a response; Date is added where there is none, Server too with SW_WRITE_LOCAL. A positive result holds the
 * status at SW_STATUS_SHIFT too: a filter may have changed it to one that has no body, whatever the framing says; and at
 * SW_CLOSES_SHIFT, whether a filter wants the connection closed behind it, which the head then says. */
int64_t sw_write_response_head(const sw_headers *headers, char *out, size_t size, int64_t framing, int flags);
/* "OK", "Not Found", …; "" for a status that is not registered. */
const char *sw_reason_phrase(int status);
/* Field lines and the empty line of a chunked body's trailer section. */
int64_t sw_write_trailers(const sw_headers *trailers, char *out, size_t size);
