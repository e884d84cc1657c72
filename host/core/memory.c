#include <string.h>

#include "vm.h"

char *sw_guest(sw_vm *vm, uint32_t pointer, uint32_t length) {
    if (!sw_vm_has_memory(vm)) return NULL; /* the engine ends the process when asked for a memory that is none */
    size_t size = sw_engine.wasmtime_memory_data_size(vm->context, &vm->memory);
    if (pointer > size || length > size - pointer) return NULL;
    return (char *)sw_engine.wasmtime_memory_data(vm->context, &vm->memory) + pointer;
}

/* Guests may pass any address: writes go through memcpy, never through an aligned pointer. */
bool sw_guest_put_u32(sw_vm *vm, uint32_t pointer, uint32_t value) {
    char *place = sw_guest(vm, pointer, sizeof value);
    if (place) memcpy(place, &value, sizeof value);
    return place;
}

bool sw_guest_put_u64(sw_vm *vm, uint32_t pointer, uint64_t value) {
    char *place = sw_guest(vm, pointer, sizeof value);
    if (place) memcpy(place, &value, sizeof value);
    return place;
}

/* proxy_on_memory_allocate first: some modules export a `malloc` whose memory is never freed. */
static int call_allocator(sw_vm *vm, uint32_t length, uint32_t *pointer) {
    uint16_t allocator =
        vm->parameters[SW_PROXY_ON_MEMORY_ALLOCATE] ? SW_PROXY_ON_MEMORY_ALLOCATE : SW_MALLOC;
    if (!vm->parameters[allocator]) return -1;
    uint8_t allowed = vm->allowed;
    vm->allowed = SW_ALLOCATOR_CALLS;
    sw_context *context = vm->effective;
    int32_t result = 0;
    int failed = sw_vm_call(vm, allocator, context, &length, &result);
    vm->allowed = allowed;
    *pointer = (uint32_t)result;
    return failed;
}

char *sw_guest_allocate(sw_vm *vm, uint32_t length, uint32_t data_out, uint32_t length_out, int32_t *status) {
    *status = SW_INVALID_MEMORY_ACCESS;
    if (!sw_guest(vm, data_out, 4) || !sw_guest(vm, length_out, 4)) return NULL;
    uint32_t pointer;
    if (call_allocator(vm, length, &pointer)) {
        *status = SW_INTERNAL_FAILURE;
        return NULL;
    }
    char *place = pointer ? sw_guest(vm, pointer, length) : NULL;
    if (!place) return NULL; /* the guest is out of memory, or its allocator lies */
    sw_guest_put_u32(vm, data_out, pointer);
    sw_guest_put_u32(vm, length_out, length);
    *status = SW_OK;
    return place;
}

int32_t sw_guest_give(sw_vm *vm, const char *data, size_t length, uint32_t data_out, uint32_t length_out) {
    if (length == 0) /* nothing to own: no allocation, as in Envoy */
        return sw_guest_put_u32(vm, data_out, 0) && sw_guest_put_u32(vm, length_out, 0) ? SW_OK
                                                                                          : SW_INVALID_MEMORY_ACCESS;
    if (length > UINT32_MAX) return SW_INTERNAL_FAILURE;
    int32_t status;
    char *place = sw_guest_allocate(vm, (uint32_t)length, data_out, length_out, &status);
    if (place) memcpy(place, data, length);
    return status;
}
