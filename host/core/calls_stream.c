/* Host calls that steer an exchange: resume, close, answer. They only note what is wanted; the chain acts on it after
 * the guest has returned, so that no guest is ever entered again from inside its own call. */
#include "connection.h"
#include "hostcalls.h"
#include "logs.h"
#include "message.h"

/* Without a stream of that kind there is nothing to do, which is no error (Envoy): SDKs panic on any. */
static int32_t resume(sw_vm *vm, bool is_connection, int side) {
    sw_stream *stream = sw_effective_stream(vm);
    if (stream && stream->is_connection == is_connection) sw_slot_resume(stream, sw_slot_of(vm->effective), side);
    return SW_OK;
}

SW_HOSTCALL(proxy_continue_stream) {
    uint32_t type = sw_argument(a, 0);
    if (type > SW_STREAM_UPSTREAM) return SW_BAD_ARGUMENT;
    return resume(vm, type >= SW_STREAM_DOWNSTREAM, type % SW_SIDES);
}

SW_HOSTCALL(proxy_continue_request) {
    (void)a;
    return resume(vm, false, SW_REQUEST);
}

SW_HOSTCALL(proxy_continue_response) {
    (void)a;
    return resume(vm, false, SW_RESPONSE);
}

SW_HOSTCALL(proxy_close_stream) {
    sw_stream *stream = sw_effective_stream(vm);
    uint32_t type = sw_argument(a, 0);
    if (type > SW_STREAM_UPSTREAM) return SW_BAD_ARGUMENT;
    if (!stream || stream->logging) return SW_OK;
    if (stream->is_connection) {
        if (type >= SW_STREAM_DOWNSTREAM) sw_connection_close(stream); /* with either end goes the other, as in Envoy */
        return SW_OK;
    }
    sw_stream_reset(stream, "wasm_close_stream");
    return SW_OK;
}

static bool are_valid_fields(const sw_headers *headers) {
    for (uint32_t i = 0; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        const char *name = sw_field_name(headers, field);
        if (field->name_length && name[0] == ':') continue; /* left out when the head is filled */
        if (!sw_is_valid_field(name, field->name_length, sw_field_value(headers, field), field->value_length)) return false;
    }
    return true;
}

/* The first answer wins. One that comes when the response's head has left can only cut the response short. */
SW_HOSTCALL(proxy_send_local_response) {
    uint32_t status = sw_argument(a, 0), details_length = sw_argument(a, 2), body_length = sw_argument(a, 4);
    uint32_t pairs_length = sw_argument(a, 6);
    const char *details = sw_guest(vm, sw_argument(a, 1), details_length);
    const char *body = sw_guest(vm, sw_argument(a, 3), body_length);
    const char *pairs = sw_guest(vm, sw_argument(a, 5), pairs_length);
    if (!details || !body || !pairs) return SW_INVALID_MEMORY_ACCESS;
    sw_stream *stream = sw_effective_stream(vm);
    if (stream && stream->is_connection) return SW_OK; /* no one to answer: without effect, as in Envoy */
    if (!stream || stream->logging || status < 200 || status > 999) return SW_BAD_ARGUMENT;
    if (stream->local.pending || stream->local.active || stream->reset) {
        stream->answered_in_vain = true;
        return SW_OK;
    }
    if (stream->side[SW_RESPONSE].head_out) {
        if (stream->side[SW_RESPONSE].end_out) return SW_OK;
        static const char late[] = "proxy_send_local_response came when the response's head had left: the response is cut short";
        sw_logs_add(vm, SW_LOG_WARN, late, sizeof late - 1);
        sw_stream_reset(stream, "local_response_behind_head");
        return SW_OK;
    }
    sw_headers headers = {0};
    if (sw_headers_set_pairs(&headers, pairs, pairs_length) || !are_valid_fields(&headers)) {
        sw_headers_free(&headers);
        return SW_BAD_ARGUMENT;
    }
    sw_local_response *local = sw_stream_begin_local_response(stream, status);
    sw_headers_free(&local->headers);
    local->headers = headers;
    local->grpc_status = a[7].i32;
    bool is_kept = sw_buffer_append(&local->body, body, body_length) &&
                   sw_buffer_append(&local->details, details, details_length);
    sw_slot_of(vm->effective)->touched = true;
    sw_stream_wake(stream);
    return is_kept ? SW_OK : SW_INTERNAL_FAILURE;
}
