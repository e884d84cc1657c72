/* Python's part of host calls for shared data and queues, played: any answer, any bytes. */
#include "harness.h"
#include "shared_calls.h"

static int32_t answer_with(sw_buffer *bytes) {
    static const char text[] = "some bytes of a value, more than fit in a register";
    for (size_t i = chance(4); i; i--)
        if (!sw_buffer_append(bytes, text, chance(sizeof text))) return SW_INTERNAL_FAILURE;
    return one_in(3) ? SW_NOT_FOUND : SW_OK;
}

/* Every byte of a range that the core passes on can be read. */
static void read_all(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) CHECK(bytes[i] || !bytes[i]);
}

int32_t sw_call_get_shared_data(uint32_t vm, const char *key, size_t key_length, sw_buffer *value, uint32_t *cas) {
    (void)vm;
    read_all(key, key_length);
    *cas = 1;
    return answer_with(value);
}

int32_t sw_call_set_shared_data(uint32_t vm, const char *key, size_t key_length, const char *value, size_t value_length,
                                uint32_t cas) {
    (void)vm;
    read_all(key, key_length);
    read_all(value, value_length);
    return cas == 3 ? SW_CAS_MISMATCH : SW_OK;
}

void sw_call_shared_data_refused(uint32_t vm, size_t key_length, size_t value_length) {
    (void)vm;
    CHECK(key_length + value_length > 0 || memory_fails_one_in);
}

int32_t sw_call_register_shared_queue(uint32_t vm, uint32_t root, const char *name, size_t name_length, uint32_t *queue) {
    (void)vm, (void)root;
    read_all(name, name_length);
    *queue = 1;
    return one_in(4) ? SW_INTERNAL_FAILURE : SW_OK;
}

int32_t sw_call_resolve_shared_queue(uint32_t vm, const char *vm_id, size_t vm_id_length, const char *name,
                                     size_t name_length, uint32_t *queue) {
    (void)vm;
    read_all(vm_id, vm_id_length);
    read_all(name, name_length);
    *queue = 1;
    return one_in(4) ? SW_NOT_FOUND : SW_OK;
}

int32_t sw_call_enqueue_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length) {
    (void)vm;
    read_all(item, length);
    return queue == 1 ? SW_OK : SW_NOT_FOUND;
}

int32_t sw_call_dequeue_shared_queue(uint32_t vm, uint32_t queue, sw_buffer *item) {
    (void)vm, (void)queue;
    return answer_with(item);
}

void sw_call_put_back_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length) {
    (void)vm, (void)queue;
    read_all(item, length);
}
