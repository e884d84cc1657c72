/* The entries of shared data: a hash table whose entries are also in the order of their last use. For shared_data.c, which
 * holds the lock around all of these. */
#pragma once
#include <pthread.h>

#include "shared_data.h"

typedef struct sw_entry {
    struct sw_entry *next;            /* in its bucket */
    struct sw_entry *older, *younger; /* by last use */
    uint64_t hash, expires_ms;     /* 0 = never */
    sw_shared_value *value;
    size_t key_length;
    char key[];
} sw_entry;

struct sw_shared_data {
    uint32_t references; /* atomic */
    pthread_mutex_t lock;
    sw_entry **buckets;
    size_t buckets_count, count, size, max_size;
    uint64_t ttl_ms, evictions, time_ms;
    bool has_time;
    uint32_t last_cas;
    uint64_t seed[2];
    sw_entry *oldest, *youngest;
};

/* Milliseconds of a clock that only goes on, or the time that a test has set. */
uint64_t sw_entries_now_ms(const sw_shared_data *data);
/* What an entry counts for against the limit. */
size_t sw_entries_cost(size_t key_length, size_t value_length);
/* The place of the key's entry, or where it would be; one whose time is over is removed. */
sw_entry **sw_entries_live_place(sw_shared_data *data, uint64_t hash, const char *key, size_t length);
void sw_entries_remove_at(sw_shared_data *data, sw_entry **place);
/* Removes those of longest ago until the rest is within the limit. */
void sw_entries_make_room(sw_shared_data *data);
void sw_entries_note_use(sw_shared_data *data, sw_entry *e);
/* Each makes the entry the youngest, and takes the value over; false: there is no memory, and the value is the caller's. */
bool sw_entries_add(sw_shared_data *data, uint64_t hash, const char *key, size_t key_length, sw_shared_value *value);
bool sw_entries_replace(sw_shared_data *data, sw_entry *e, sw_shared_value *value);
