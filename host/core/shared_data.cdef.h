/* Shared data and queues: see shared_data.h, calls_shared_data.c and calls_shared_queue.c. */
typedef struct sw_shared_data sw_shared_data;
typedef struct sw_shared_value sw_shared_value;

sw_shared_data *sw_shared_data_new(size_t max_size, uint64_t ttl_ms);
void sw_shared_data_release(sw_shared_data *data);
void sw_shared_data_limit(sw_shared_data *data, size_t max_size, uint64_t ttl_ms);
void sw_shared_data_set_time(sw_shared_data *data, uint64_t now_ms);
int32_t sw_shared_data_set(sw_shared_data *data, const char *key, size_t key_length, const char *value, size_t value_length, uint32_t cas);
bool sw_shared_data_expire(sw_shared_data *data, const char *key, size_t key_length, uint64_t ttl_ms);
sw_shared_value *sw_shared_data_find(sw_shared_data *data, const char *key, size_t key_length);
void sw_shared_value_release(sw_shared_value *value);
const char *sw_shared_value_read(const sw_shared_value *value, size_t *length, uint32_t *cas);
size_t sw_shared_data_count(sw_shared_data *data);
size_t sw_shared_data_size(sw_shared_data *data);
uint64_t sw_shared_data_evictions(sw_shared_data *data);
sw_shared_value *sw_shared_data_keys(sw_shared_data *data);
bool sw_buffer_append(sw_buffer *buffer, const char *data, size_t length);
/* The VM's shared data are these from now on, and are served in C. */
void sw_vm_share(sw_vm *vm, sw_shared_data *data);

/* What is not served in C. `vm` is the VM's serial; a `value` of NULL deletes; each returns a Status. */
extern "Python+C" int32_t sw_call_get_shared_data(uint32_t vm, const char *key, size_t key_length, sw_buffer *value, uint32_t *cas);
extern "Python+C" int32_t sw_call_set_shared_data(uint32_t vm, const char *key, size_t key_length, const char *value, size_t value_length, uint32_t cas);
/* A value that was set in C is larger than all shared data of its vm_id may be. */
extern "Python+C" void sw_call_shared_data_refused(uint32_t vm, size_t key_length, size_t value_length);
extern "Python+C" int32_t sw_call_register_shared_queue(uint32_t vm, uint32_t root, const char *name, size_t name_length, uint32_t *queue);
extern "Python+C" int32_t sw_call_resolve_shared_queue(uint32_t vm, const char *vm_id, size_t vm_id_length, const char *name, size_t name_length, uint32_t *queue);
extern "Python+C" int32_t sw_call_enqueue_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length);
extern "Python+C" int32_t sw_call_dequeue_shared_queue(uint32_t vm, uint32_t queue, sw_buffer *item);
/* An item that the guest could not take, back to where it was. */
extern "Python+C" void sw_call_put_back_shared_queue(uint32_t vm, uint32_t queue, const char *item, size_t length);
