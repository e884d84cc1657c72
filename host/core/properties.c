#include "properties.h"

static int32_t plugin_name(sw_property *c) { return sw_property_give_buffer(c, &c->context->root->name); }
static int32_t plugin_root_id(sw_property *c) { return sw_property_give_buffer(c, &c->context->root->root_id); }
/* Nobody gives routes, clusters and listeners metadata here, nor names to what has none: as in an Envoy without them. */
static int32_t nothing(sw_property *c) { return sw_property_give(c, NULL, 0); }
static int32_t unspecified(sw_property *c) { return sw_property_give_number(c, 0); }
static int32_t plugin_vm_id(sw_property *c) { return sw_property_give_buffer(c, &c->vm->vm_id); }

/* The string literals hold the NUL between segments; sizeof counts their last one too. */
#define ROW(path, function, needs_stream) {path, sizeof(path) - 1, function, needs_stream}
static const struct {
    const char *path;
    size_t length;
    int32_t (*answer)(sw_property *);
    bool needs_stream;
} rows[] = {
    ROW("plugin_name", plugin_name, false),
    ROW("plugin_root_id", plugin_root_id, false),
    ROW("plugin_vm_id", plugin_vm_id, false),
    ROW("request\0path", sw_property_request_path, true),
    ROW("request\0url_path", sw_property_request_url_path, true),
    ROW("request\0query", sw_property_request_query, true),
    ROW("request\0host", sw_property_request_host, true),
    ROW("request\0scheme", sw_property_request_scheme, true),
    ROW("request\0method", sw_property_request_method, true),
    ROW("request\0referer", sw_property_request_referer, true),
    ROW("request\0useragent", sw_property_request_useragent, true),
    ROW("request\0id", sw_property_request_id, true),
    ROW("request\0protocol", sw_property_request_protocol, true),
    ROW("request\0time", sw_property_request_time, true),
    ROW("request\0duration", sw_property_request_duration, true),
    ROW("request\0size", sw_property_request_size, true),
    ROW("request\0total_size", sw_property_request_total_size, true),
    ROW("response\0code", sw_property_response_code, true),
    ROW("response\0code_details", sw_property_response_code_details, true),
    ROW("response\0flags", sw_property_response_flags, true),
    ROW("response\0grpc_status", sw_property_response_grpc_status, true),
    ROW("response\0backend_latency", sw_property_response_backend_latency, true),
    ROW("response\0size", sw_property_response_size, true),
    ROW("response\0total_size", sw_property_response_total_size, true),
    ROW("source\0address", sw_property_source_address, true),
    ROW("source\0port", sw_property_source_port, true),
    ROW("destination\0address", sw_property_destination_address, true),
    ROW("destination\0port", sw_property_destination_port, true),
    ROW("connection\0id", sw_property_connection_id, true),
    ROW("connection_id", sw_property_connection_id, true),
    ROW("connection\0mtls", sw_property_connection_mtls, true),
    ROW("connection\0requested_server_name", sw_property_connection_requested_server_name, true),
    ROW("upstream\0address", sw_property_upstream_address, true),
    ROW("upstream\0port", sw_property_upstream_port, true),
    ROW("upstream\0local_address", sw_property_upstream_local_address, true),
    ROW("upstream\0local_port", sw_property_upstream_local_port, true),
    ROW("upstream\0request_attempt_count", sw_property_upstream_request_attempt_count, true),
#define METADATA(path) ROW(path, nothing, true), ROW(path "\0filter_metadata", nothing, true)
    METADATA("metadata"),
    METADATA("xds\0cluster_metadata"),
    METADATA("xds\0route_metadata"),
    METADATA("xds\0virtual_host_metadata"),
    METADATA("xds\0listener_metadata"),
    ROW("xds\0virtual_host_name", nothing, true),
    ROW("xds\0filter_chain_name", nothing, true),
    ROW("xds\0listener_direction", unspecified, true),
#undef METADATA
};
#undef ROW

static const struct { const char *path; size_t length; int map; } maps[] = {
    {"request\0headers", 15, 0},
    {"request\0trailers", 16, 1},
    {"response\0headers", 16, 2},
    {"response\0trailers", 17, 3},
};

/* One name of a header map: repeated values are joined by a comma. */
static int32_t give_joined(sw_property *c, const sw_headers *map, const char *name, size_t length) {
    int64_t index = sw_headers_find(map, name, length, 0);
    if (index < 0) return SW_NOT_FOUND;
    for (bool first = true; index >= 0; first = false) {
        const sw_field *field = &map->fields[index];
        if (!first) sw_buffer_append(&c->made, ",", 1);
        sw_buffer_append(&c->made, sw_field_value(map, field), field->value_length);
        index = sw_headers_find(map, name, length, (size_t)index + 1);
    }
    return sw_property_give_buffer(c, &c->made);
}

static int32_t give_map(sw_property *c, const sw_headers *map) {
    size_t size = sw_headers_pairs_size(map);
    if (!size) return sw_property_give(c, NULL, 0);
    char *place = sw_buffer_reserve(&c->made, size);
    if (!place) return SW_INTERNAL_FAILURE;
    sw_headers_pairs_write(map, place);
    return sw_property_give(c, place, size);
}

static int32_t from_maps(sw_property *c, const char *path, size_t length) {
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        size_t prefix = maps[i].length;
        if (length < prefix || memcmp(path, maps[i].path, prefix)) continue;
        const sw_headers *map = &c->stream->maps[maps[i].map];
        bool is_there = !c->stream->is_connection && c->stream->side[maps[i].map / 2].started;
        if (length == prefix) return is_there ? give_map(c, map) : sw_property_give(c, NULL, 0); /* as in Envoy */
        if (!is_there) return SW_NOT_FOUND;
        if (path[prefix] == 0) return give_joined(c, map, path + prefix + 1, length - prefix - 1);
    }
    return SW_NOT_FOUND;
}

static int32_t from_exact(sw_property *c, const sw_headers *map, const char *path, size_t length) {
    if (!map) return SW_NOT_FOUND;
    int64_t index = sw_headers_find(map, path, length, 0);
    if (index < 0) return SW_NOT_FOUND;
    return sw_property_give(c, sw_field_value(map, &map->fields[index]), map->fields[index].value_length);
}

static const sw_headers *of_client(const sw_stream *stream) { return stream->client ? stream->client->properties : NULL; }

static int32_t from_stream(sw_property *c, const char *path, size_t length) {
    int32_t status = from_maps(c, path, length);
    if (status == SW_NOT_FOUND) status = from_exact(c, &c->stream->state, path, length);
    if (status == SW_NOT_FOUND) status = from_exact(c, of_client(c->stream), path, length);
    if (status == SW_NOT_FOUND) status = from_exact(c, &c->stream->chain->properties, path, length);
    return status;
}

int32_t sw_property_read(sw_property *c, const char *path, size_t length) {
    length = sw_property_path_length(path, length);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].length != length || memcmp(rows[i].path, path, length)) continue;
        return (rows[i].needs_stream ? (const void *)c->stream : c->context) ? rows[i].answer(c) : SW_NOT_FOUND;
    }
    int32_t status = c->stream ? from_stream(c, path, length) : SW_NOT_FOUND;
    return status == SW_NOT_FOUND && c->vm ? from_exact(c, &c->vm->properties, path, length) : status;
}

bool sw_property_is_provided(const sw_property *c, const char *path, size_t length) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].length == length && !memcmp(rows[i].path, path, length)) return true;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        if (length >= maps[i].length && !memcmp(maps[i].path, path, maps[i].length)) return true;
    const sw_headers *exact[] = {of_client(c->stream), &c->stream->chain->properties, &c->vm->properties};
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (exact[i] && sw_headers_find(exact[i], path, length, 0) >= 0) return true;
    return false;
}

const char *sw_stream_property(const sw_stream *stream, const char *path, size_t path_length, size_t *length) {
    static sw_property last; /* streams are the event loop's thread's alone */
    sw_buffer_free(&last.made);
    last = (sw_property){.stream = stream};
    *length = 0;
    if (!stream->open || sw_property_read(&last, path, path_length) != SW_OK) return NULL;
    *length = last.length;
    return last.length ? last.bytes : "";
}
