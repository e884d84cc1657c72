/* The shared data of one vm_id in this process: a bounded hash table, its entries in the order of their last use.
 *
 * VMs may start on any thread, so each operation takes a lock, for some dozens of nanoseconds. Values never change: a
 * reader keeps the one that it found while others replace it. It knows nothing of guests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated/abi.h"

typedef struct sw_shared_data sw_shared_data;

typedef struct sw_shared_value {
    uint32_t references; /* atomic */
    uint32_t cas;
    size_t length;
    char bytes[];
} sw_shared_value;

enum { SW_SHARED_ENTRY_COST = 96 }; /* bytes that an entry counts beside its key and value: what it takes here */

sw_shared_data *sw_shared_data_new(size_t max_size, uint64_t ttl_ms);
void sw_shared_data_retain(sw_shared_data *data);
void sw_shared_data_release(sw_shared_data *data);
/* From now on; what is there beyond it goes with the next entry that is set. A `ttl_ms` of 0: entries stay. */
void sw_shared_data_limit(sw_shared_data *data, size_t max_size, uint64_t ttl_ms);
/* Milliseconds of a clock that the caller moves, instead of the system's; for tests. */
void sw_shared_data_set_time(sw_shared_data *data, uint64_t now_ms);

/* The value, to be given back by sw_shared_value_release; NULL when there is none. */
sw_shared_value *sw_shared_data_find(sw_shared_data *data, const char *key, size_t key_length);
void sw_shared_value_release(sw_shared_value *value);
/* `value` NULL deletes. OK; CAS_MISMATCH when the key is there with another cas and `cas` is not 0; INTERNAL_FAILURE when
 * the entry alone is larger than all entries may be, or memory is out. */
int32_t sw_shared_data_set(sw_shared_data *data, const char *key, size_t key_length, const char *value,
                           size_t value_length, uint32_t cas);
/* Lets the entry live that long from now on; 0: for ever. False when there is none. */
bool sw_shared_data_expire(sw_shared_data *data, const char *key, size_t key_length, uint64_t ttl_ms);

/* Python's face. */
const char *sw_shared_value_read(const sw_shared_value *value, size_t *length, uint32_t *cas);
size_t sw_shared_data_count(sw_shared_data *data);
size_t sw_shared_data_size(sw_shared_data *data);
uint64_t sw_shared_data_evictions(sw_shared_data *data);
/* All keys, least recently used first, each behind its length of 4 bytes. NULL when memory is out. */
sw_shared_value *sw_shared_data_keys(sw_shared_data *data);
