/* Host calls by which guests call other servers. Here a request is checked, as far as no configuration is needed for it;
 * Python sends it when it may, and its outcome comes back as a delivery. */
#include <string.h>

#include "callouts.h"
#include "hostcalls.h"
#include "message.h"

static bool is_named(const sw_headers *headers, const sw_field *field, const char *name) {
    return field->name_length == strlen(name) && !memcmp(sw_field_name(headers, field), name, field->name_length);
}

/* A path as a request line has it (RFC 9112, 3.2.1); `*` is OPTIONS's. */
static bool is_origin_form(const char *path, size_t length) {
    return sw_is_valid_path(path, length) && length && (path[0] == '/' || (length == 1 && path[0] == '*'));
}

enum { METHOD = 1, PATH = 2, AUTHORITY = 4, SCHEME = 8 };

/* The bit of a valid pseudo-header, 0 for any other. A tunnel (CONNECT) has no response that could be delivered. */
static unsigned pseudo(const sw_headers *headers, const sw_field *field) {
    const char *value = sw_field_value(headers, field);
    size_t length = field->value_length;
    if (is_named(headers, field, ":method"))
        return sw_is_valid_method(value, length) && !(length == 7 && !memcmp(value, "CONNECT", 7)) ? METHOD : 0;
    if (is_named(headers, field, ":path")) return is_origin_form(value, length) ? PATH : 0;
    if (is_named(headers, field, ":authority")) return length && sw_is_valid_authority(value, length) ? AUTHORITY : 0;
    bool is_scheme = (length == 4 && !memcmp(value, "http", 4)) || (length == 5 && !memcmp(value, "https", 5));
    return is_named(headers, field, ":scheme") && is_scheme ? SCHEME : 0;
}

/* Each pseudo-header at most once, all but :scheme there; nothing that could end a line of the message. */
static bool is_valid_head(const sw_headers *headers) {
    unsigned seen = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        const char *name = sw_field_name(headers, field);
        if (field->name_length && name[0] == ':') {
            unsigned bit = pseudo(headers, field);
            if (!bit || seen & bit) return false;
            seen |= bit;
        } else if (!sw_is_valid_field(name, field->name_length, sw_field_value(headers, field), field->value_length)) {
            return false;
        }
    }
    return (seen | SCHEME) == (METHOD | PATH | AUTHORITY | SCHEME);
}

static bool are_valid_trailers(const sw_headers *trailers) {
    for (uint32_t i = 0; i < trailers->count; i++) {
        const sw_field *field = &trailers->fields[i];
        if (!sw_is_valid_field(sw_field_name(trailers, field), field->name_length, sw_field_value(trailers, field), field->value_length))
            return false;
    }
    return true;
}

/* A map of its own, made of a guest's bytes; NULL with a status when that cannot be. */
static sw_headers *new_map(const char *pairs, size_t length, int32_t *status) {
    sw_headers *headers = sw_headers_new();
    int failed = headers ? sw_headers_set_pairs(headers, pairs, length) : -1;
    *status = !failed ? SW_OK : failed == -1 ? SW_INTERNAL_FAILURE : SW_BAD_ARGUMENT;
    if (!failed) return headers;
    sw_headers_delete(headers);
    return NULL;
}

SW_HOSTCALL(proxy_http_call) {
    uint32_t upstream_length = sw_argument(a, 1), headers_length = sw_argument(a, 3), body_length = sw_argument(a, 5);
    uint32_t trailers_length = sw_argument(a, 7), timeout = sw_argument(a, 8), token_out = sw_argument(a, 9), token = 0;
    const char *upstream = sw_guest(vm, sw_argument(a, 0), upstream_length);
    const char *pairs = sw_guest(vm, sw_argument(a, 2), headers_length);
    const char *body = sw_guest(vm, sw_argument(a, 4), body_length);
    const char *trailer_pairs = sw_guest(vm, sw_argument(a, 6), trailers_length);
    if (!upstream || !pairs || !body || !trailer_pairs) return SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest_put_u32(vm, token_out, 0)) return SW_INVALID_MEMORY_ACCESS; /* before anything is begun */
    if (!vm->effective || timeout > INT32_MAX) return SW_BAD_ARGUMENT;
    int32_t status;
    sw_headers *headers = new_map(pairs, headers_length, &status), *trailers = NULL;
    if (headers && !is_valid_head(headers)) status = SW_BAD_ARGUMENT;
    if (status == SW_OK) trailers = new_map(trailer_pairs, trailers_length, &status);
    if (trailers && !are_valid_trailers(trailers)) status = SW_BAD_ARGUMENT;
    if (status != SW_OK) {
        sw_headers_delete(headers);
        sw_headers_delete(trailers);
        return status;
    }
    if (!trailers->count) {
        sw_headers_delete(trailers);
        trailers = NULL;
    }
    status = sw_http_call(vm->serial, vm->effective->root->id, upstream, upstream_length, headers, body, body_length, trailers,
                          timeout, &token);
    if (status == SW_OK) sw_guest_put_u32(vm, token_out, token);
    return status;
}
