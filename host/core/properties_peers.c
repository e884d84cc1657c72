/* Properties of the connections to the client and to the upstream. */
#include "properties.h"

int32_t sw_property_source_address(sw_property *c) {
    return c->stream->client ? sw_property_give(c, c->stream->client->address, c->stream->client->address_length) : SW_NOT_FOUND;
}
int32_t sw_property_source_port(sw_property *c) {
    return c->stream->client ? sw_property_give_number(c, c->stream->client->port) : SW_NOT_FOUND;
}
int32_t sw_property_destination_address(sw_property *c) {
    const sw_peer *client = c->stream->client;
    return client ? sw_property_give(c, client->local_address, client->local_address_length) : SW_NOT_FOUND;
}
int32_t sw_property_destination_port(sw_property *c) {
    return c->stream->client ? sw_property_give_number(c, c->stream->client->local_port) : SW_NOT_FOUND;
}
int32_t sw_property_connection_id(sw_property *c) {
    return c->stream->client ? sw_property_give_number(c, (int64_t)c->stream->client->id) : SW_NOT_FOUND;
}
static bool has_mtls(const sw_stream *stream) {
    const sw_headers *properties = stream->client ? stream->client->properties : NULL;
    return properties && sw_headers_find(properties, "connection\0mtls", 15, 0) >= 0;
}
/* A client that asks for no name asks for an empty one, as in Envoy. */
int32_t sw_property_connection_requested_server_name(sw_property *c) {
    const sw_headers *properties = c->stream->client ? c->stream->client->properties : NULL;
    int64_t index = properties ? sw_headers_find(properties, "connection\0requested_server_name", 32, 0) : -1;
    if (index < 0) return sw_property_give(c, NULL, 0);
    return sw_property_give(c, sw_field_value(properties, &properties->fields[index]), properties->fields[index].value_length);
}
int32_t sw_property_connection_mtls(sw_property *c) { return sw_property_give_bool(c, has_mtls(c->stream)); }
int32_t sw_property_upstream_address(sw_property *c) {
    return c->stream->upstream ? sw_property_give(c, c->stream->upstream->address, c->stream->upstream->address_length) : SW_NOT_FOUND;
}
int32_t sw_property_upstream_port(sw_property *c) {
    return c->stream->upstream ? sw_property_give_number(c, c->stream->upstream->port) : SW_NOT_FOUND;
}
int32_t sw_property_upstream_local_address(sw_property *c) {
    const sw_peer *upstream = c->stream->upstream;
    bool is_known = upstream && upstream->local_address_length;
    return is_known ? sw_property_give(c, upstream->local_address, upstream->local_address_length) : SW_NOT_FOUND;
}
int32_t sw_property_upstream_local_port(sw_property *c) {
    const sw_peer *upstream = c->stream->upstream;
    return upstream && upstream->local_port ? sw_property_give_number(c, upstream->local_port) : SW_NOT_FOUND;
}
int32_t sw_property_upstream_request_attempt_count(sw_property *c) {
    return c->stream->attempts ? sw_property_give_number(c, c->stream->attempts) : SW_NOT_FOUND;
}
