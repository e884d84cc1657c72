/* Host calls about properties. */
#include "foreign.h"
#include "hostcalls.h"
#include "properties.h"

SW_HOSTCALL(proxy_get_property) {
    uint32_t length = sw_argument(a, 1);
    const char *path = sw_guest(vm, sw_argument(a, 0), length);
    if (!path) return SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest(vm, sw_argument(a, 2), 4) || !sw_guest(vm, sw_argument(a, 3), 4)) return SW_INVALID_MEMORY_ACCESS;
    sw_property property = {.vm = vm, .context = vm->effective, .stream = sw_effective_stream(vm)};
    if (!sw_property_path_length(path, length) || !vm->effective) return SW_NOT_FOUND;
    int32_t status = sw_property_read(&property, path, length);
    if (status == SW_OK) status = sw_guest_give(vm, property.bytes, property.length, sw_argument(a, 2), sw_argument(a, 3));
    sw_buffer_free(&property.made);
    return status;
}

/* What filters set is state of this exchange, seen by all of its filters; it grows up to a limit. */
enum { MOST_STATE = 1 << 20 };

SW_HOSTCALL(proxy_set_property) {
    uint32_t given = sw_argument(a, 1), value_length = sw_argument(a, 3);
    const char *path = sw_guest(vm, sw_argument(a, 0), given), *value = sw_guest(vm, sw_argument(a, 2), value_length);
    if (!path || !value) return SW_INVALID_MEMORY_ACCESS;
    sw_stream *stream = sw_effective_stream(vm);
    if (!stream) return SW_NOT_FOUND;
    size_t length = sw_property_path_length(path, given);
    sw_property property = {.vm = vm, .context = vm->effective, .stream = stream};
    if (!length || sw_property_is_provided(&property, path, length)) return SW_BAD_ARGUMENT;
    bool is_set = sw_headers_find(&stream->state, path, length, 0) >= 0;
    if (!sw_context_may_set(vm->effective->root, path, length, is_set)) return SW_BAD_ARGUMENT;
    stream->state.limit_bytes = MOST_STATE;
    return sw_headers_set(&stream->state, path, length, value, value_length) ? SW_INTERNAL_FAILURE : SW_OK;
}
