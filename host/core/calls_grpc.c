/* Host calls by which guests call gRPC servers. Here is checked what needs no configuration; Python does the rest, and
 * what comes of it comes back as deliveries.
 *
 * Statuses are those that the SDKs survive: the Rust one takes only OK, PARSE_FAILURE and INTERNAL_FAILURE of a call. */
#include <string.h>

#include "grpc.h"
#include "hostcalls.h"
#include "message.h"

/* The low two bits of a token tell what it stands for, as in Envoy. */
enum { KIND_MASK = 3, CALL = 1, STREAM = 2 };

static bool has_prefix(const char *text, size_t length, const char *prefix) {
    size_t size = strlen(prefix);
    return length >= size && !memcmp(text, prefix, size);
}

/* Of the request itself (host.upstream.grpc writes them), or of an HTTP/1.1 connection (RFC 9113 section 8.2.2). */
static bool is_reserved(const char *name, size_t length) {
    static const char *const names[] = {"te", "grpc-timeout", "grpc-encoding", "content-length", "host", "connection",
                                        "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (length == strlen(names[i]) && !memcmp(name, names[i], length)) return true;
    return false;
}

static bool is_metadata(const sw_headers *headers, const sw_field *field) {
    const char *name = sw_field_name(headers, field), *value = sw_field_value(headers, field);
    if (!sw_is_valid_field(name, field->name_length, value, field->value_length)) return false; /* pseudo-headers, too */
    if (is_reserved(name, field->name_length)) return false;
    bool is_type = field->name_length == 12 && !memcmp(name, "content-type", 12);
    return !is_type || has_prefix(value, field->value_length, "application/grpc");
}

/* A map of its own made of a guest's bytes; NULL when it cannot be sent as metadata. */
static sw_headers *metadata_of(const char *pairs, size_t length) {
    sw_headers *metadata = sw_headers_new();
    bool is_good = metadata && !sw_headers_set_pairs(metadata, pairs, length);
    for (uint32_t i = 0; is_good && i < metadata->count; i++) is_good = is_metadata(metadata, &metadata->fields[i]);
    if (is_good) return metadata;
    sw_headers_delete(metadata);
    return NULL;
}

/* A segment of a request's path. */
static bool is_segment(const char *text, size_t length) {
    return length && sw_is_valid_path(text, length) && !memchr(text, '/', length) && !memchr(text, '?', length);
}

/* `a` holds the arguments up to the metadata. */
static int32_t begin(sw_vm *vm, const wasmtime_val_raw_t *a, sw_grpc_request *request, uint32_t token_out) {
    request->upstream_length = sw_argument(a, 1);
    request->service_length = sw_argument(a, 3);
    request->method_length = sw_argument(a, 5);
    uint32_t metadata_length = sw_argument(a, 7), token = 0;
    request->upstream = sw_guest(vm, sw_argument(a, 0), (uint32_t)request->upstream_length);
    request->service = sw_guest(vm, sw_argument(a, 2), (uint32_t)request->service_length);
    request->method = sw_guest(vm, sw_argument(a, 4), (uint32_t)request->method_length);
    const char *pairs = sw_guest(vm, sw_argument(a, 6), metadata_length);
    if (!request->upstream || !request->service || !request->method || !pairs) return SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest_put_u32(vm, token_out, 0)) return SW_INVALID_MEMORY_ACCESS; /* before anything is begun */
    if (!vm->effective || !is_segment(request->service, request->service_length) ||
        !is_segment(request->method, request->method_length))
        return SW_INTERNAL_FAILURE;
    request->metadata = metadata_of(pairs, metadata_length);
    if (!request->metadata) return SW_INTERNAL_FAILURE;
    int32_t status = sw_grpc_open(vm->serial, vm->effective->root->id, request, &token);
    if (status == SW_OK) sw_guest_put_u32(vm, token_out, token);
    return status;
}

SW_HOSTCALL(proxy_grpc_call) {
    sw_grpc_request request = {.is_call = true, .message_length = sw_argument(a, 9), .timeout = sw_argument(a, 10)};
    request.message = sw_guest(vm, sw_argument(a, 8), (uint32_t)request.message_length);
    if (!request.message) return SW_INVALID_MEMORY_ACCESS;
    return begin(vm, a, &request, sw_argument(a, 11));
}

SW_HOSTCALL(proxy_grpc_stream) {
    sw_grpc_request request = {.is_call = false};
    return begin(vm, a, &request, sw_argument(a, 8));
}

SW_HOSTCALL(proxy_grpc_send) {
    uint32_t token = sw_argument(a, 0), length = sw_argument(a, 2);
    const char *message = sw_guest(vm, sw_argument(a, 1), length);
    if (!message) return SW_INVALID_MEMORY_ACCESS;
    if ((token & KIND_MASK) != STREAM) return SW_BAD_ARGUMENT;
    if (!vm->effective) return SW_NOT_FOUND;
    return sw_grpc_send(vm->serial, vm->effective->root->id, token, message, length, sw_argument(a, 3));
}

static int32_t end(sw_vm *vm, uint32_t token, bool cancel) {
    uint32_t kind = token & KIND_MASK;
    if (kind != CALL && kind != STREAM) return SW_BAD_ARGUMENT;
    if (!vm->effective) return SW_NOT_FOUND;
    return sw_grpc_end(vm->serial, vm->effective->root->id, token, cancel || kind == CALL);
}

SW_HOSTCALL(proxy_grpc_cancel) { return end(vm, sw_argument(a, 0), true); }

/* Of a call that is to cancel it. */
SW_HOSTCALL(proxy_grpc_close) { return end(vm, sw_argument(a, 0), false); }
