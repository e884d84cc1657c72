/* What host calls for shared data and queues ask of Python: functions that cffi makes. They never raise. */
#pragma once
#include "buffer.h"

int32_t sw_call_get_shared_data(uint32_t vm, const char *key, size_t key_length, sw_buffer *value, uint32_t *cas);
int32_t sw_call_set_shared_data(uint32_t vm, const char *key, size_t key_length, const char *value, size_t value_length,
                                uint32_t cas);
void sw_call_shared_data_refused(uint32_t vm, size_t key_length, size_t value_length);
int32_t sw_call_register_shared_queue(uint32_t vm, uint32_t root, const char *name, size_t name_length, uint32_t *queue);
int32_t sw_call_resolve_shared_queue(uint32_t vm, const char *vm_id, size_t vm_id_length, const char *name,
                                     size_t name_length, uint32_t *queue);
int32_t sw_call_enqueue_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length);
int32_t sw_call_dequeue_shared_queue(uint32_t vm, uint32_t queue, sw_buffer *item);
void sw_call_put_back_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length);
