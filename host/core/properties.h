/* Properties in Envoy's binary form (abi/properties.py has the table of what plugins may expect): by path, for guests, for
 * filters in Python and for the access log alike.
 *
 * Well-known paths are answered from the exchange; what the route says of itself (`xds.route_name`, …) comes with the
 * chain, what is said of a connection's TLS with the client, what the gateway is (`xds.node.…`) with the VM; everything
 * else is the state that filters have set. */
#pragma once
#include <string.h>

#include "stream.h"

/* A question and its answer. `bytes` belong to what was asked about, to `number` or to `made`. */
typedef struct {
    const sw_vm *vm;           /* NULL: nobody's, as are the two below */
    const sw_context *context;
    const sw_stream *stream;
    const char *bytes;
    size_t length;
    char number[8];
    sw_buffer made;            /* to be freed by who asked */
} sw_property;

/* A status: OK, NOT_FOUND, or INTERNAL_FAILURE. Segments of the path are ended by NUL; one at its end counts for nothing. */
int32_t sw_property_read(sw_property *c, const char *path, size_t length);
/* Whether the host answers this path, so that no filter may set it. */
bool sw_property_is_provided(const sw_property *c, const char *path, size_t length);
static inline size_t sw_property_path_length(const char *path, size_t length) {
    return length && path[length - 1] == 0 ? length - 1 : length;
}
/* For Python: the value's address, good until the next call; NULL = there is none. */
const char *sw_stream_property(const sw_stream *stream, const char *path, size_t path_length, size_t *length);

static inline int32_t sw_property_give(sw_property *c, const char *bytes, size_t length) {
    c->bytes = bytes;
    c->length = length;
    return SW_OK;
}
static inline int32_t sw_property_give_number(sw_property *c, int64_t number) {
    memcpy(c->number, &number, sizeof number);
    return sw_property_give(c, c->number, sizeof number);
}
static inline int32_t sw_property_give_bool(sw_property *c, bool value) { return sw_property_give(c, value ? "\1" : "\0", 1); }
static inline int32_t sw_property_give_buffer(sw_property *c, const sw_buffer *buffer) {
    return sw_property_give(c, sw_buffer_bytes(buffer), buffer->length);
}

/* properties_exchange.c, properties_peers.c: the rows of the table */
int32_t sw_property_request_path(sw_property *c);
int32_t sw_property_request_url_path(sw_property *c);
int32_t sw_property_request_query(sw_property *c);
int32_t sw_property_request_host(sw_property *c);
int32_t sw_property_request_scheme(sw_property *c);
int32_t sw_property_request_method(sw_property *c);
int32_t sw_property_request_referer(sw_property *c);
int32_t sw_property_request_useragent(sw_property *c);
int32_t sw_property_request_id(sw_property *c);
int32_t sw_property_request_protocol(sw_property *c);
int32_t sw_property_request_time(sw_property *c);
int32_t sw_property_request_duration(sw_property *c);
int32_t sw_property_request_size(sw_property *c);
int32_t sw_property_request_total_size(sw_property *c);
int32_t sw_property_response_code(sw_property *c);
int32_t sw_property_response_code_details(sw_property *c);
int32_t sw_property_response_flags(sw_property *c);
int32_t sw_property_response_grpc_status(sw_property *c);
int32_t sw_property_response_backend_latency(sw_property *c);
int32_t sw_property_response_size(sw_property *c);
int32_t sw_property_response_total_size(sw_property *c);
int32_t sw_property_source_address(sw_property *c);
int32_t sw_property_source_port(sw_property *c);
int32_t sw_property_destination_address(sw_property *c);
int32_t sw_property_destination_port(sw_property *c);
int32_t sw_property_connection_id(sw_property *c);
int32_t sw_property_connection_requested_server_name(sw_property *c);
int32_t sw_property_connection_mtls(sw_property *c);
int32_t sw_property_upstream_address(sw_property *c);
int32_t sw_property_upstream_port(sw_property *c);
int32_t sw_property_upstream_local_address(sw_property *c);
int32_t sw_property_upstream_local_port(sw_property *c);
int32_t sw_property_upstream_request_attempt_count(sw_property *c);
