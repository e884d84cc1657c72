#define _GNU_SOURCE /* the coarse clock, which costs no more than a read */
#include "shared_data.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "buffer.h"

enum { FIRST_BUCKETS = 64 };

typedef struct entry {
    struct entry *next;            /* in its bucket */
    struct entry *older, *younger; /* by last use */
    uint64_t hash, expires_ms;     /* 0 = never */
    sw_shared_value *value;
    size_t key_length;
    char key[];
} entry;

struct sw_shared_data {
    uint32_t references; /* atomic */
    pthread_mutex_t lock;
    entry **buckets;
    size_t buckets_count, count, size, max_size;
    uint64_t ttl_ms, evictions, time_ms;
    bool has_time;
    uint32_t last_cas;
    uint64_t seed[2];
    entry *oldest, *youngest;
};

/* --- values --- */

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

/* --- hash: SipHash-1-3 under a secret seed, as clients may choose what plugins make keys of --- */

static uint64_t turn(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static void mix(uint64_t v[4]) {
    v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
    v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
}

static uint64_t hash_of(const uint64_t seed[2], const char *key, size_t length) {
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                     seed[1] ^ 0x7465646279746573u};
    size_t whole = length & ~(size_t)7;
    uint64_t word;
    for (size_t at = 0; at < whole; at += 8) {
        memcpy(&word, key + at, 8);
        v[3] ^= word, mix(v), v[0] ^= word;
    }
    word = 0;
    if (length > whole) memcpy(&word, key + whole, length - whole);
    word |= (uint64_t)length << 56;
    v[3] ^= word, mix(v), v[0] ^= word;
    v[2] ^= 0xff, mix(v), mix(v), mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- entries --- */

static uint64_t now_ms(const sw_shared_data *data) {
    if (data->has_time) return data->time_ms;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t cost_of(size_t key_length, size_t value_length) {
    return key_length + value_length + SW_SHARED_ENTRY_COST;
}

static void take_out_of_order(sw_shared_data *data, entry *e) {
    *(e->older ? &e->older->younger : &data->oldest) = e->younger;
    *(e->younger ? &e->younger->older : &data->youngest) = e->older;
}

static void put_youngest(sw_shared_data *data, entry *e) {
    e->older = data->youngest;
    e->younger = NULL;
    *(data->youngest ? &data->youngest->younger : &data->oldest) = e;
    data->youngest = e;
}

static void note_use(sw_shared_data *data, entry *e) {
    if (data->youngest == e) return;
    take_out_of_order(data, e);
    put_youngest(data, e);
}

static entry **place_of(const sw_shared_data *data, uint64_t hash, const char *key, size_t length) {
    entry **place = &data->buckets[hash & (data->buckets_count - 1)];
    while (*place && !((*place)->hash == hash && (*place)->key_length == length &&
                       (length == 0 || !memcmp((*place)->key, key, length))))
        place = &(*place)->next;
    return place;
}

static void remove_at(sw_shared_data *data, entry **place) {
    entry *e = *place;
    *place = e->next;
    take_out_of_order(data, e);
    data->count--;
    data->size -= cost_of(e->key_length, e->value->length);
    sw_shared_value_release(e->value);
    free(e);
}

/* The place of the key's entry, or where it would be; one whose time is over is removed. */
static entry **live_place(sw_shared_data *data, uint64_t hash, const char *key, size_t length) {
    entry **place = place_of(data, hash, key, length);
    if (*place && (*place)->expires_ms && (*place)->expires_ms <= now_ms(data)) {
        remove_at(data, place);
        return place_of(data, hash, key, length);
    }
    return place;
}

static void make_room(sw_shared_data *data) {
    while (data->size > data->max_size && data->oldest) {
        entry *e = data->oldest;
        remove_at(data, place_of(data, e->hash, e->key, e->key_length));
        data->evictions++;
    }
}

/* A table that cannot grow stays as it is: it is slower then, not wrong. */
static void grow(sw_shared_data *data) {
    size_t count = data->buckets_count * 2;
    entry **buckets = calloc(count, sizeof *buckets);
    if (!buckets) return;
    for (size_t i = 0; i < data->buckets_count; i++)
        for (entry *e = data->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (count - 1)];
            buckets[e->hash & (count - 1)] = e;
        }
    free(data->buckets);
    data->buckets = buckets;
    data->buckets_count = count;
}

static uint32_t next_cas(sw_shared_data *data) {
    if (++data->last_cas == 0) data->last_cas = 1; /* 0 says "whatever is there" */
    return data->last_cas;
}

static bool add(sw_shared_data *data, uint64_t hash, const char *key, size_t key_length, sw_shared_value *value) {
    entry *e = malloc(sizeof *e + key_length);
    if (!e) return false;
    if (data->count >= data->buckets_count) grow(data);
    *e = (entry){.hash = hash, .value = value, .key_length = key_length};
    if (key_length) memcpy(e->key, key, key_length);
    entry **bucket = &data->buckets[hash & (data->buckets_count - 1)];
    e->next = *bucket;
    *bucket = e;
    put_youngest(data, e);
    data->count++;
    data->size += cost_of(key_length, value->length);
    return true;
}

static bool replace(sw_shared_data *data, entry *e, sw_shared_value *value) {
    data->size += value->length - e->value->length; /* wraps and wraps back */
    sw_shared_value_release(e->value);
    e->value = value;
    note_use(data, e);
    return true;
}

/* --- what others call --- */

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
    make_room(data);
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
    uint64_t hash = hash_of(data->seed, key, key_length);
    pthread_mutex_lock(&data->lock);
    entry *e = *live_place(data, hash, key, key_length);
    sw_shared_value *value = e ? e->value : NULL;
    if (e) {
        __atomic_add_fetch(&value->references, 1, __ATOMIC_RELAXED);
        note_use(data, e);
    }
    pthread_mutex_unlock(&data->lock);
    return value;
}

int32_t sw_shared_data_set(sw_shared_data *data, const char *key, size_t key_length, const char *value,
                           size_t value_length, uint32_t cas) {
    uint64_t hash = hash_of(data->seed, key, key_length);
    sw_shared_value *made = value ? new_value(value, value_length) : NULL;
    if (value && !made) return SW_INTERNAL_FAILURE;
    pthread_mutex_lock(&data->lock);
    entry **place = live_place(data, hash, key, key_length);
    int32_t status = SW_OK;
    if (*place && cas && (*place)->value->cas != cas)
        status = SW_CAS_MISMATCH;
    else if (!value) {
        if (*place) remove_at(data, place);
    } else if (cost_of(key_length, value_length) > data->max_size)
        status = SW_INTERNAL_FAILURE;
    else {
        entry *e = *place;
        if (e ? replace(data, e, made) : add(data, hash, key, key_length, made)) {
            made->cas = next_cas(data);
            data->youngest->expires_ms = data->ttl_ms ? now_ms(data) + data->ttl_ms : 0;
            made = NULL;
            make_room(data);
        } else
            status = SW_INTERNAL_FAILURE;
    }
    pthread_mutex_unlock(&data->lock);
    sw_shared_value_release(made);
    return status;
}

bool sw_shared_data_expire(sw_shared_data *data, const char *key, size_t key_length, uint64_t ttl_ms) {
    uint64_t hash = hash_of(data->seed, key, key_length);
    pthread_mutex_lock(&data->lock);
    entry *e = *live_place(data, hash, key, key_length);
    if (e) e->expires_ms = ttl_ms ? now_ms(data) + ttl_ms : 0;
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
    for (entry *e = data->oldest; e && done; e = e->younger) {
        if (e->expires_ms && e->expires_ms <= now_ms(data)) continue;
        uint32_t length = (uint32_t)e->key_length; /* keys come from 32-bit guests */
        done = sw_buffer_append(&keys, (const char *)&length, sizeof length) && sw_buffer_append(&keys, e->key, length);
    }
    pthread_mutex_unlock(&data->lock);
    sw_shared_value *all = done ? new_value(sw_buffer_bytes(&keys), keys.length) : NULL;
    sw_buffer_free(&keys);
    return all;
}
