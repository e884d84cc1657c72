/* The judge of HTTP/1.1 heads: everything RFC 9112 calls malformed or ambiguous is refused here, and nowhere else.
 *
 * Where the RFCs leave a choice between repairing and refusing, this refuses: two implementations that repair
 * differently are what request smuggling is made of. It reads line by line, so that an error is found as soon as its
 * line is complete and the outcome does not depend on how the bytes were split. */
#include "message.h"

#include <string.h>

int sw_message_error_status(int error) {
    static const short statuses[] = {0,
#define X(name, status, text) status,
                                     SW_MESSAGE_ERRORS(X)
#undef X
    };
    return error > 0 && (size_t)error < sizeof statuses / sizeof *statuses ? statuses[error] : 500;
}

const char *sw_message_error_text(int error) {
    static const char *const texts[] = {"",
#define X(name, status, text) text,
                                        SW_MESSAGE_ERRORS(X)
#undef X
    };
    return error > 0 && (size_t)error < sizeof texts / sizeof *texts ? texts[error] : "unknown error";
}

/* token characters (RFC 9110, 5.6.2), each mapped to its lower case; 0 = none */
static const unsigned char TOKEN[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|', ['~'] = '~',
    ['0'] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ['A'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
    'v', 'w', 'x', 'y', 'z',
    ['a'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
    'v', 'w', 'x', 'y', 'z',
};

static inline bool is_space(char c) { return c == ' ' || c == '\t'; }
static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is_alpha(char c) { return sw_lower(c) >= 'a' && sw_lower(c) <= 'z'; }
static inline bool is_hex(char c) { return is_digit(c) || (sw_lower(c) >= 'a' && sw_lower(c) <= 'f'); }

bool sw_is_valid_name(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!TOKEN[(unsigned char)name[i]]) return false;
    return length > 0;
}

bool sw_is_valid_value(const char *value, size_t length) {
    unsigned bad = 0; /* no early exit: the loop becomes vector code */
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        bad |= (unsigned)(c < 0x20) & (unsigned)(c != '\t');
        bad |= (unsigned)(c == 0x7f);
    }
    return !bad;
}

bool sw_is_valid_field(const char *name, size_t name_length, const char *value, size_t value_length) {
    return sw_is_valid_name(name, name_length) && sw_is_valid_value(value, value_length);
}

/* The longest that the packed result has room for; LONGEST_AUTHORITY is a DNS name, a colon and a port. */
enum { LONGEST_METHOD = 31, LONGEST_AUTHORITY = 262, LONGEST_TARGET = (1 << 14) - 2 };

bool sw_is_valid_method(const char *method, size_t length) {
    return length <= LONGEST_METHOD && sw_is_valid_name(method, length);
}

/* Bytes that may stand in a request target: no space, no control byte, no fragment. Bytes over 0x7f are let through,
 * as browsers' and plugins' UTF-8 paths are everywhere; they cannot change the shape of the message. */
bool sw_is_valid_path(const char *path, size_t length) {
    unsigned bad = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)path[i];
        bad |= (unsigned)(c <= 0x20) | (unsigned)(c == 0x7f) | (unsigned)(c == '#');
    }
    return !bad && length < 1 << 20;
}

static bool is_port(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!is_digit(text[i])) return false;
    return length <= 5;
}

/* "[" IPv6 or IPvFuture "]": the characters only, the address is the upstream's matter */
static bool is_ip_literal(const char *text, size_t length) {
    if (length < 4) return false;
    for (size_t i = 1; i < length - 1; i++)
        if (!is_hex(text[i]) && text[i] != ':' && text[i] != '.' && sw_lower(text[i]) != 'v') return false;
    return true;
}

static bool is_reg_name(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            if (length - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
        } else if (!is_alpha(c) && !is_digit(c) && !(c && strchr("-._~!$&'()*+,;=", c))) {
            return false;
        }
    }
    return length > 0;
}

/* uri-host [ ":" port ] (RFC 9110, 7.2), not empty (4.2.1), without user information */
bool sw_is_valid_authority(const char *text, size_t length) {
    if (!length || length > LONGEST_AUTHORITY) return false;
    size_t host = length;
    if (text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (!end) return false;
        host = (size_t)(end - text) + 1;
        if (!is_ip_literal(text, host)) return false;
    } else {
        const char *colon = memchr(text, ':', length);
        if (colon) host = (size_t)(colon - text);
        if (!is_reg_name(text, host)) return false;
    }
    if (host == length) return true;
    return text[host] == ':' && is_port(text + host + 1, length - host - 1);
}

int64_t sw_content_length(const char *text, size_t length) {
    if (!length) return -1;
    int64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]) || number > (INT64_MAX - (text[i] - '0')) / 10) return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

/* --- one head under judgement --- */

typedef struct {
    sw_judge *judge;
    sw_headers *headers;
    const char *data;
    size_t at, length, line_end; /* line_end: of the line just read, without CRLF */
    size_t start;                /* where the head begins in data */
    const char *host, *upgrade, *te;
    uint32_t host_length, upgrade_length, te_length;
    uint32_t fields;
    int64_t content_length; /* -1 = none */
    uint32_t encodings, chunked, unknown_encodings, last_is_chunked;
    bool is_request, has_encoding, closes, keeps_alive, lists_upgrade, lists_te, names_fields, expects_continue;
} head_t;

typedef enum { LINE_FOUND, LINE_INCOMPLETE, LINE_FAILED } line_t;

/* Finds the next line at head->at. On LINE_FOUND at is behind it and line_end before its CRLF. */
static line_t next_line(head_t *head, int too_large, int *error) {
    size_t from = head->at, room = head->start + head->judge->most_head_bytes;
    const char *lf = memchr(head->data + from, '\n', head->length - from);
    size_t end = lf ? (size_t)(lf - head->data) + 1 : head->length + 1;
    if (end > room) {
        if (!lf && head->length <= room) return LINE_INCOMPLETE;
        *error = too_large;
        return LINE_FAILED;
    }
    if (!lf) return LINE_INCOMPLETE;
    if (end - from < 2 || lf[-1] != '\r') {
        *error = SW_MESSAGE_BARE_LF;
        return LINE_FAILED;
    }
    head->line_end = end - 2;
    head->at = end;
    return LINE_FOUND;
}

static bool is_same(const char *text, size_t length, const char *lower, size_t lower_length) {
    if (length != lower_length) return false;
    for (size_t i = 0; i < length; i++)
        if (sw_lower(text[i]) != lower[i]) return false;
    return true;
}
#define IS(text, length, literal) is_same(text, length, literal, sizeof(literal) - 1)

/* Steps through a comma-separated list: false at its end; members may be empty (RFC 9110, 5.6.1). */
static bool next_member(const char **at, const char *end, const char **member, size_t *length) {
    if (!*at) return false;
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    const char *first = *at, *last = comma ? comma : end;
    *at = comma ? comma + 1 : NULL;
    while (first < last && is_space(*first)) first++;
    while (last > first && is_space(last[-1])) last--;
    *member = first;
    *length = (size_t)(last - first);
    return true;
}

bool sw_lists_close(const char *value, size_t length) {
    const char *at = value, *member;
    size_t size;
    while (next_member(&at, value + length, &member, &size))
        if (IS(member, size, "close")) return true;
    return false;
}

static int judge_transfer_encoding(head_t *head, const char *value, size_t length) {
    const char *at = value, *member;
    size_t size;
    head->has_encoding = true;
    while (next_member(&at, value + length, &member, &size)) {
        if (!size) return SW_MESSAGE_BAD_TRANSFER_ENCODING;
        if (!sw_is_valid_name(member, size)) return SW_MESSAGE_BAD_TRANSFER_ENCODING; /* parameters too */
        head->last_is_chunked = IS(member, size, "chunked");
        head->chunked += head->last_is_chunked;
        head->encodings++;
    }
    return 0;
}

static int judge_connection(head_t *head, const char *value, size_t length) {
    const char *at = value, *member;
    size_t size;
    if (length > 64) head->names_fields = true; /* the options are counted there */
    while (next_member(&at, value + length, &member, &size)) {
        if (!size) continue;
        if (!sw_is_valid_name(member, size)) return SW_MESSAGE_BAD_CONNECTION;
        bool is_known = true; /* fields of these names never get into the map */
        if (IS(member, size, "keep-alive")) head->keeps_alive = true;
        else if (IS(member, size, "upgrade")) head->lists_upgrade = true;
        else if (IS(member, size, "te")) head->lists_te = true;
        else is_known = false;
        if (IS(member, size, "close")) head->closes = true;
        if (!is_known) head->names_fields = true;
    }
    return 0;
}

enum { KEEP, DROP }; /* or the negative of an error */

static int judge_content_length(head_t *head, const char *value, size_t length) {
    if (head->content_length >= 0) return -SW_MESSAGE_SECOND_CONTENT_LENGTH;
    head->content_length = sw_content_length(value, length);
    return head->content_length < 0 ? -SW_MESSAGE_BAD_CONTENT_LENGTH : KEEP;
}

static int judge_host(head_t *head, const char *value, size_t length) {
    if (head->host) return -SW_MESSAGE_SECOND_HOST;
    if (!sw_is_valid_authority(value, length)) return -SW_MESSAGE_BAD_HOST;
    head->host = value;
    head->host_length = (uint32_t)length;
    return DROP;
}

static int judge_expect(head_t *head, const char *value, size_t length) {
    if (!IS(value, length, "100-continue")) return -SW_MESSAGE_UNKNOWN_EXPECTATION;
    head->expects_continue = true;
    return DROP;
}

/* A field that frames the message, belongs to this hop, or is ours to write. Names are in lower case here. */
static int judge_field(head_t *head, const char *name, size_t size, const char *value, size_t length) {
    switch (size) {
    case 2:
        if (!memcmp(name, "te", 2)) return head->te = value, head->te_length = (uint32_t)length, DROP;
        break;
    case 4:
        if (head->is_request && !memcmp(name, "host", 4)) return judge_host(head, value, length);
        break;
    case 6:
        if (head->is_request && !memcmp(name, "expect", 6)) return judge_expect(head, value, length);
        break;
    case 7:
        if (!memcmp(name, "upgrade", 7)) return head->upgrade = value, head->upgrade_length = (uint32_t)length, DROP;
        break;
    case 9:
        if (head->is_request && !head->judge->trust_forwarded && !memcmp(name, "x-real-ip", 9)) return DROP;
        break;
    case 10:
        if (!memcmp(name, "connection", 10)) {
            if (judge_connection(head, value, length)) return -SW_MESSAGE_BAD_CONNECTION;
            return head->names_fields ? KEEP : DROP; /* kept until what it names is taken out */
        }
        if (!memcmp(name, "keep-alive", 10)) return DROP;
        break;
    case 14:
        if (!memcmp(name, "content-length", 14)) return judge_content_length(head, value, length);
        if (!memcmp(name, "http2-settings", 14)) return DROP;
        break;
    case 16:
        if (!memcmp(name, "proxy-connection", 16)) return DROP;
        if (head->is_request && !head->judge->trust_forwarded &&
            (!memcmp(name, "x-forwarded-host", 16) || !memcmp(name, "x-forwarded-port", 16)))
            return DROP;
        break;
    case 17:
        if (!memcmp(name, "transfer-encoding", 17)) return judge_transfer_encoding(head, value, length) ? -SW_MESSAGE_BAD_TRANSFER_ENCODING : DROP;
        if (head->is_request && !head->judge->trust_forwarded && !memcmp(name, "x-forwarded-proto", 17)) return DROP;
        break;
    }
    return KEEP;
}

/* Judges the field line data[from..line_end) whose copy starts at `copy` in the arena. */
static int judge_line(head_t *head, size_t from, char *copy) {
    const char *line = head->data + from;
    size_t length = head->line_end - from, size = 0;
    if (is_space(line[0])) return SW_MESSAGE_FOLDED_LINE;
    if (++head->fields > head->judge->most_fields) return SW_MESSAGE_TOO_MANY_FIELDS;
    unsigned char c;
    uint64_t capitals = 0;
    while (size < length && (c = TOKEN[(unsigned char)line[size]])) {
        if ((char)c != line[size]) capitals |= sw_capital_at(size);
        copy[size++] = (char)c;
    }
    if (size == length) return SW_MESSAGE_NO_COLON;
    if (line[size] != ':' || size == 0) return SW_MESSAGE_BAD_FIELD_NAME;
    size_t first = size + 1, last = length;
    while (first < last && is_space(line[first])) first++;
    while (last > first && is_space(line[last - 1])) last--;
    if (!sw_is_valid_value(line + first, last - first)) return SW_MESSAGE_BAD_FIELD_VALUE;
    int verdict = judge_field(head, copy, size, line + first, last - first);
    if (verdict == DROP) return 0;
    if (verdict < 0) return -verdict;
    memcpy(copy + first, line + first, last - first);
    uint32_t place = (uint32_t)(copy - head->headers->bytes);
    sw_field field = {place, (uint32_t)size, place + (uint32_t)first, (uint32_t)(last - first), capitals};
    return sw_headers_push(head->headers, field) ? 0 : SW_MESSAGE_NO_MEMORY;
}

/* Reads field lines up to the empty one. 1 = complete, 0 = not yet, negative = error. `copy` has room for all of them. */
static int judge_lines(head_t *head, char *copy) {
    for (;;) {
        int error = 0;
        size_t from = head->at;
        line_t line = next_line(head, SW_MESSAGE_HEAD_TOO_LARGE, &error);
        if (line != LINE_FOUND) return line == LINE_FAILED ? -error : 0;
        if (head->line_end == from) return 1;
        error = judge_line(head, from, copy);
        if (error) return -error;
        copy += head->at - from;
    }
}

/* Takes out what Connection names (RFC 9110, 7.6.1), and Connection itself. */
static int remove_connection_fields(head_t *head) {
    sw_headers *headers = head->headers;
    int64_t index;
    int options = 0;
    while ((index = sw_headers_find(headers, "connection", 10, 0)) >= 0) {
        char list[1024];
        size_t length;
        const char *value = sw_headers_value(headers, (size_t)index, &length), *member;
        if (length > sizeof list) return SW_MESSAGE_BAD_CONNECTION;
        memcpy(list, value, length);
        const char *at = list;
        headers->count--;
        memmove(headers->fields + index, headers->fields + index + 1, (headers->count - (size_t)index) * sizeof(sw_field));
        size_t size;
        while (next_member(&at, list + length, &member, &size)) {
            if (++options > 64) return SW_MESSAGE_BAD_CONNECTION;
            if (size && !IS(member, size, "connection") && !IS(member, size, "content-length"))
                sw_headers_remove(headers, member, size);
        }
    }
    return 0;
}

static bool list_has(const char *value, size_t length, const char *lower, size_t lower_length) {
    const char *at = value, *member;
    size_t size;
    while (next_member(&at, value + length, &member, &size))
        if (is_same(member, size, lower, lower_length)) return true;
    return false;
}

/* An upgrade passes unless it is to h2c: a tunnel of HTTP/2 requests would pass all filters unseen (RFC 9113, 3.1). */
static bool is_upgrade(const head_t *head) {
    if (!head->upgrade || !head->upgrade_length || !head->lists_upgrade) return false;
    return !list_has(head->upgrade, head->upgrade_length, "h2c", 3);
}

/* Framing by RFC 9112, 6.1 and 6.3, strict. Returns the framing flag or the negative of an error. */
static int judge_framing(head_t *head, bool is_http_1_0) {
    if (head->has_encoding) {
        if (is_http_1_0) return -SW_MESSAGE_ENCODING_IN_HTTP_1_0;
        if (head->content_length >= 0) return -SW_MESSAGE_LENGTH_AND_ENCODING;
        if (!head->last_is_chunked || head->chunked > 1) return -SW_MESSAGE_BAD_TRANSFER_ENCODING;
        if (head->encodings > 1) return -SW_MESSAGE_UNKNOWN_TRANSFER_ENCODING;
        return SW_FRAMING_CHUNKED;
    }
    head->judge->content_length = head->content_length;
    return head->content_length >= 0 ? SW_FRAMING_LENGTH : SW_FRAMING_NONE;
}

static bool is_persistent(const head_t *head, bool is_http_1_0) {
    return !head->closes && (!is_http_1_0 || head->keeps_alive);
}

/* Hop-by-hop fields that pass in the one form that the writer knows: TE: trailers, and Upgrade. */
static int add_passing_fields(head_t *head, bool upgrades) {
    if (head->te && head->lists_te && head->is_request && list_has(head->te, head->te_length, "trailers", 8) &&
        sw_headers_add(head->headers, "te", 2, "trailers", 8) < 0)
        return SW_MESSAGE_NO_MEMORY;
    if (upgrades && sw_headers_add(head->headers, "upgrade", 7, head->upgrade, head->upgrade_length) < 0)
        return SW_MESSAGE_NO_MEMORY;
    return 0;
}

/* "HTTP/" DIGIT "." DIGIT: 0 = 1.1, 1 = 1.0, negative = error */
static int judge_version(const char *text, size_t length) {
    if (length != 8 || memcmp(text, "HTTP/", 5) || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return -SW_MESSAGE_BAD_VERSION;
    if (text[5] != '1' || text[7] > '1') return -SW_MESSAGE_VERSION_NOT_SUPPORTED;
    return text[7] == '0';
}

/* --- requests --- */

typedef struct {
    const char *method, *target, *authority; /* authority: of an absolute-form target */
    size_t method_length, target_length, authority_length;
    bool is_http_1_0, adds_slash;
} request_line_t;

static int judge_absolute_form(request_line_t *line) {
    size_t scheme = line->target_length > 7 && IS(line->target, 7, "http://") ? 7
                    : line->target_length > 8 && IS(line->target, 8, "https://") ? 8 : 0;
    if (!scheme) return SW_MESSAGE_BAD_TARGET;
    const char *authority = line->target + scheme, *end = line->target + line->target_length, *at = authority;
    while (at < end && *at != '/' && *at != '?') at++;
    line->authority = authority;
    line->authority_length = (size_t)(at - authority);
    if (!sw_is_valid_authority(authority, line->authority_length)) return SW_MESSAGE_BAD_TARGET;
    line->target = at;
    line->target_length = (size_t)(end - at);
    line->adds_slash = at == end || *at == '?';
    return 0;
}

static int judge_target(const sw_judge *judge, request_line_t *line) {
    if (line->target_length > judge->most_target_bytes || line->target_length > LONGEST_TARGET)
        return SW_MESSAGE_TARGET_TOO_LONG;
    if (!line->target_length || !sw_is_valid_path(line->target, line->target_length)) return SW_MESSAGE_BAD_TARGET;
    if (line->method_length == 7 && !memcmp(line->method, "CONNECT", 7)) return SW_MESSAGE_CONNECT;
    if (line->target[0] == '/') return 0;
    if (line->target_length == 1 && line->target[0] == '*')
        return line->method_length == 7 && !memcmp(line->method, "OPTIONS", 7) ? 0 : SW_MESSAGE_BAD_TARGET;
    return judge_absolute_form(line);
}

static int judge_request_line(const sw_judge *judge, const char *text, size_t length, request_line_t *line) {
    const char *end = text + length, *space = memchr(text, ' ', length);
    if (!space) return SW_MESSAGE_BAD_REQUEST_LINE;
    line->method = text;
    line->method_length = (size_t)(space - text);
    if (!sw_is_valid_name(text, line->method_length)) return SW_MESSAGE_BAD_METHOD;
    if (line->method_length > LONGEST_METHOD) return SW_MESSAGE_METHOD_TOO_LONG;
    line->target = space + 1;
    space = memchr(line->target, ' ', (size_t)(end - line->target));
    if (!space) return SW_MESSAGE_BAD_REQUEST_LINE;
    line->target_length = (size_t)(space - line->target);
    int version = judge_version(space + 1, (size_t)(end - space - 1));
    if (version < 0) return -version;
    line->is_http_1_0 = version;
    return judge_target(judge, line);
}

static const char PSEUDO_NAMES[] = ":method:authority:path:schemehttp";
enum { AT_METHOD = 0, AT_AUTHORITY = 7, AT_PATH = 17, AT_SCHEME = 22, AT_HTTP = 29, PSEUDO_BYTES = 33 };

static bool push_pseudo(sw_headers *headers, uint32_t base, uint32_t name, uint32_t name_length, size_t value, size_t length) {
    sw_field field = {base + name, name_length, (uint32_t)value, (uint32_t)length, 0};
    return sw_headers_push(headers, field);
}

int64_t sw_method_flags(const char *method, size_t length) {
    static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}; /* RFC 9110, 9.2.2 */
    for (size_t i = 0; i < sizeof idempotent / sizeof *idempotent; i++)
        if (strlen(idempotent[i]) == length && !memcmp(method, idempotent[i], length))
            return SW_IDEMPOTENT | (i == 1 ? SW_HEAD_METHOD : 0);
    return 0;
}

static size_t path_length(const char *target, size_t length) {
    const char *query = memchr(target, '?', length);
    return query ? (size_t)(query - target) : length;
}

/* Puts the value of :authority in front of those of :method and :path, now that Host is known, and settles framing and connection. */
static int64_t finish_request(head_t *head, const request_line_t *line, uint32_t method_at, uint32_t path_at, size_t target_length) {
    sw_headers *headers = head->headers;
    bool old = line->is_http_1_0;
    if (!head->host && !old) return -SW_MESSAGE_NO_HOST;
    const char *authority = line->authority ? line->authority : head->host;
    size_t authority_length = line->authority ? line->authority_length : head->host_length;
    if (line->authority && head->host) {
        if (head->host_length != authority_length) return -SW_MESSAGE_HOST_MISMATCH;
        for (size_t i = 0; i < authority_length; i++)
            if (sw_lower(head->host[i]) != sw_lower(authority[i])) return -SW_MESSAGE_HOST_MISMATCH;
    }
    uint32_t authority_at = method_at - (uint32_t)authority_length;
    if (authority_length) memcpy(headers->bytes + authority_at, authority, authority_length);
    headers->fields[2].value = authority_at;
    headers->fields[2].value_length = (uint32_t)authority_length;
    int framing = judge_framing(head, old);
    if (framing < 0) return framing;
    int64_t flags = framing | (old ? SW_HTTP_1_0 : 0) | (is_persistent(head, old) ? SW_KEEP_ALIVE : 0);
    flags |= sw_method_flags(line->method, line->method_length);
    if (head->expects_continue && !old && (framing == SW_FRAMING_CHUNKED || head->content_length > 0)) flags |= SW_EXPECT_CONTINUE;
    size_t path = path_length(headers->bytes + path_at, target_length);
    if (head->names_fields) {
        int error = remove_connection_fields(head);
        if (error) return -error;
    }
    bool upgrades = !old && framing == SW_FRAMING_NONE && is_upgrade(head);
    int error = add_passing_fields(head, upgrades);
    if (error) return -error;
    if (upgrades) flags |= SW_UPGRADE;
    return flags | (int64_t)(head->at - head->start) | (int64_t)line->method_length << SW_METHOD_SHIFT |
           (int64_t)path << SW_PATH_SHIFT | (int64_t)authority_length << SW_AUTHORITY_SHIFT;
}

int64_t sw_judge_request(sw_judge *judge, const char *data, size_t at, size_t length, sw_headers *headers) {
    head_t head = {.judge = judge, .headers = headers, .data = data, .at = at, .start = at, .length = length,
                   .content_length = -1, .is_request = true};
    request_line_t line = {0};
    sw_headers_clear(headers);
    if (length - at >= 2 && data[at] == '\r' && data[at + 1] == '\n') head.at += 2; /* one empty line: RFC 9112, 2.2 */
    int error = 0;
    size_t from = head.at;
    line_t found = next_line(&head, SW_MESSAGE_TARGET_TOO_LONG, &error);
    if (found != LINE_FOUND) return found == LINE_FAILED ? -error : 0;
    error = judge_request_line(judge, data + from, head.line_end - from, &line);
    if (error) return -error;
    size_t most = length - at < judge->most_head_bytes ? length - at : judge->most_head_bytes;
    char *copy = sw_headers_reserve(headers, PSEUDO_BYTES + LONGEST_AUTHORITY + 1 + most);
    if (!copy) return -SW_MESSAGE_NO_MEMORY;
    uint32_t base = (uint32_t)(copy - headers->bytes), method_at = base + PSEUDO_BYTES + LONGEST_AUTHORITY;
    memcpy(copy, PSEUDO_NAMES, PSEUDO_BYTES);
    copy += PSEUDO_BYTES + LONGEST_AUTHORITY;
    memcpy(copy, line.method, line.method_length);
    copy += line.method_length;
    uint32_t path_at = (uint32_t)(copy - headers->bytes);
    bool is_asterisk = line.adds_slash && !line.target_length && line.method_length == 7 && !memcmp(line.method, "OPTIONS", 7);
    if (line.adds_slash) *copy++ = is_asterisk ? '*' : '/'; /* RFC 9112, 3.2.4 */
    if (line.target_length) memcpy(copy, line.target, line.target_length);
    copy += line.target_length;
    size_t target_length = line.target_length + line.adds_slash;
    if (!push_pseudo(headers, base, AT_METHOD, 7, method_at, line.method_length) ||
        !push_pseudo(headers, base, AT_PATH, 5, path_at, target_length) ||
        !push_pseudo(headers, base, AT_AUTHORITY, 10, method_at, 0) ||
        !push_pseudo(headers, base, AT_SCHEME, 7, base + AT_HTTP, 4))
        return -SW_MESSAGE_NO_MEMORY;
    int complete = judge_lines(&head, copy);
    if (complete <= 0) return complete;
    return finish_request(&head, &line, method_at, path_at, target_length);
}

const char *sw_target_of(const sw_headers *headers, int64_t head, size_t lengths[3]) {
    lengths[0] = head >> SW_AUTHORITY_SHIFT & 511;
    lengths[1] = head >> SW_METHOD_SHIFT & 31;
    lengths[2] = head >> SW_PATH_SHIFT & 0x3fff;
    return sw_field_value(headers, &headers->fields[2]);
}

/* --- responses --- */

/* HTTP-version SP 3DIGIT [SP reason]: returns the status, or the negative of an error. */
static int judge_status_line(const char *text, size_t length, bool *is_http_1_0) {
    if (length < 12) return -SW_MESSAGE_BAD_STATUS_LINE;
    int version = judge_version(text, 8);
    if (version < 0) return version;
    *is_http_1_0 = version;
    if (text[8] != ' ' || !is_digit(text[9]) || !is_digit(text[10]) || !is_digit(text[11])) return -SW_MESSAGE_BAD_STATUS_LINE;
    if (length > 12 && (text[12] != ' ' || !sw_is_valid_value(text + 13, length - 13))) return -SW_MESSAGE_BAD_STATUS_LINE;
    int status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
    return status < 100 ? -SW_MESSAGE_BAD_STATUS_LINE : status;
}

static int64_t finish_response(head_t *head, int status, bool is_http_1_0, int64_t request) {
    int framing = judge_framing(head, is_http_1_0);
    if (framing < 0) return framing;
    bool persistent = is_persistent(head, is_http_1_0);
    if (status < 200 || status == 204) { /* RFC 9110, 8.6 and 15.3.5: no such field; a body would follow unannounced */
        if (framing != SW_FRAMING_NONE && head->content_length != 0) persistent = false;
        sw_headers_remove(head->headers, "content-length", 14);
        framing = SW_FRAMING_NONE;
    } else if (status == 304 || request & SW_HEAD_METHOD) {
        framing = SW_FRAMING_NONE;
    } else if (framing == SW_FRAMING_NONE) {
        framing = SW_FRAMING_CLOSE;
        persistent = false;
    }
    int64_t flags = framing | (is_http_1_0 ? SW_HTTP_1_0 : 0) | (persistent ? SW_KEEP_ALIVE : 0);
    if (head->names_fields) {
        int error = remove_connection_fields(head);
        if (error) return -error;
    }
    bool upgrades = status == 101 && is_upgrade(head);
    int error = add_passing_fields(head, upgrades);
    if (error) return -error;
    return flags | (upgrades ? SW_UPGRADE : 0) | (int64_t)(head->at - head->start) | (int64_t)status << SW_STATUS_SHIFT;
}

int64_t sw_judge_response(sw_judge *judge, const char *data, size_t at, size_t length, int64_t request, sw_headers *headers) {
    head_t head = {.judge = judge, .headers = headers, .data = data, .at = at, .start = at, .length = length, .content_length = -1};
    sw_headers_clear(headers);
    int error = 0;
    line_t found = next_line(&head, SW_MESSAGE_HEAD_TOO_LARGE, &error);
    if (found != LINE_FOUND) return found == LINE_FAILED ? -error : 0;
    bool is_http_1_0 = false;
    int status = judge_status_line(data + at, head.line_end - at, &is_http_1_0);
    if (status < 0) return status;
    size_t most = length - at < judge->most_head_bytes ? length - at : judge->most_head_bytes;
    char *copy = sw_headers_reserve(headers, 10 + most);
    if (!copy) return -SW_MESSAGE_NO_MEMORY;
    uint32_t base = (uint32_t)(copy - headers->bytes);
    memcpy(copy, ":status", 7);
    memcpy(copy + 7, data + at + 9, 3);
    sw_field field = {base, 7, base + 7, 3, 0};
    if (!sw_headers_push(headers, field)) return -SW_MESSAGE_NO_MEMORY;
    int complete = judge_lines(&head, copy + 10);
    if (complete <= 0) return complete;
    return finish_response(&head, status, is_http_1_0, request);
}

/* --- trailers --- */

/* Fields that frame, route, authenticate or describe the content must not come late (RFC 9110, 6.5.1). */
static bool is_forbidden_trailer(const char *name, size_t length) {
    static const char *const forbidden[] = {
        "authorization", "cache-control", "connection", "content-encoding", "content-length", "content-range",
        "content-type", "cookie", "expect", "host", "keep-alive", "max-forwards", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade",
        "www-authenticate", "x-forwarded-for", "x-real-ip",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (is_same(name, length, forbidden[i], strlen(forbidden[i]))) return true;
    return false;
}

int sw_judge_trailer(const sw_judge *judge, sw_headers *trailers, const char *name, size_t name_length,
                     const char *value, size_t value_length) {
    while (value_length && is_space(value[value_length - 1])) value_length--;
    if (!sw_is_valid_name(name, name_length)) return SW_MESSAGE_BAD_FIELD_NAME;
    if (!sw_is_valid_value(value, value_length)) return SW_MESSAGE_BAD_FIELD_VALUE;
    if (is_forbidden_trailer(name, name_length)) return SW_MESSAGE_FORBIDDEN_TRAILER;
    if (trailers->count >= judge->most_fields) return SW_MESSAGE_TOO_MANY_FIELDS;
    if (trailers->used + name_length + value_length > judge->most_head_bytes) return SW_MESSAGE_HEAD_TOO_LARGE;
    return sw_headers_add(trailers, name, name_length, value, value_length) < 0 ? SW_MESSAGE_NO_MEMORY : 0;
}
