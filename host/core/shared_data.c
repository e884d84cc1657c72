#include "shared_data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "buffer.h"
#include "shared_entries.h"
#include "siphash.h"

enum { FIRST_BUCKETS = 64 };

static sw_shared_value *new_value(const char *bytes, size_t length) {
    if (length > SIZE_MAX / 2) return NULL;
    sw_shared_value *value = malloc(sizeof *value + length);
    if (!value) return NULL;
    value->references = 1;
    value->length = length;
    if (length) memcpy(value->bytes, bytes, length);
    return value;
}

void sw_shared_value_release(sw_shared_value *value) {
    if (value && __atomic_sub_fetch(&value->references, 1, __ATOMIC_ACQ_REL) == 0) free(value);
}

static uint32_t next_cas(sw_shared_data *data) {
    if (++data->last_cas == 0) data->last_cas = 1; /* 0 says "whatever is there" */
    return data->last_cas;
}

sw_shared_data *sw_shared_data_new(size_t max_size, uint64_t ttl_ms) {
    sw_shared_data *data = calloc(1, sizeof *data);
    if (!data) return NULL;
    data->buckets = calloc(FIRST_BUCKETS, sizeof *data->buckets);
    if (!data->buckets || getrandom(data->seed, sizeof data->seed, 0) != (ssize_t)sizeof data->seed ||
        pthread_mutex_init(&data->lock, NULL)) {
        free(data->buckets);
        free(data);
        return NULL;
    }
    data->buckets_count = FIRST_BUCKETS;
    data->references = 1;
    data->max_size = max_size;
    data->ttl_ms = ttl_ms;
    return data;
}

void sw_shared_data_retain(sw_shared_data *data) { __atomic_add_fetch(&data->references, 1, __ATOMIC_RELAXED); }

void sw_shared_data_release(sw_shared_data *data) {
    if (!data || __atomic_sub_fetch(&data->references, 1, __ATOMIC_ACQ_REL)) return;
    data->max_size = 0;
    sw_entries_make_room(data);
    pthread_mutex_destroy(&data->lock);
    free(data->buckets);
    free(data);
}

void sw_shared_data_limit(sw_shared_data *data, size_t max_size, uint64_t ttl_ms) {
    pthread_mutex_lock(&data->lock);
    data->max_size = max_size;
    data->ttl_ms = ttl_ms;
    pthread_mutex_unlock(&data->lock);
}

void sw_shared_data_set_time(sw_shared_data *data, uint64_t now) {
    pthread_mutex_lock(&data->lock);
    data->has_time = true;
    data->time_ms = now;
    pthread_mutex_unlock(&data->lock);
}

sw_shared_value *sw_shared_data_find(sw_shared_data *data, const char *key, size_t key_length) {
    uint64_t hash = sw_siphash(data->seed, key, key_length);
    pthread_mutex_lock(&data->lock);
    sw_entry *e = *sw_entries_live_place(data, hash, key, key_length);
    sw_shared_value *value = e ? e->value : NULL;
    if (e) {
        __atomic_add_fetch(&value->references, 1, __ATOMIC_RELAXED);
        sw_entries_note_use(data, e);
    }
    pthread_mutex_unlock(&data->lock);
    return value;
}

int32_t sw_shared_data_set(sw_shared_data *data, const char *key, size_t key_length, const char *value,
                           size_t value_length, uint32_t cas) {
    uint64_t hash = sw_siphash(data->seed, key, key_length);
    sw_shared_value *made = value ? new_value(value, value_length) : NULL;
    if (value && !made) return SW_INTERNAL_FAILURE;
    pthread_mutex_lock(&data->lock);
    sw_entry **place = sw_entries_live_place(data, hash, key, key_length);
    int32_t status = SW_OK;
    if (*place && cas && (*place)->value->cas != cas)
        status = SW_CAS_MISMATCH;
    else if (!value) {
        if (*place) sw_entries_remove_at(data, place);
    } else if (sw_entries_cost(key_length, value_length) > data->max_size)
        status = SW_INTERNAL_FAILURE;
    else {
        sw_entry *e = *place;
        if (e ? sw_entries_replace(data, e, made) : sw_entries_add(data, hash, key, key_length, made)) {
            made->cas = next_cas(data);
            data->youngest->expires_ms = data->ttl_ms ? sw_entries_now_ms(data) + data->ttl_ms : 0;
            made = NULL;
            sw_entries_make_room(data);
        } else
            status = SW_INTERNAL_FAILURE;
    }
    pthread_mutex_unlock(&data->lock);
    sw_shared_value_release(made);
    return status;
}

bool sw_shared_data_expire(sw_shared_data *data, const char *key, size_t key_length, uint64_t ttl_ms) {
    uint64_t hash = sw_siphash(data->seed, key, key_length);
    pthread_mutex_lock(&data->lock);
    sw_entry *e = *sw_entries_live_place(data, hash, key, key_length);
    if (e) e->expires_ms = ttl_ms ? sw_entries_now_ms(data) + ttl_ms : 0;
    pthread_mutex_unlock(&data->lock);
    return e;
}

const char *sw_shared_value_read(const sw_shared_value *value, size_t *length, uint32_t *cas) {
    *length = value->length;
    *cas = value->cas;
    return value->bytes;
}

size_t sw_shared_data_count(sw_shared_data *data) {
    pthread_mutex_lock(&data->lock);
    size_t count = data->count;
    pthread_mutex_unlock(&data->lock);
    return count;
}

size_t sw_shared_data_size(sw_shared_data *data) {
    pthread_mutex_lock(&data->lock);
    size_t size = data->size;
    pthread_mutex_unlock(&data->lock);
    return size;
}

uint64_t sw_shared_data_evictions(sw_shared_data *data) {
    pthread_mutex_lock(&data->lock);
    uint64_t evictions = data->evictions;
    pthread_mutex_unlock(&data->lock);
    return evictions;
}

sw_shared_value *sw_shared_data_keys(sw_shared_data *data) {
    sw_buffer keys = {0};
    pthread_mutex_lock(&data->lock);
    bool done = true;
    for (sw_entry *e = data->oldest; e && done; e = e->younger) {
        if (e->expires_ms && e->expires_ms <= sw_entries_now_ms(data)) continue;
        uint32_t length = (uint32_t)e->key_length; /* keys come from 32-bit guests */
        done = sw_buffer_append(&keys, (const char *)&length, sizeof length) && sw_buffer_append(&keys, e->key, length);
    }
    pthread_mutex_unlock(&data->lock);
    sw_shared_value *all = done ? new_value(sw_buffer_bytes(&keys), keys.length) : NULL;
    sw_buffer_free(&keys);
    return all;
}
