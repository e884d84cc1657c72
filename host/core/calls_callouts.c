/* Host calls by which guests call other servers. Here a request is checked, as far as no configuration is needed for it;
 * Python sends it when it may, and its outcome comes back as a delivery. */
#include <string.h>

#include "callouts.h"
#include "hostcalls.h"
#include "passage.h"

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

/* The field section in `vm->outgoing`, if it is a good one; else why not. */
static int32_t read_fields(sw_vm *vm, const char *pairs, size_t length, bool (*is_valid)(const sw_headers *)) {
    int failed = sw_headers_fill(&vm->outgoing, pairs, length);
    if (failed) return failed == -1 ? SW_INTERNAL_FAILURE : SW_BAD_ARGUMENT;
    return is_valid(&vm->outgoing) ? SW_OK : SW_BAD_ARGUMENT;
}

/* Where a method is about content, a length tells that there is none (RFC 9110, 8.6). */
static int64_t framing_of(const sw_http_request *request, const char *method, size_t length) {
    static const char *const expecting[] = {"POST", "PUT", "PATCH"};
    if (request->trailers_length) return SW_WRITE_CHUNKED;
    if (request->body_length) return (int64_t)request->body_length;
    for (size_t i = 0; i < sizeof expecting / sizeof *expecting; i++)
        if (strlen(expecting[i]) == length && !memcmp(method, expecting[i], length)) return 0;
    return SW_WRITE_NO_BODY;
}

/* Writes the head of the request in `vm->outgoing`. */
static int32_t write_head(sw_vm *vm, sw_http_request *request) {
    size_t length;
    const char *method = sw_headers_get(&vm->outgoing, ":method", 7, &length);
    request->flags = sw_method_flags(method, length);
    request->framing = framing_of(request, method, length);
    int64_t written = sw_put_request_head(&vm->outgoing_head, &vm->outgoing, NULL, NULL, 0, request->framing, 0);
    request->head = sw_buffer_bytes(&vm->outgoing_head);
    request->head_length = (size_t)written;
    const char *scheme = sw_headers_get(&vm->outgoing, ":scheme", 7, &length);
    request->is_https = scheme && length == 5;
    return written ? SW_OK : SW_INTERNAL_FAILURE;
}

SW_HOSTCALL(proxy_http_call) {
    sw_http_request request = {
        .upstream_length = sw_argument(a, 1), .pairs_length = sw_argument(a, 3), .body_length = sw_argument(a, 5),
        .trailers_length = sw_argument(a, 7), .timeout = sw_argument(a, 8),
    };
    uint32_t token_out = sw_argument(a, 9), token = 0;
    request.upstream = sw_guest(vm, sw_argument(a, 0), sw_argument(a, 1));
    request.pairs = sw_guest(vm, sw_argument(a, 2), sw_argument(a, 3));
    request.body = sw_guest(vm, sw_argument(a, 4), sw_argument(a, 5));
    request.trailers = sw_guest(vm, sw_argument(a, 6), sw_argument(a, 7));
    if (!request.upstream || !request.pairs || !request.body || !request.trailers) return SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest_put_u32(vm, token_out, 0)) return SW_INVALID_MEMORY_ACCESS; /* before anything is begun */
    if (!vm->effective || request.timeout > INT32_MAX) return SW_BAD_ARGUMENT;
    int32_t status = read_fields(vm, request.trailers, request.trailers_length, are_valid_trailers);
    if (status != SW_OK) return status;
    if (!vm->outgoing.count) request.trailers_length = 0; /* one of the empty forms */
    if ((status = read_fields(vm, request.pairs, request.pairs_length, is_valid_head)) != SW_OK) return status;
    if ((status = write_head(vm, &request)) != SW_OK) return status;
    status = sw_http_call(vm->serial, vm->effective->root->id, &request, &token);
    if (status == SW_OK) sw_guest_put_u32(vm, token_out, token);
    return status;
}
