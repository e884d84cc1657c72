#include "delivery.h"

#include <stdlib.h>

sw_delivery *sw_delivery_new(void) { return calloc(1, sizeof(sw_delivery)); }

void sw_delivery_delete(sw_delivery *delivery) {
    if (!delivery) return;
    for (int i = 0; i < SW_DELIVERY_MAPS; i++) sw_headers_free(&delivery->maps[i]);
    for (int i = 0; i < SW_DELIVERY_BUFFERS; i++) sw_buffer_free(&delivery->buffers[i]);
    sw_buffer_free(&delivery->message);
    free(delivery);
}

void sw_delivery_clear(sw_delivery *delivery) {
    for (int i = 0; i < SW_DELIVERY_MAPS; i++) {
        sw_headers_clear(&delivery->maps[i]);
        delivery->has_map[i] = false;
    }
    for (int i = 0; i < SW_DELIVERY_BUFFERS; i++) {
        sw_buffer_clear(&delivery->buffers[i]);
        delivery->has_buffer[i] = false;
    }
    sw_buffer_clear(&delivery->message);
    delivery->status = 0;
}

/* The index of a map or buffer by its type; -1 = deliveries have none of that type. */
static int map_index(uint32_t type) {
    bool is_delivered = type >= SW_MAP_GRPC_CALL_INITIAL_METADATA && type <= SW_MAP_HTTP_CALL_RESPONSE_TRAILERS;
    return is_delivered ? (int)(type - SW_MAP_GRPC_CALL_INITIAL_METADATA) : -1;
}

static int buffer_index(uint32_t type) {
    switch (type) {
    case SW_BUFFER_HTTP_CALL_RESPONSE_BODY: return 0;
    case SW_BUFFER_GRPC_CALL_MESSAGE: return 1;
    case SW_BUFFER_FOREIGN_FUNCTION_ARGUMENTS: return 2;
    default: return -1;
    }
}

sw_headers *sw_delivery_map(sw_delivery *delivery, uint32_t type) {
    int index = map_index(type);
    if (index < 0) return NULL;
    delivery->has_map[index] = true;
    return &delivery->maps[index];
}

int sw_delivery_append(sw_delivery *delivery, uint32_t type, const char *data, size_t length) {
    int index = buffer_index(type);
    if (index < 0 || !sw_buffer_append(&delivery->buffers[index], data, length)) return -1;
    delivery->has_buffer[index] = true;
    return 0;
}

int sw_delivery_set_status(sw_delivery *delivery, uint32_t status, const char *message, size_t length) {
    sw_buffer_clear(&delivery->message);
    delivery->status = status;
    return sw_buffer_append(&delivery->message, message, length) ? 0 : -1;
}

size_t sw_delivery_length(const sw_delivery *delivery, uint32_t type) {
    int index = buffer_index(type);
    return index < 0 ? 0 : delivery->buffers[index].length;
}

static size_t fields_in(const sw_delivery *delivery, uint32_t type) {
    int index = map_index(type);
    return index < 0 ? 0 : delivery->maps[index].count;
}

int sw_vm_deliver(sw_vm *vm, uint16_t callback, sw_context *context, const sw_delivery *delivery, const uint32_t *arguments) {
    const sw_delivery *outer = vm->delivery;
    vm->delivery = delivery;
    int failed = sw_vm_call(vm, callback, context, arguments, NULL);
    vm->delivery = outer;
    return failed;
}

static uint32_t clip(size_t size) { return size > INT32_MAX ? INT32_MAX : (uint32_t)size; }

uint32_t sw_deliver_http_call(sw_context *root, sw_delivery *delivery, uint32_t token) {
    uint32_t arguments[SW_MOST_PARAMETERS] = {root->id, token};
    if (delivery->status == 0) {
        delivery->has_buffer[buffer_index(SW_BUFFER_HTTP_CALL_RESPONSE_BODY)] = true;
        arguments[2] = clip(fields_in(delivery, SW_MAP_HTTP_CALL_RESPONSE_HEADERS));
        arguments[3] = clip(sw_delivery_length(delivery, SW_BUFFER_HTTP_CALL_RESPONSE_BODY));
        arguments[4] = clip(fields_in(delivery, SW_MAP_HTTP_CALL_RESPONSE_TRAILERS));
    }
    int failed = !root->vm || sw_vm_deliver(root->vm, SW_PROXY_ON_HTTP_CALL_RESPONSE, root, delivery, arguments);
    sw_delivery_clear(delivery);
    return (failed ? SW_VM_DIED : 0u) | sw_attention();
}

const sw_headers *sw_delivered_map(const sw_vm *vm, uint32_t type) {
    int index = map_index(type);
    return vm->delivery && index >= 0 && vm->delivery->has_map[index] ? &vm->delivery->maps[index] : NULL;
}

const sw_buffer *sw_delivered_buffer(const sw_vm *vm, uint32_t type) {
    int index = buffer_index(type);
    return vm->delivery && index >= 0 && vm->delivery->has_buffer[index] ? &vm->delivery->buffers[index] : NULL;
}
