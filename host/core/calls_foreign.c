/* proxy_call_foreign_function, and what its functions need of contexts. The functions themselves are Python's. */
#include "foreign.h"
#include "headers.h"
#include "hostcalls.h"

/* Each of the out-pointers may be null (Envoy): who does not want a result need not have room for it. */
static int32_t give(sw_vm *vm, const sw_buffer *result, uint32_t data_out, uint32_t length_out) {
    if (data_out && length_out) return sw_guest_give(vm, sw_buffer_bytes(result), result->length, data_out, length_out);
    if (length_out) return sw_guest_put_u32(vm, length_out, (uint32_t)result->length) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
    return SW_OK; /* nor would an address be of use without a length */
}

SW_HOSTCALL(proxy_call_foreign_function) {
    uint32_t name_length = sw_argument(a, 1), length = sw_argument(a, 3), out[] = {sw_argument(a, 4), sw_argument(a, 5)};
    const char *name = sw_guest(vm, sw_argument(a, 0), name_length), *arguments = sw_guest(vm, sw_argument(a, 2), length);
    if (!name || !arguments) return SW_INVALID_MEMORY_ACCESS;
    for (int i = 0; i < 2; i++)
        if (out[i] && !sw_guest(vm, out[i], 4)) return SW_INVALID_MEMORY_ACCESS;
    const sw_context *context = vm->effective;
    if (!context) return SW_NOT_FOUND;
    sw_buffer result = {0};
    int32_t status = sw_call_foreign_function(vm->serial, context->root->id, context->id,
                                              context->stream ? (int64_t)context->stream->owner : -1, name, name_length,
                                              arguments, length, &result);
    if (status == SW_OK) status = give(vm, &result, out[0], out[1]);
    sw_buffer_free(&result);
    return status;
}

sw_context *sw_vm_find_context(const sw_vm *vm, uint32_t id) { return sw_context_find(vm, id); }

int sw_context_declare(sw_context *root, const char *name, size_t length, bool read_only) {
    root->declared.exact = true;
    if (sw_headers_find(&root->declared, name, length, 0) >= 0) return 1;
    return sw_headers_add(&root->declared, name, length, read_only ? "r" : "w", 1) < 0 ? -1 : 0;
}

bool sw_context_may_set(const sw_context *root, const char *name, size_t length, bool is_set) {
    int64_t index = is_set ? sw_headers_find(&root->declared, name, length, 0) : -1;
    return index < 0 || *sw_field_value(&root->declared, &root->declared.fields[index]) != 'r';
}
