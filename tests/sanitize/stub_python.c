/* What is Python's in the real core, for the program of threads, whose guests call none of it. */
#include "callouts.h"
#include "foreign.h"
#include "grpc.h"
#include "shared_calls.h"
#include "stream.h"

int32_t sw_call_native_filter(uint32_t owner, uint32_t filter, uint32_t event, uint64_t length, int32_t end_of_stream) {
    (void)owner, (void)filter, (void)event, (void)length, (void)end_of_stream;
    return 0;
}

int32_t sw_http_call(uint32_t vm, uint32_t root, const sw_http_request *request, uint32_t *token) {
    (void)vm, (void)root, (void)request, (void)token;
    return SW_UNIMPLEMENTED;
}

int32_t sw_call_foreign_function(uint32_t vm, uint32_t root, uint32_t context, int64_t stream, const char *name,
                                 size_t name_length, const char *arguments, size_t arguments_length, sw_buffer *result) {
    (void)vm, (void)root, (void)context, (void)stream, (void)name, (void)name_length, (void)arguments, (void)arguments_length;
    (void)result;
    return SW_NOT_FOUND;
}

int32_t sw_grpc_open(uint32_t vm, uint32_t root, const sw_grpc_request *request, uint32_t *token) {
    (void)vm, (void)root, (void)token;
    sw_headers_delete(request->metadata);
    return SW_UNIMPLEMENTED;
}
int32_t sw_grpc_send(uint32_t vm, uint32_t root, uint32_t token, const char *message, size_t length, bool end) {
    (void)vm, (void)root, (void)token, (void)message, (void)length, (void)end;
    return SW_NOT_FOUND;
}
int32_t sw_grpc_end(uint32_t vm, uint32_t root, uint32_t token, bool cancel) {
    (void)vm, (void)root, (void)token, (void)cancel;
    return SW_NOT_FOUND;
}

int32_t sw_call_get_shared_data(uint32_t vm, const char *key, size_t key_length, sw_buffer *value, uint32_t *cas) {
    (void)vm, (void)key, (void)key_length, (void)value, (void)cas;
    return SW_NOT_FOUND;
}
int32_t sw_call_set_shared_data(uint32_t vm, const char *key, size_t key_length, const char *value, size_t value_length,
                                uint32_t cas) {
    (void)vm, (void)key, (void)key_length, (void)value, (void)value_length, (void)cas;
    return SW_OK;
}
void sw_call_shared_data_refused(uint32_t vm, size_t key_length, size_t value_length) {
    (void)vm, (void)key_length, (void)value_length;
}
int32_t sw_call_register_shared_queue(uint32_t vm, uint32_t root, const char *name, size_t name_length, uint32_t *queue) {
    (void)vm, (void)root, (void)name, (void)name_length, (void)queue;
    return SW_OK;
}
int32_t sw_call_resolve_shared_queue(uint32_t vm, const char *vm_id, size_t vm_id_length, const char *name,
                                     size_t name_length, uint32_t *queue) {
    (void)vm, (void)vm_id, (void)vm_id_length, (void)name, (void)name_length, (void)queue;
    return SW_OK;
}
int32_t sw_call_enqueue_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length) {
    (void)vm, (void)queue, (void)item, (void)length;
    return SW_OK;
}
int32_t sw_call_dequeue_shared_queue(uint32_t vm, uint32_t queue, sw_buffer *item) {
    (void)vm, (void)queue, (void)item;
    return SW_EMPTY;
}
void sw_call_put_back_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length) {
    (void)vm, (void)queue, (void)item, (void)length;
}
