/* The writer of HTTP/1.1 heads: header maps to flat bytes. Framing and connection fields are never taken from the map,
 * where a filter may have put anything; and no byte that could start another line or message gets out. */
#define _POSIX_C_SOURCE 200809L /* gmtime_r */
#include "message.h"

#include <string.h>
#include <time.h>

/* IMF-fixdate of now (RFC 9110, 5.6.7), made once a second and thread, without the locale that strftime would ask. */
static const char *date_now(void) {
    static _Thread_local time_t made;
    static _Thread_local char text[32];
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    if (now == made) return text;
    struct tm tm;
    gmtime_r(&now, &tm);
    int year = tm.tm_year + 1900;
    const int numbers[] = {tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
    const int places[] = {5, 17, 20, 23};
    memcpy(text, "Sun, 00 Jan 0000 00:00:00 GMT", 30);
    memcpy(text, days + 3 * (tm.tm_wday % 7), 3);
    memcpy(text + 8, months + 3 * (tm.tm_mon % 12), 3);
    for (int i = 0; i < 4; i++) {
        text[places[i]] = (char)('0' + numbers[i] / 10 % 10);
        text[places[i] + 1] = (char)('0' + numbers[i] % 10);
    }
    for (int i = 15; i >= 12; i--, year /= 10) text[i] = (char)('0' + year % 10);
    made = now;
    return text;
}
enum { DATE_BYTES = 29 };

/* What the writer adds at most besides the map's own fields: start line, framing, connection, X-Forwarded, Date, Server. */
enum { ADDED_BYTES = 640, FIELD_BYTES = 4 /* ": " and CRLF */ };

static size_t room_needed(const sw_headers *headers, size_t host_length) {
    size_t size = ADDED_BYTES + 2 * host_length; /* Host and X-Forwarded-Host */
    for (uint32_t i = 0; i < headers->count; i++) {
        size += FIELD_BYTES + headers->fields[i].name_length + (size_t)headers->fields[i].value_length;
        if (headers->fields[i].name_length == 10) size += headers->fields[i].value_length; /* :authority is written twice */
    }
    return size;
}

typedef struct {
    char *out, *at;
    uint32_t lines;
} writer_t;

static inline void put(writer_t *writer, const char *text, size_t length) {
    if (length) memcpy(writer->at, text, length);
    writer->at += length;
}
#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)

static inline void end_line(writer_t *writer) {
    PUT(writer, "\r\n");
    writer->lines++;
}
#define PUT_LINE(writer, literal) (PUT(writer, literal), end_line(writer))

static void put_field(writer_t *writer, const char *name, size_t name_length, const char *value, size_t value_length) {
    put(writer, name, name_length);
    PUT(writer, ": ");
    put(writer, value, value_length);
    end_line(writer);
}

/* In the spelling of whoever wrote the field. */
static void put_name(writer_t *writer, const char *name, const sw_field *field) {
    char *place = writer->at;
    put(writer, name, field->name_length);
    for (uint64_t left = field->capitals; left; left &= left - 1) place[__builtin_ctzll(left)] -= 'a' - 'A';
}

static void put_content_length(writer_t *writer, uint64_t number) {
    PUT(writer, "Content-Length: ");
    writer->at += sw_put_decimal(writer->at, number);
    end_line(writer);
}

/* The whole head once more: the only control bytes are the ends of the lines that were meant. One pass of vector code,
 * instead of a look at each value before it is copied. */
static int64_t finish(const writer_t *writer) {
    size_t length = (size_t)(writer->at - writer->out), controls = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)writer->out[i];
        controls += ((unsigned)(c < 0x20) & (unsigned)(c != '\t')) | (unsigned)(c == 0x7f);
    }
    return controls == 2 * (size_t)writer->lines ? (int64_t)length : 0;
}

#define NAME_IS(name, literal) (!memcmp(name, literal, sizeof(literal) - 1))

/* Fields that the writer makes itself or that belong to one hop. */
static bool is_written_elsewhere(const char *name, size_t length) {
    switch (length) {
    case 2: return NAME_IS(name, "te");
    case 4: return NAME_IS(name, "host");
    case 6: return NAME_IS(name, "expect");
    case 7: return NAME_IS(name, "upgrade");
    case 10: return NAME_IS(name, "connection") || NAME_IS(name, "keep-alive");
    case 14: return NAME_IS(name, "content-length") || NAME_IS(name, "http2-settings");
    case 16: return NAME_IS(name, "proxy-connection");
    case 17: return NAME_IS(name, "transfer-encoding");
    default: return false;
    }
}

static bool value_of(const sw_headers *headers, const char *name, size_t name_length, const char **value, size_t *length) {
    int64_t index = sw_headers_find(headers, name, name_length, 0);
    if (index < 0) return false;
    *value = sw_headers_value(headers, (size_t)index, length);
    return true;
}

static void put_framing(writer_t *writer, const sw_headers *headers, int64_t framing) {
    const char *value;
    size_t length;
    if (framing >= 0) put_content_length(writer, (uint64_t)framing);
    else if (framing == SW_WRITE_CHUNKED) PUT_LINE(writer, "Transfer-Encoding: chunked");
    else if (framing == SW_WRITE_AS_IS && value_of(headers, "content-length", 14, &value, &length)) {
        int64_t number = sw_content_length(value, length);
        if (number >= 0) put_content_length(writer, (uint64_t)number);
    }
}

static void put_upgrade(writer_t *writer, const sw_headers *headers) {
    const char *value;
    size_t length;
    if (!value_of(headers, "upgrade", 7, &value, &length)) return;
    put_field(writer, "Upgrade", 7, value, length);
    PUT_LINE(writer, "Connection: upgrade");
}

/* Which of the fields that the writer adds itself are in the map already, as a filter or a trusted proxy put them there. */
enum { HAS_FORWARDED_FOR = 1, HAS_PROTO = 2, HAS_FORWARDED_HOST = 4, HAS_PORT = 8, HAS_REAL_IP = 16, HAS_TE = 32, HAS_DATE = 64, HAS_SERVER = 128, HAS_CONNECTION = 256 };

static unsigned notice(const char *name, size_t length) {
    switch (length) {
    case 2: return NAME_IS(name, "te") ? HAS_TE : 0;
    case 4: return NAME_IS(name, "date") ? HAS_DATE : 0;
    case 6: return NAME_IS(name, "server") ? HAS_SERVER : 0;
    case 9: return NAME_IS(name, "x-real-ip") ? HAS_REAL_IP : 0;
    case 10: return NAME_IS(name, "connection") ? HAS_CONNECTION : 0;
    case 15: return NAME_IS(name, "x-forwarded-for") ? HAS_FORWARDED_FOR : 0;
    case 16: return NAME_IS(name, "x-forwarded-host") ? HAS_FORWARDED_HOST : NAME_IS(name, "x-forwarded-port") ? HAS_PORT : 0;
    case 17: return NAME_IS(name, "x-forwarded-proto") ? HAS_PROTO : 0;
    default: return 0;
    }
}

/* Writes the ordinary fields; false when a name is no token. Pseudo-headers are the start line's. */
static bool put_fields(writer_t *writer, const sw_headers *headers, const sw_client *client, unsigned *seen) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        const char *name = sw_field_name(headers, field);
        if (field->name_length && name[0] == ':') continue;
        unsigned noticed = notice(name, field->name_length);
        *seen |= noticed;
        if (is_written_elsewhere(name, field->name_length)) continue;
        if (!sw_is_valid_name(name, field->name_length)) return false;
        put_name(writer, name, field);
        PUT(writer, ": ");
        put(writer, sw_field_value(headers, field), field->value_length);
        bool appends = noticed == HAS_FORWARDED_FOR && client && client->address_length &&
                       sw_headers_find(headers, "x-forwarded-for", 15, i + 1) < 0; /* to the last of several */
        if (appends) {
            if (field->value_length) PUT(writer, ", ");
            put(writer, client->address, client->address_length);
        }
        end_line(writer);
    }
    return true;
}

static void put_client(writer_t *writer, const sw_client *client, unsigned seen, const char *authority, size_t authority_length) {
    const char *address = client->address;
    if (client->address_length) {
        if (!(seen & HAS_FORWARDED_FOR)) put_field(writer, "X-Forwarded-For", 15, address, client->address_length);
        if (!(seen & HAS_REAL_IP)) put_field(writer, "X-Real-IP", 9, address, client->address_length);
    }
    if (!(seen & HAS_PROTO)) {
        if (client->tls) PUT_LINE(writer, "X-Forwarded-Proto: https");
        else PUT_LINE(writer, "X-Forwarded-Proto: http");
    }
    if (!(seen & HAS_FORWARDED_HOST) && authority_length) put_field(writer, "X-Forwarded-Host", 16, authority, authority_length);
    if (!(seen & HAS_PORT) && client->port_length) put_field(writer, "X-Forwarded-Port", 16, client->port, client->port_length);
}

int64_t sw_write_request_head(const sw_headers *headers, char *out, size_t size, const sw_client *client,
                              const char *host, size_t host_length, int64_t framing, int flags) {
    const char *method, *path, *authority = "";
    size_t method_length, path_length, authority_length = 0, needed = room_needed(headers, host_length);
    if (needed > size) return -(int64_t)needed;
    if (!value_of(headers, ":method", 7, &method, &method_length) || !value_of(headers, ":path", 5, &path, &path_length)) return 0;
    if (!sw_is_valid_method(method, method_length) || !sw_is_valid_path(path, path_length)) return 0;
    if (method_length == 7 && !memcmp(method, "CONNECT", 7)) return 0;
    if (value_of(headers, ":authority", 10, &authority, &authority_length) && authority_length &&
        !sw_is_valid_authority(authority, authority_length))
        return 0;
    writer_t writer = {out, out, 0};
    put(&writer, method, method_length);
    PUT(&writer, " ");
    if (!(path_length && path[0] == '/') && !(path_length == 1 && path[0] == '*')) PUT(&writer, "/"); /* a filter's "" or "?a" */
    put(&writer, path, path_length);
    PUT(&writer, " HTTP/1.1");
    end_line(&writer);
    if (host_length) put_field(&writer, "Host", 4, host, host_length);
    else put_field(&writer, "Host", 4, authority, authority_length);
    unsigned seen = 0;
    if (!put_fields(&writer, headers, client, &seen)) return 0;
    if (client) put_client(&writer, client, seen, authority, authority_length);
    put_framing(&writer, headers, framing);
    if (flags & SW_WRITE_UPGRADE) put_upgrade(&writer, headers);
    else if (flags & SW_WRITE_CLOSE) PUT_LINE(&writer, "Connection: close");
    else if (seen & HAS_TE) PUT_LINE(&writer, "TE: trailers\r\nConnection: TE"), writer.lines++;
    if (flags & SW_WRITE_EXPECT) PUT_LINE(&writer, "Expect: 100-continue");
    end_line(&writer);
    return finish(&writer);
}

/* Connection of what a node sent has been taken out: this one is a filter's. */
static bool asks_to_close(const sw_headers *headers) {
    for (int64_t at = -1; (at = sw_headers_find(headers, "connection", 10, (size_t)(at + 1))) >= 0;) {
        size_t length;
        const char *value = sw_headers_value(headers, (size_t)at, &length);
        if (sw_lists_close(value, length)) return true;
    }
    return false;
}

int64_t sw_write_response_head(const sw_headers *headers, char *out, size_t size, int64_t framing, int flags) {
    const char *status;
    size_t length, needed = room_needed(headers, 0);
    if (needed > size) return -(int64_t)needed;
    if (!value_of(headers, ":status", 7, &status, &length) || length != 3) return 0;
    int64_t number = sw_content_length(status, length);
    if (number < 100) return 0;
    const char *reason = sw_reason_phrase((int)number);
    writer_t writer = {out, out, 0};
    PUT(&writer, "HTTP/1.1 ");
    put(&writer, status, 3);
    PUT(&writer, " ");
    put(&writer, reason, strlen(reason));
    end_line(&writer);
    unsigned seen = 0;
    if (!put_fields(&writer, headers, NULL, &seen)) return 0;
    if (number == 204) framing = SW_WRITE_NO_BODY; /* a filter may have made it one: RFC 9110, 8.6 */
    else if (number == 304 && framing == 0) framing = SW_WRITE_AS_IS;
    if (number >= 200) {
        if (!(seen & HAS_DATE)) put_field(&writer, "Date", 4, date_now(), DATE_BYTES); /* RFC 9110, 6.6.1 */
        if (flags & SW_WRITE_LOCAL && !(seen & HAS_SERVER)) PUT_LINE(&writer, "Server: sluiceway");
        put_framing(&writer, headers, framing);
    }
    bool closes = seen & HAS_CONNECTION && asks_to_close(headers);
    if (flags & SW_WRITE_UPGRADE) put_upgrade(&writer, headers);
    else if (flags & SW_WRITE_CLOSE || closes) PUT_LINE(&writer, "Connection: close");
    else if (flags & SW_WRITE_KEEP_ALIVE) PUT_LINE(&writer, "Connection: keep-alive");
    end_line(&writer);
    int64_t written = finish(&writer);
    return written > 0 ? written | number << SW_STATUS_SHIFT | (int64_t)closes << SW_CLOSES_SHIFT : written;
}

int64_t sw_write_trailers(const sw_headers *trailers, char *out, size_t size) {
    size_t needed = room_needed(trailers, 0);
    if (needed > size) return -(int64_t)needed;
    writer_t writer = {out, out, 0};
    unsigned seen = 0;
    if (!put_fields(&writer, trailers, NULL, &seen)) return 0;
    end_line(&writer);
    return finish(&writer);
}
