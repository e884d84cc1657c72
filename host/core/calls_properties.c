/* Host calls about properties, in Envoy's binary form (abi/properties.py has the table of what plugins may expect).
 *
 * Well-known paths are answered from the exchange; what the route says of itself (`xds.route_name`, …) comes with the
 * chain; everything else is the state that filters have set. */
#include <string.h>

#include "foreign.h"
#include "hostcalls.h"
#include "message.h"

typedef struct { sw_vm *vm; sw_stream *stream; const wasmtime_val_raw_t *a; } call;

static int32_t give(const call *c, const char *bytes, size_t length) {
    return sw_guest_give(c->vm, bytes, length, sw_argument(c->a, 2), sw_argument(c->a, 3));
}
static int32_t give_number(const call *c, int64_t number) { return give(c, (const char *)&number, sizeof number); }
static int32_t give_bool(const call *c, bool value) { return give(c, value ? "\1" : "\0", 1); }
static int32_t give_buffer(const call *c, const sw_buffer *buffer) { return give(c, sw_buffer_bytes(buffer), buffer->length); }

static int32_t give_field(const call *c, const sw_headers *map, const char *name) {
    int64_t index = sw_headers_find(map, name, strlen(name), 0);
    if (index < 0) return SW_NOT_FOUND;
    return give(c, sw_field_value(map, &map->fields[index]), map->fields[index].value_length);
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

static int32_t request_path(const call *c) { return give_field(c, &c->stream->maps[0], ":path"); }

/* The part of :path before (or behind) the first question mark. */
static int32_t path_part(const call *c, bool behind) {
    const sw_headers *map = &c->stream->maps[0];
    int64_t index = sw_headers_find(map, ":path", 5, 0);
    if (index < 0) return SW_NOT_FOUND;
    const char *path = sw_field_value(map, &map->fields[index]);
    uint32_t length = map->fields[index].value_length;
    const char *mark = memchr(path, '?', length);
    if (!behind) return give(c, path, mark ? (size_t)(mark - path) : length);
    return mark ? give(c, mark + 1, length - (size_t)(mark - path) - 1) : give(c, NULL, 0);
}

static int32_t request_url_path(const call *c) { return path_part(c, false); }
static int32_t request_query(const call *c) { return path_part(c, true); }
static int32_t request_host(const call *c) { return give_field(c, &c->stream->maps[0], ":authority"); }
static int32_t request_scheme(const call *c) { return give_field(c, &c->stream->maps[0], ":scheme"); }
static int32_t request_method(const call *c) { return give_field(c, &c->stream->maps[0], ":method"); }
static int32_t request_referer(const call *c) { return give_field(c, &c->stream->maps[0], "referer"); }
static int32_t request_useragent(const call *c) { return give_field(c, &c->stream->maps[0], "user-agent"); }
static int32_t request_id(const call *c) { return give_field(c, &c->stream->maps[0], "x-request-id"); }
static int32_t request_protocol(const call *c) {
    static const char *const names[] = {"HTTP/1.1", "HTTP/1.0", "HTTP/2"};
    if (c->stream->is_connection) return SW_NOT_FOUND;
    const char *name = names[c->stream->protocol];
    return give(c, name, strlen(name));
}
static int32_t request_time(const call *c) { return give_number(c, (int64_t)c->stream->started_ns); }
static int32_t request_duration(const call *c) {
    if (!c->stream->ended_ns) return SW_NOT_FOUND;
    return give_number(c, (int64_t)(c->stream->ended_ns - c->stream->started_ns));
}
static int32_t request_size(const call *c) { return give_number(c, body_size(c->stream, SW_REQUEST)); }
static int32_t request_total_size(const call *c) {
    return give_number(c, (int64_t)(c->stream->bytes[SW_REQUEST] + header_bytes(&c->stream->maps[0])));
}
static int32_t response_code(const call *c) {
    int64_t code = number_of(&c->stream->maps[2], ":status");
    return code < 0 ? SW_NOT_FOUND : give_number(c, code);
}
static int32_t response_code_details(const call *c) {
    const sw_stream *stream = c->stream;
    if (stream->local.active || stream->reset) return give_buffer(c, &stream->local.details);
    return stream->side[SW_RESPONSE].started ? give(c, "via_upstream", 12) : SW_NOT_FOUND;
}
static int32_t response_flags(const call *c) { return give_number(c, 0); }
static int32_t response_grpc_status(const call *c) {
    int64_t status = number_of(&c->stream->maps[3], "grpc-status");
    if (status < 0) status = number_of(&c->stream->maps[2], "grpc-status");
    return status < 0 ? SW_NOT_FOUND : give_number(c, status);
}
static int32_t response_size(const call *c) {
    return c->stream->side[SW_RESPONSE].started ? give_number(c, (int64_t)c->stream->bytes[SW_RESPONSE]) : SW_NOT_FOUND;
}
static int32_t response_total_size(const call *c) {
    if (!c->stream->side[SW_RESPONSE].started) return SW_NOT_FOUND;
    return give_number(c, (int64_t)(c->stream->bytes[SW_RESPONSE] + header_bytes(&c->stream->maps[2])));
}
static int32_t source_address(const call *c) {
    return c->stream->client ? give(c, c->stream->client->address, c->stream->client->address_length) : SW_NOT_FOUND;
}
static int32_t source_port(const call *c) {
    return c->stream->client ? give_number(c, c->stream->client->port) : SW_NOT_FOUND;
}
static int32_t destination_address(const call *c) {
    const sw_peer *client = c->stream->client;
    return client ? give(c, client->local_address, client->local_address_length) : SW_NOT_FOUND;
}
static int32_t destination_port(const call *c) {
    return c->stream->client ? give_number(c, c->stream->client->local_port) : SW_NOT_FOUND;
}
static int32_t connection_id(const call *c) {
    return c->stream->client ? give_number(c, (int64_t)c->stream->client->id) : SW_NOT_FOUND;
}
static int64_t find_of_client(const sw_stream *stream, const char *path, size_t length) {
    const sw_headers *properties = stream->client ? stream->client->properties : NULL;
    return properties ? sw_headers_find(properties, path, length, 0) : -1;
}
static int32_t connection_mtls(const call *c) { return give_bool(c, find_of_client(c->stream, "connection\0mtls", 15) >= 0); }
static int32_t upstream_address(const call *c) {
    return c->stream->upstream ? give(c, c->stream->upstream->address, c->stream->upstream->address_length) : SW_NOT_FOUND;
}
static int32_t upstream_port(const call *c) {
    return c->stream->upstream ? give_number(c, c->stream->upstream->port) : SW_NOT_FOUND;
}
static int32_t plugin_name(const call *c) { return give_buffer(c, &c->vm->effective->root->name); }
static int32_t plugin_root_id(const call *c) { return give_buffer(c, &c->vm->effective->root->root_id); }
static int32_t plugin_vm_id(const call *c) { return give_buffer(c, &c->vm->vm_id); }

/* The string literals hold the NUL between segments; sizeof counts their last one too. */
#define ROW(path, function, needs_stream) {path, sizeof(path) - 1, function, needs_stream}
static const struct {
    const char *path;
    size_t length;
    int32_t (*answer)(const call *);
    bool needs_stream;
} rows[] = {
    ROW("plugin_name", plugin_name, false),
    ROW("plugin_root_id", plugin_root_id, false),
    ROW("plugin_vm_id", plugin_vm_id, false),
    ROW("request\0path", request_path, true),
    ROW("request\0url_path", request_url_path, true),
    ROW("request\0query", request_query, true),
    ROW("request\0host", request_host, true),
    ROW("request\0scheme", request_scheme, true),
    ROW("request\0method", request_method, true),
    ROW("request\0referer", request_referer, true),
    ROW("request\0useragent", request_useragent, true),
    ROW("request\0id", request_id, true),
    ROW("request\0protocol", request_protocol, true),
    ROW("request\0time", request_time, true),
    ROW("request\0duration", request_duration, true),
    ROW("request\0size", request_size, true),
    ROW("request\0total_size", request_total_size, true),
    ROW("response\0code", response_code, true),
    ROW("response\0code_details", response_code_details, true),
    ROW("response\0flags", response_flags, true),
    ROW("response\0grpc_status", response_grpc_status, true),
    ROW("response\0size", response_size, true),
    ROW("response\0total_size", response_total_size, true),
    ROW("source\0address", source_address, true),
    ROW("source\0port", source_port, true),
    ROW("destination\0address", destination_address, true),
    ROW("destination\0port", destination_port, true),
    ROW("connection\0id", connection_id, true),
    ROW("connection_id", connection_id, true),
    ROW("connection\0mtls", connection_mtls, true),
    ROW("upstream\0address", upstream_address, true),
    ROW("upstream\0port", upstream_port, true),
};
#undef ROW

static const struct { const char *path; size_t length; int map; } maps[] = {
    {"request\0headers", 15, 0},
    {"request\0trailers", 16, 1},
    {"response\0headers", 16, 2},
    {"response\0trailers", 17, 3},
};

/* One name of a header map: repeated values are joined by a comma. */
static int32_t give_joined(const call *c, const sw_headers *map, const char *name, size_t length) {
    sw_buffer joined = {0};
    int64_t index = sw_headers_find(map, name, length, 0);
    if (index < 0) return SW_NOT_FOUND;
    for (bool first = true; index >= 0; first = false) {
        const sw_field *field = &map->fields[index];
        if (!first) sw_buffer_append(&joined, ",", 1);
        sw_buffer_append(&joined, sw_field_value(map, field), field->value_length);
        index = sw_headers_find(map, name, length, (size_t)index + 1);
    }
    int32_t status = give_buffer(c, &joined);
    sw_buffer_free(&joined);
    return status;
}

static int32_t give_map(const call *c, const sw_headers *map) {
    sw_buffer pairs = {0};
    size_t size = sw_headers_pairs_size(map);
    if (!size) return give(c, NULL, 0);
    char *place = sw_buffer_reserve(&pairs, size);
    if (!place) return SW_INTERNAL_FAILURE;
    sw_headers_pairs_write(map, place);
    int32_t status = give(c, place, size);
    sw_buffer_free(&pairs);
    return status;
}

static int32_t from_maps(const call *c, const char *path, size_t length) {
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        size_t prefix = maps[i].length;
        if (length < prefix || memcmp(path, maps[i].path, prefix)) continue;
        const sw_headers *map = &c->stream->maps[maps[i].map];
        if (c->stream->is_connection || !c->stream->side[maps[i].map / 2].started) return SW_NOT_FOUND;
        if (length == prefix) return give_map(c, map);
        if (path[prefix] == 0) return give_joined(c, map, path + prefix + 1, length - prefix - 1);
    }
    return SW_NOT_FOUND;
}

static int32_t from_exact(const call *c, const sw_headers *map, const char *path, size_t length) {
    int64_t index = sw_headers_find(map, path, length, 0);
    if (index < 0) return SW_NOT_FOUND;
    return give(c, sw_field_value(map, &map->fields[index]), map->fields[index].value_length);
}

static size_t without_last_nul(const char *path, size_t length) {
    return length && path[length - 1] == 0 ? length - 1 : length;
}

SW_HOSTCALL(proxy_get_property) {
    uint32_t given = sw_argument(a, 1);
    const char *path = sw_guest(vm, sw_argument(a, 0), given);
    if (!path) return SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest(vm, sw_argument(a, 2), 4) || !sw_guest(vm, sw_argument(a, 3), 4)) return SW_INVALID_MEMORY_ACCESS;
    size_t length = without_last_nul(path, given);
    call c = {vm, sw_effective_stream(vm), a};
    if (!length || !vm->effective) return SW_NOT_FOUND;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].length == length && !memcmp(rows[i].path, path, length))
            return rows[i].needs_stream && !c.stream ? SW_NOT_FOUND : rows[i].answer(&c);
    if (!c.stream) return SW_NOT_FOUND;
    int32_t status = from_maps(&c, path, length);
    if (status == SW_NOT_FOUND) status = from_exact(&c, &c.stream->state, path, length);
    if (status == SW_NOT_FOUND && c.stream->client && c.stream->client->properties)
        status = from_exact(&c, c.stream->client->properties, path, length);
    if (status == SW_NOT_FOUND) status = from_exact(&c, &c.stream->chain->properties, path, length);
    return status;
}

static bool is_well_known(const sw_stream *stream, const char *path, size_t length) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].length == length && !memcmp(rows[i].path, path, length)) return true;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        if (length >= maps[i].length && !memcmp(maps[i].path, path, maps[i].length)) return true;
    return find_of_client(stream, path, length) >= 0 || sw_headers_find(&stream->chain->properties, path, length, 0) >= 0;
}

/* What filters set is state of this exchange, seen by all of its filters; it grows up to a limit. */
enum { MOST_STATE = 1 << 20 };

SW_HOSTCALL(proxy_set_property) {
    uint32_t given = sw_argument(a, 1), value_length = sw_argument(a, 3);
    const char *path = sw_guest(vm, sw_argument(a, 0), given), *value = sw_guest(vm, sw_argument(a, 2), value_length);
    if (!path || !value) return SW_INVALID_MEMORY_ACCESS;
    sw_stream *stream = sw_effective_stream(vm);
    if (!stream) return SW_NOT_FOUND;
    size_t length = without_last_nul(path, given);
    if (!length || is_well_known(stream, path, length)) return SW_BAD_ARGUMENT;
    bool is_set = sw_headers_find(&stream->state, path, length, 0) >= 0;
    if (!sw_context_may_set(vm->effective->root, path, length, is_set)) return SW_BAD_ARGUMENT;
    stream->state.limit_bytes = MOST_STATE;
    return sw_headers_set(&stream->state, path, length, value, value_length) ? SW_INTERNAL_FAILURE : SW_OK;
}
