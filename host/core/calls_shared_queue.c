/* Host calls for shared queues. Python has the queues; here is what touches the guest. */
#include "hostcalls.h"
#include "shared_calls.h"

static int32_t give_id(sw_vm *vm, int32_t status, uint32_t id, uint32_t out) {
    if (status != SW_OK) return status;
    return sw_guest_put_u32(vm, out, id) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

/* For the plugin context of whichever context is effective: that is the one which is told of items. */
SW_HOSTCALL(proxy_register_shared_queue) {
    uint32_t length = sw_argument(a, 1), out = sw_argument(a, 2), id = 0;
    const char *name = sw_guest(vm, sw_argument(a, 0), length);
    if (!name || !sw_guest(vm, out, 4)) return SW_INVALID_MEMORY_ACCESS;
    if (!vm->effective) return SW_BAD_ARGUMENT;
    int32_t status = sw_call_register_shared_queue(vm->serial, vm->effective->root->id, name, length, &id);
    return give_id(vm, status, id, out);
}

SW_HOSTCALL(proxy_resolve_shared_queue) {
    uint32_t vm_id_length = sw_argument(a, 1), length = sw_argument(a, 3), out = sw_argument(a, 4), id = 0;
    const char *vm_id = sw_guest(vm, sw_argument(a, 0), vm_id_length), *name = sw_guest(vm, sw_argument(a, 2), length);
    if (!vm_id || !name || !sw_guest(vm, out, 4)) return SW_INVALID_MEMORY_ACCESS;
    int32_t status = sw_call_resolve_shared_queue(vm->serial, vm_id, vm_id_length, name, length, &id);
    return give_id(vm, status, id, out);
}

SW_HOSTCALL(proxy_enqueue_shared_queue) {
    uint32_t length = sw_argument(a, 2);
    const char *item = sw_guest(vm, sw_argument(a, 1), length);
    return item ? sw_call_enqueue_shared_queue(vm->serial, sw_argument(a, 0), item, length) : SW_INVALID_MEMORY_ACCESS;
}

/* The places for the result are looked at before an item is taken: one that the guest cannot take is not lost. */
SW_HOSTCALL(proxy_dequeue_shared_queue) {
    uint32_t queue = sw_argument(a, 0), data_out = sw_argument(a, 1), length_out = sw_argument(a, 2);
    if (!sw_guest(vm, data_out, 4) || !sw_guest(vm, length_out, 4)) return SW_INVALID_MEMORY_ACCESS;
    sw_buffer item = {0};
    int32_t status = sw_call_dequeue_shared_queue(vm->serial, queue, &item);
    if (status == SW_OK) {
        status = sw_guest_give(vm, sw_buffer_bytes(&item), item.length, data_out, length_out);
        if (status != SW_OK) sw_call_put_back_shared_queue(vm->serial, queue, sw_buffer_bytes(&item), item.length);
    }
    sw_buffer_free(&item);
    return status;
}
