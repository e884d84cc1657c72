/* Host calls for shared data. What the memory store holds is served here; other stores are Python's. */
#include "hostcalls.h"
#include "shared_data.h"
#include "shared_calls.h"

void sw_vm_share(sw_vm *vm, sw_shared_data *data) {
    if (data) sw_shared_data_retain(data);
    sw_shared_data_release(vm->shared_data);
    vm->shared_data = data;
}

static int32_t give_value(sw_vm *vm, const char *value, size_t length, uint32_t cas, const wasmtime_val_raw_t *a) {
    int32_t status = sw_guest_give(vm, value, length, sw_argument(a, 2), sw_argument(a, 3));
    if (status != SW_OK) return status;
    return sw_guest_put_u32(vm, sw_argument(a, 4), cas) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

static int32_t get_from_python(sw_vm *vm, const char *key, uint32_t key_length, const wasmtime_val_raw_t *a) {
    sw_buffer value = {0};
    uint32_t cas = 0;
    int32_t status = sw_call_get_shared_data(vm->serial, key, key_length, &value, &cas);
    if (status == SW_OK) status = give_value(vm, sw_buffer_bytes(&value), value.length, cas, a);
    sw_buffer_free(&value);
    return status;
}

SW_HOSTCALL(proxy_get_shared_data) {
    uint32_t key_length = sw_argument(a, 1);
    const char *key = sw_guest(vm, sw_argument(a, 0), key_length);
    for (int out = 2; out <= 4; out++)
        if (!sw_guest(vm, sw_argument(a, out), 4)) return SW_INVALID_MEMORY_ACCESS;
    if (!key) return SW_INVALID_MEMORY_ACCESS;
    if (!vm->shared_data) return get_from_python(vm, key, key_length, a);
    sw_shared_value *value = sw_shared_data_find(vm->shared_data, key, key_length);
    if (!value) return SW_NOT_FOUND;
    int32_t status = give_value(vm, value->bytes, value->length, value->cas, a);
    sw_shared_value_release(value);
    return status;
}

/* A null value (address and length 0) deletes, as in ngx_wasm_module; an empty one elsewhere is a value. */
SW_HOSTCALL(proxy_set_shared_data) {
    uint32_t key_length = sw_argument(a, 1), value_length = sw_argument(a, 3), cas = sw_argument(a, 4);
    const char *key = sw_guest(vm, sw_argument(a, 0), key_length);
    const char *value = sw_guest(vm, sw_argument(a, 2), value_length);
    if (!key || !value) return SW_INVALID_MEMORY_ACCESS;
    if (sw_argument(a, 2) == 0 && value_length == 0) value = NULL;
    if (!vm->shared_data) return sw_call_set_shared_data(vm->serial, key, key_length, value, value_length, cas);
    int32_t status = sw_shared_data_set(vm->shared_data, key, key_length, value, value_length, cas);
    if (status != SW_INTERNAL_FAILURE) return status;
    sw_call_shared_data_refused(vm->serial, key_length, value_length);
    return SW_CAS_MISMATCH; /* SDKs panic at any other */
}
