#define _GNU_SOURCE /* the coarse clock, which costs no more than a read */
#include "shared_entries.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t sw_entries_now_ms(const sw_shared_data *data) {
    if (data->has_time) return data->time_ms;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

size_t sw_entries_cost(size_t key_length, size_t value_length) {
    return key_length + value_length + SW_SHARED_ENTRY_COST;
}

static void take_out_of_order(sw_shared_data *data, sw_entry *e) {
    *(e->older ? &e->older->younger : &data->oldest) = e->younger;
    *(e->younger ? &e->younger->older : &data->youngest) = e->older;
}

static void put_youngest(sw_shared_data *data, sw_entry *e) {
    e->older = data->youngest;
    e->younger = NULL;
    *(data->youngest ? &data->youngest->younger : &data->oldest) = e;
    data->youngest = e;
}

void sw_entries_note_use(sw_shared_data *data, sw_entry *e) {
    if (data->youngest == e) return;
    take_out_of_order(data, e);
    put_youngest(data, e);
}

static sw_entry **place_of(const sw_shared_data *data, uint64_t hash, const char *key, size_t length) {
    sw_entry **place = &data->buckets[hash & (data->buckets_count - 1)];
    while (*place && !((*place)->hash == hash && (*place)->key_length == length &&
                       (length == 0 || !memcmp((*place)->key, key, length))))
        place = &(*place)->next;
    return place;
}

void sw_entries_remove_at(sw_shared_data *data, sw_entry **place) {
    sw_entry *e = *place;
    *place = e->next;
    take_out_of_order(data, e);
    data->count--;
    data->size -= sw_entries_cost(e->key_length, e->value->length);
    sw_shared_value_release(e->value);
    free(e);
}

sw_entry **sw_entries_live_place(sw_shared_data *data, uint64_t hash, const char *key, size_t length) {
    sw_entry **place = place_of(data, hash, key, length);
    if (*place && (*place)->expires_ms && (*place)->expires_ms <= sw_entries_now_ms(data)) {
        sw_entries_remove_at(data, place);
        return place_of(data, hash, key, length);
    }
    return place;
}

void sw_entries_make_room(sw_shared_data *data) {
    while (data->size > data->max_size && data->oldest) {
        sw_entry *e = data->oldest;
        sw_entries_remove_at(data, place_of(data, e->hash, e->key, e->key_length));
        data->evictions++;
    }
}

/* A table that cannot grow stays as it is: it is slower then, not wrong. */
static void grow(sw_shared_data *data) {
    size_t count = data->buckets_count * 2;
    sw_entry **buckets = calloc(count, sizeof *buckets);
    if (!buckets) return;
    for (size_t i = 0; i < data->buckets_count; i++)
        for (sw_entry *e = data->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (count - 1)];
            buckets[e->hash & (count - 1)] = e;
        }
    free(data->buckets);
    data->buckets = buckets;
    data->buckets_count = count;
}

bool sw_entries_add(sw_shared_data *data, uint64_t hash, const char *key, size_t key_length, sw_shared_value *value) {
    sw_entry *e = malloc(sizeof *e + key_length);
    if (!e) return false;
    if (data->count >= data->buckets_count) grow(data);
    *e = (sw_entry){.hash = hash, .value = value, .key_length = key_length};
    if (key_length) memcpy(e->key, key, key_length);
    sw_entry **bucket = &data->buckets[hash & (data->buckets_count - 1)];
    e->next = *bucket;
    *bucket = e;
    put_youngest(data, e);
    data->count++;
    data->size += sw_entries_cost(key_length, value->length);
    return true;
}

bool sw_entries_replace(sw_shared_data *data, sw_entry *e, sw_shared_value *value) {
    data->size += value->length - e->value->length; /* wraps and wraps back */
    sw_shared_value_release(e->value);
    e->value = value;
    sw_entries_note_use(data, e);
    return true;
}
