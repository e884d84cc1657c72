/* Properties of a request and its response. */
#include "message.h"
#include "properties.h"

static int32_t give_field(sw_property *c, const sw_headers *map, const char *name) {
    int64_t index = sw_headers_find(map, name, strlen(name), 0);
    if (index < 0) return SW_NOT_FOUND;
    return sw_property_give(c, sw_field_value(map, &map->fields[index]), map->fields[index].value_length);
}

static size_t header_bytes(const sw_headers *map) {
    size_t size = 0;
    for (uint32_t i = 0; i < map->count; i++) size += map->fields[i].name_length + (size_t)map->fields[i].value_length;
    return size;
}

static int64_t body_size(const sw_stream *stream, int side) {
    const sw_headers *map = &stream->maps[2 * side];
    int64_t index = sw_headers_find(map, "content-length", 14, 0);
    int64_t length = index < 0 ? -1 : sw_content_length(sw_field_value(map, &map->fields[index]), map->fields[index].value_length);
    return length >= 0 ? length : (int64_t)stream->bytes[side];
}

static int64_t number_of(const sw_headers *map, const char *name) {
    int64_t index = sw_headers_find(map, name, strlen(name), 0), number = 0;
    if (index < 0) return -1;
    const char *text = sw_field_value(map, &map->fields[index]);
    uint32_t length = map->fields[index].value_length;
    if (length == 0 || length > 9) return -1;
    for (uint32_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        number = 10 * number + (text[i] - '0');
    }
    return number;
}

int32_t sw_property_request_path(sw_property *c) { return give_field(c, &c->stream->maps[0], ":path"); }

/* The part of :path before (or behind) the first question mark. */
static int32_t path_part(sw_property *c, bool behind) {
    const sw_headers *map = &c->stream->maps[0];
    int64_t index = sw_headers_find(map, ":path", 5, 0);
    if (index < 0) return SW_NOT_FOUND;
    const char *path = sw_field_value(map, &map->fields[index]);
    uint32_t length = map->fields[index].value_length;
    const char *mark = memchr(path, '?', length);
    if (!behind) return sw_property_give(c, path, mark ? (size_t)(mark - path) : length);
    return mark ? sw_property_give(c, mark + 1, length - (size_t)(mark - path) - 1) : sw_property_give(c, NULL, 0);
}

int32_t sw_property_request_url_path(sw_property *c) { return path_part(c, false); }
int32_t sw_property_request_query(sw_property *c) { return path_part(c, true); }
int32_t sw_property_request_host(sw_property *c) { return give_field(c, &c->stream->maps[0], ":authority"); }
int32_t sw_property_request_scheme(sw_property *c) { return give_field(c, &c->stream->maps[0], ":scheme"); }
int32_t sw_property_request_method(sw_property *c) { return give_field(c, &c->stream->maps[0], ":method"); }
int32_t sw_property_request_referer(sw_property *c) { return give_field(c, &c->stream->maps[0], "referer"); }
int32_t sw_property_request_useragent(sw_property *c) { return give_field(c, &c->stream->maps[0], "user-agent"); }
int32_t sw_property_request_id(sw_property *c) { return give_field(c, &c->stream->maps[0], "x-request-id"); }
int32_t sw_property_request_protocol(sw_property *c) {
    static const char *const names[] = {"HTTP/1.1", "HTTP/1.0", "HTTP/2"};
    if (c->stream->is_connection) return SW_NOT_FOUND;
    const char *name = names[c->stream->protocol];
    return sw_property_give(c, name, strlen(name));
}
int32_t sw_property_request_time(sw_property *c) { return sw_property_give_number(c, (int64_t)c->stream->started_ns); }
int32_t sw_property_request_duration(sw_property *c) {
    if (!c->stream->ended_ns) return SW_NOT_FOUND;
    return sw_property_give_number(c, (int64_t)(c->stream->ended_ns - c->stream->started_ns));
}
int32_t sw_property_request_size(sw_property *c) { return sw_property_give_number(c, body_size(c->stream, SW_REQUEST)); }
int32_t sw_property_request_total_size(sw_property *c) {
    return sw_property_give_number(c, (int64_t)(c->stream->bytes[SW_REQUEST] + header_bytes(&c->stream->maps[0])));
}
int32_t sw_property_response_code(sw_property *c) {
    int64_t code = number_of(&c->stream->maps[2], ":status");
    return code < 0 ? SW_NOT_FOUND : sw_property_give_number(c, code);
}
int32_t sw_property_response_code_details(sw_property *c) {
    const sw_stream *stream = c->stream;
    if (stream->local.active || stream->reset) return sw_property_give_buffer(c, &stream->local.details);
    return stream->side[SW_RESPONSE].started ? sw_property_give(c, "via_upstream", 12) : SW_NOT_FOUND;
}
int32_t sw_property_response_flags(sw_property *c) { return sw_property_give_number(c, 0); }
int32_t sw_property_response_grpc_status(sw_property *c) {
    int64_t status = number_of(&c->stream->maps[3], "grpc-status");
    if (status < 0) status = number_of(&c->stream->maps[2], "grpc-status");
    return status < 0 ? SW_NOT_FOUND : sw_property_give_number(c, status);
}
int32_t sw_property_response_backend_latency(sw_property *c) {
    const sw_stream *stream = c->stream;
    if (!stream->answered_ns || stream->is_connection) return SW_NOT_FOUND;
    return sw_property_give_number(c, (int64_t)(stream->answered_ns - stream->asked_ns));
}
int32_t sw_property_response_size(sw_property *c) {
    return c->stream->side[SW_RESPONSE].started ? sw_property_give_number(c, (int64_t)c->stream->bytes[SW_RESPONSE]) : SW_NOT_FOUND;
}
int32_t sw_property_response_total_size(sw_property *c) {
    if (!c->stream->side[SW_RESPONSE].started) return SW_NOT_FOUND;
    return sw_property_give_number(c, (int64_t)(c->stream->bytes[SW_RESPONSE] + header_bytes(&c->stream->maps[2])));
}
