/* What the gateway sends to an APISIX plugin runner: see apisix.h. */
#include "apisix.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ENTRIES = 32 };
static const size_t MOST_BYTES = SW_APISIX_HEADER + (size_t)SW_APISIX_MOST_PAYLOAD;

sw_apisix_writer *sw_apisix_writer_new(void) {
    sw_apisix_writer *writer = calloc(1, sizeof *writer);
    if (writer) writer->flat.limit = MOST_BYTES;
    return writer;
}

void sw_apisix_writer_delete(sw_apisix_writer *writer) {
    if (!writer) return;
    sw_flat_free(&writer->flat);
    free(writer->entries);
    free(writer);
}

static void begin(sw_apisix_writer *writer) {
    sw_flat_clear(&writer->flat);
    writer->count = 0;
    writer->frame = NULL;
    writer->frame_length = 0;
}

/* Puts the header of the frame before what is written. */
static int end(sw_apisix_writer *writer, int type, sw_flat_place root) {
    char *frame = sw_flat_finish(&writer->flat, root, SW_APISIX_HEADER);
    if (!frame) return writer->flat.no_memory ? SW_APISIX_NO_MEMORY : SW_APISIX_TOO_LARGE;
    size_t length = writer->flat.used - SW_APISIX_HEADER;
    frame[0] = (char)type;
    for (int i = 0; i < 3; i++) frame[1 + i] = (char)(length >> (8 * (2 - i)));
    writer->frame = frame;
    writer->frame_length = writer->flat.used;
    return SW_APISIX_FINE;
}

static sw_flat_place put_text(sw_apisix_writer *writer, const char *text, size_t length) {
    sw_flat_place place;
    char *room = sw_flat_string(&writer->flat, length, &place);
    if (room && length) memcpy(room, text, length);
    return place;
}

/* TextEntry: name 0, value 1 */
static void push_entry(sw_apisix_writer *writer, sw_flat_place name, sw_flat_place value) {
    sw_flat_begin_table(&writer->flat);
    sw_flat_put_place(&writer->flat, 0, name);
    sw_flat_put_place(&writer->flat, 1, value);
    sw_flat_place entry = sw_flat_end_table(&writer->flat);
    if (writer->count == writer->capacity) {
        size_t capacity = writer->capacity ? writer->capacity * 2 : FIRST_ENTRIES;
        sw_flat_place *entries = realloc(writer->entries, capacity * sizeof *entries);
        if (!entries) {
            writer->flat.no_memory = true;
            return;
        }
        writer->entries = entries;
        writer->capacity = capacity;
    }
    writer->entries[writer->count++] = entry;
}

static void push_text(sw_apisix_writer *writer, const char *name, size_t name_length, const char *value, size_t value_length) {
    sw_flat_place name_place = put_text(writer, name, name_length);
    push_entry(writer, name_place, put_text(writer, value, value_length));
}

static sw_flat_place end_entries(sw_apisix_writer *writer) {
    sw_flat_place place = sw_flat_vector(&writer->flat, writer->entries, writer->count);
    writer->count = 0;
    return place;
}

void sw_apisix_begin_conf(sw_apisix_writer *writer) { begin(writer); }

void sw_apisix_add_conf(sw_apisix_writer *writer, const char *name, size_t name_length, const char *value, size_t value_length) {
    push_text(writer, name, name_length, value, value_length);
}

/* PrepareConf.Req: conf 0, key 1 */
int sw_apisix_write_conf(sw_apisix_writer *writer, const char *key, size_t key_length) {
    sw_flat_place conf = end_entries(writer), text = put_text(writer, key, key_length);
    sw_flat_begin_table(&writer->flat);
    sw_flat_put_place(&writer->flat, 0, conf);
    sw_flat_put_place(&writer->flat, 1, text);
    return end(writer, SW_APISIX_PREPARE_CONF, sw_flat_end_table(&writer->flat));
}

/* --- escapes (RFC 3986, 2.1): plugins see a path and arguments as their author thinks of them, as from nginx --- */

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : sw_lower(c) >= 'a' && sw_lower(c) <= 'f' ? sw_lower(c) - 'a' + 10 : -1;
}

static bool is_escape(const char *text, size_t length, size_t at) {
    return text[at] == '%' && length - at > 2 && hex(text[at + 1]) >= 0 && hex(text[at + 2]) >= 0;
}

/* Puts a string with its escapes undone; one that is none stays as it is. */
static sw_flat_place put_unescaped(sw_apisix_writer *writer, const char *text, size_t length, bool plus_is_space) {
    size_t escapes = 0;
    for (size_t i = 0; i < length; i++)
        if (is_escape(text, length, i)) {
            escapes++;
            i += 2;
        }
    sw_flat_place place;
    char *room = sw_flat_string(&writer->flat, length - 2 * escapes, &place);
    for (size_t i = 0; room && i < length; i++) {
        if (is_escape(text, length, i)) {
            *room++ = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        } else {
            *room++ = plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    return place;
}

/* The members of a query in their order. As in nginx one without a name is left out. */
static void push_arguments(sw_apisix_writer *writer, const char *query, size_t length, bool has_bare) {
    for (const char *at = query, *last = query + length; at < last;) {
        const char *ampersand = memchr(at, '&', (size_t)(last - at));
        const char *stop = ampersand ? ampersand : last;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        size_t name_length = (size_t)((equals ? equals : stop) - at);
        if (name_length) {
            const char *value = equals ? equals + 1 : stop;
            sw_flat_place name = put_unescaped(writer, at, name_length, true);
            bool has_value = equals || !has_bare;
            push_entry(writer, name, has_value ? put_unescaped(writer, value, (size_t)(stop - value), true) : 0);
        }
        at = stop + 1;
    }
}

/* The fields: pseudo-headers are no business of runners, but `:authority` is what their plugins know as host. */
static void push_fields(sw_apisix_writer *writer, const sw_headers *headers) {
    size_t length;
    const char *authority = sw_headers_get(headers, ":authority", 10, &length);
    if (authority) push_text(writer, "host", 4, authority, length);
    for (uint32_t i = 0; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        const char *name = sw_field_name(headers, field);
        if (!field->name_length || name[0] == ':') continue;
        if (authority && field->name_length == 4 && !memcmp(name, "host", 4)) continue;
        push_text(writer, name, field->name_length, sw_field_value(headers, field), field->value_length);
    }
}

/* The method's number in the protocol; -1 = none. */
static int method_of(const sw_headers *headers) {
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE",
                                          "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "PATCH", "TRACE"};
    size_t length;
    const char *method = sw_headers_get(headers, ":method", 7, &length);
    for (size_t i = 0; method && i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i]) == length && !memcmp(methods[i], method, length)) return (int)i;
    return -1;
}

/* HTTPReqCall.Req: id 0, src_ip 1, method 2, path 3, args 4, headers 5, conf_token 6 */
int sw_apisix_write_request_call(sw_apisix_writer *writer, const sw_headers *headers, const sw_apisix_call *call) {
    begin(writer);
    int method = method_of(headers);
    if (method < 0) return SW_APISIX_UNKNOWN_METHOD;
    size_t length;
    const char *target = sw_headers_get(headers, ":path", 5, &length);
    if (!target) length = 0;
    const char *mark = length ? memchr(target, '?', length) : NULL;
    size_t path_length = mark ? (size_t)(mark - target) : length;
    sw_flat_place path = put_unescaped(writer, target, path_length, false);
    sw_flat_place address = sw_flat_bytes_vector(&writer->flat, call->address, call->address_length);
    if (mark) push_arguments(writer, mark + 1, length - path_length - 1, call->has_bare_arguments);
    sw_flat_place arguments = writer->count ? end_entries(writer) : 0;
    push_fields(writer, headers);
    sw_flat_place fields = end_entries(writer);
    sw_flat_begin_table(&writer->flat);
    sw_flat_put_number(&writer->flat, 0, call->id, 4);
    sw_flat_put_place(&writer->flat, 1, address);
    sw_flat_put_number(&writer->flat, 2, (uint32_t)method, 1);
    sw_flat_put_place(&writer->flat, 3, path);
    sw_flat_put_place(&writer->flat, 4, arguments);
    sw_flat_put_place(&writer->flat, 5, fields);
    sw_flat_put_number(&writer->flat, 6, call->token, 4);
    return end(writer, SW_APISIX_REQUEST_CALL, sw_flat_end_table(&writer->flat));
}

/* HTTPRespCall.Req: id 0, status 1, headers 2, conf_token 3 */
int sw_apisix_write_response_call(sw_apisix_writer *writer, const sw_headers *headers, uint32_t id, uint32_t token) {
    begin(writer);
    size_t length;
    const char *text = sw_headers_get(headers, ":status", 7, &length);
    uint32_t status = 0;
    for (size_t i = 0; text && i < length && i < 3; i++) status = status * 10 + (uint32_t)(text[i] - '0') % 10;
    push_fields(writer, headers);
    sw_flat_place fields = end_entries(writer);
    sw_flat_begin_table(&writer->flat);
    sw_flat_put_number(&writer->flat, 0, id, 4);
    sw_flat_put_number(&writer->flat, 1, status, 2);
    sw_flat_put_place(&writer->flat, 2, fields);
    sw_flat_put_number(&writer->flat, 3, token, 4);
    return end(writer, SW_APISIX_RESPONSE_CALL, sw_flat_end_table(&writer->flat));
}

/* ExtraInfo.Resp: result 0 */
int sw_apisix_write_extra_info(sw_apisix_writer *writer, const char *result, size_t length) {
    begin(writer);
    sw_flat_place bytes = result ? sw_flat_bytes_vector(&writer->flat, result, length) : 0;
    sw_flat_begin_table(&writer->flat);
    sw_flat_put_place(&writer->flat, 0, bytes);
    return end(writer, SW_APISIX_EXTRA_INFO, sw_flat_end_table(&writer->flat));
}
