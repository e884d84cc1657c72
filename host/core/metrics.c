#define _GNU_SOURCE
#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Untouched pages of the mapping take no memory: the areas have room for the worst case. */
enum {
    MAGIC_BYTES = 8,
    RECORD_HEAD = 16,
    RECORDS_AT = 64,
    RECORDS_SIZE = SW_MOST_METRICS * (RECORD_HEAD + SW_LONGEST_METRIC_NAME + SW_LONGEST_METRIC_OWNER),
    MOST_SLOTS = (SW_MOST_METRICS + SW_METRIC_TYPES) * SW_HISTOGRAM_SLOTS,
    SLOTS_AT = RECORDS_AT + RECORDS_SIZE,
    TABLE_SIZE = 2 * SW_MOST_METRICS,
};
static const char magic[MAGIC_BYTES + 1] = "SWMETR01";

const double sw_histogram_bounds[SW_HISTOGRAM_BOUNDS] = {
    0.5,  1,    5,    10,    25,    50,     100,    250,     500,     1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
};

/* The file begins with the magic, the bytes of records in use, and the slots in use. A record is a head, the owner's name
 * and the metric's, padded to 8 bytes. Its slots follow those of the record before. */
typedef struct {
    uint32_t size;          /* of the whole record */
    uint32_t type;
    uint32_t owner_length, name_length;
} record;
_Static_assert(sizeof(record) == RECORD_HEAD, "host/metrics/layout.py reads this");

typedef struct { uint32_t record, slot; } entry;
typedef struct { char name[SW_LONGEST_METRIC_OWNER]; uint32_t length, count; } account;

struct sw_metrics {
    char *bytes;
    atomic_uint references;
    pthread_mutex_t lock;        /* of what follows, and of new records */
    uint32_t count;
    entry entries[SW_MOST_METRICS + SW_METRIC_TYPES];
    uint32_t table[TABLE_SIZE];  /* open addressing by type and name: index + 1 */
    account *accounts;
    uint32_t accounts_count;
};

static atomic_ullong *header(const sw_metrics *metrics, int number) {
    return (atomic_ullong *)(void *)(metrics->bytes + MAGIC_BYTES + 8 * number);
}
static atomic_ullong *slot(const sw_metrics *metrics, uint32_t number) {
    return (atomic_ullong *)(void *)(metrics->bytes + SLOTS_AT + 8 * (size_t)number);
}
static atomic_ullong *slot_of(const sw_metrics *metrics, uint32_t index) {
    return slot(metrics, metrics->entries[index].slot);
}
static record *record_at(const sw_metrics *metrics, uint32_t at) {
    return (record *)(void *)(metrics->bytes + RECORDS_AT + at);
}
static uint32_t slots_of(uint32_t type) { return type == SW_HISTOGRAM ? SW_HISTOGRAM_SLOTS : 1; }

size_t sw_metrics_size(void) { return SLOTS_AT + 8 * (size_t)MOST_SLOTS; }

static uint32_t hash(uint32_t type, const char *name, size_t length) { /* FNV-1a */
    uint32_t value = 2166136261u ^ type;
    for (size_t i = 0; i < length; i++) value = (value ^ (unsigned char)name[i]) * 16777619u;
    return value;
}

/* Where the metric is in the table, or the free place where it belongs: the table is never more than half full. */
static uint32_t place_of(const sw_metrics *metrics, uint32_t type, bool is_owned, const char *name, size_t length) {
    uint32_t at = hash(type, name, length) % TABLE_SIZE;
    for (; metrics->table[at]; at = (at + 1) % TABLE_SIZE) {
        const record *each = record_at(metrics, metrics->entries[metrics->table[at] - 1].record);
        if (each->type == type && each->name_length == length && (each->owner_length != 0) == is_owned &&
            !memcmp((const char *)(each + 1) + each->owner_length, name, length))
            break;
    }
    return at;
}

static account *account_of(sw_metrics *metrics, const char *owner, uint32_t length) {
    for (uint32_t i = 0; i < metrics->accounts_count; i++) {
        account *each = &metrics->accounts[i];
        if (each->length == length && !memcmp(each->name, owner, length)) return each;
    }
    account *more = realloc(metrics->accounts, (metrics->accounts_count + 1) * sizeof *more);
    if (!more) return NULL;
    metrics->accounts = more;
    account *new = &more[metrics->accounts_count++];
    memcpy(new->name, owner, length);
    new->length = length;
    new->count = 0;
    return new;
}

static void enter(sw_metrics *metrics, uint32_t at, uint32_t slot) {
    const record *new = record_at(metrics, at);
    const char *owner = (const char *)(new + 1);
    metrics->entries[metrics->count] = (entry){at, slot};
    uint32_t place = place_of(metrics, new->type, new->owner_length != 0, owner + new->owner_length, new->name_length);
    metrics->table[place] = ++metrics->count;
    account *account = account_of(metrics, owner, new->owner_length);
    if (account) account->count++;
}

/* Takes over what an earlier worker has left. What makes no sense is not taken over, nor what follows it. */
static void take_over(sw_metrics *metrics) {
    if (memcmp(metrics->bytes, magic, MAGIC_BYTES)) {
        memset(metrics->bytes, 0, RECORDS_AT);
        memcpy(metrics->bytes, magic, MAGIC_BYTES);
        atomic_store(header(metrics, 1), SW_METRIC_TYPES * SW_HISTOGRAM_SLOTS);
    }
    uint32_t at = 0, next_slot = SW_METRIC_TYPES * SW_HISTOGRAM_SLOTS;
    uint64_t used = atomic_load(header(metrics, 0));
    while (used <= RECORDS_SIZE && at < used && used - at >= RECORD_HEAD && metrics->count < SW_MOST_METRICS) {
        const record *each = record_at(metrics, at);
        bool is_sound = each->type < SW_METRIC_TYPES && each->owner_length <= SW_LONGEST_METRIC_OWNER &&
                        each->name_length <= SW_LONGEST_METRIC_NAME && each->size % 8 == 0 && each->size <= used - at &&
                        each->size >= RECORD_HEAD + each->owner_length + each->name_length;
        if (!is_sound) break;
        enter(metrics, at, next_slot);
        if (each->type == SW_GAUGE) atomic_store(slot(metrics, next_slot), 0);
        next_slot += slots_of(each->type);
        at += each->size;
    }
    atomic_store(header(metrics, 0), at);
    atomic_store(header(metrics, 1), next_slot);
    /* The first slots are of what is shown to nobody. */
    for (uint32_t type = 0; type < SW_METRIC_TYPES; type++)
        metrics->entries[SW_MOST_METRICS + type].slot = type * SW_HISTOGRAM_SLOTS;
}

sw_metrics *sw_metrics_new(int file) {
    sw_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics) return NULL;
    int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    metrics->bytes = mmap(NULL, sw_metrics_size(), PROT_READ | PROT_WRITE, flags, file, 0);
    if (metrics->bytes == MAP_FAILED) {
        free(metrics);
        return NULL;
    }
    metrics->references = 1;
    pthread_mutex_init(&metrics->lock, NULL);
    take_over(metrics);
    return metrics;
}

void sw_metrics_retain(sw_metrics *metrics) { atomic_fetch_add_explicit(&metrics->references, 1, memory_order_relaxed); }

void sw_metrics_release(sw_metrics *metrics) {
    if (!metrics || atomic_fetch_sub_explicit(&metrics->references, 1, memory_order_acq_rel) != 1) return;
    munmap(metrics->bytes, sw_metrics_size());
    pthread_mutex_destroy(&metrics->lock);
    free(metrics->accounts);
    free(metrics);
}

/* Another worker may be reading: it sees a record whole or not at all. */
static uint32_t append(sw_metrics *metrics, uint32_t type, const char *owner, uint32_t owner_length, const char *name,
                       uint32_t name_length) {
    uint32_t at = (uint32_t)atomic_load(header(metrics, 0)), slots = (uint32_t)atomic_load(header(metrics, 1));
    uint32_t size = (RECORD_HEAD + owner_length + name_length + 7) & ~7u;
    if (metrics->count == SW_MOST_METRICS || size > RECORDS_SIZE - at) return SW_MOST_METRICS + type;
    record *new = record_at(metrics, at);
    *new = (record){size, type, owner_length, name_length};
    memcpy((char *)(new + 1), owner, owner_length);
    memcpy((char *)(new + 1) + owner_length, name, name_length);
    for (uint32_t i = 0; i < slots_of(type); i++) atomic_store(slot(metrics, slots + i), 0);
    enter(metrics, at, slots);
    atomic_store(header(metrics, 1), slots + slots_of(type));
    atomic_store(header(metrics, 0), at + size);
    return metrics->count - 1;
}

uint32_t sw_metrics_define(sw_metrics *metrics, uint32_t type, const char *owner, size_t owner_length, const char *name,
                           size_t name_length, uint32_t most) {
    if (owner_length > SW_LONGEST_METRIC_OWNER) owner_length = SW_LONGEST_METRIC_OWNER;
    if (name_length > SW_LONGEST_METRIC_NAME) name_length = SW_LONGEST_METRIC_NAME;
    pthread_mutex_lock(&metrics->lock);
    uint32_t found = metrics->table[place_of(metrics, type, owner_length != 0, name, name_length)], index = SW_MOST_METRICS + type;
    if (found) {
        index = found - 1;
    } else {
        const account *account = account_of(metrics, owner, (uint32_t)owner_length);
        if (account && account->count < most)
            index = append(metrics, type, owner, (uint32_t)owner_length, name, (uint32_t)name_length);
    }
    pthread_mutex_unlock(&metrics->lock);
    return index;
}

uint32_t sw_metrics_type(const sw_metrics *metrics, uint32_t index) {
    if (sw_metrics_is_overflow(index)) return index - SW_MOST_METRICS;
    return record_at(metrics, metrics->entries[index].record)->type;
}

void sw_metrics_add(sw_metrics *metrics, uint32_t index, uint64_t value) {
    atomic_fetch_add_explicit(slot_of(metrics, index), value, memory_order_relaxed);
}

void sw_metrics_set(sw_metrics *metrics, uint32_t index, uint64_t value) {
    atomic_store_explicit(slot_of(metrics, index), value, memory_order_relaxed);
}

void sw_metrics_sample(sw_metrics *metrics, uint32_t index, uint64_t value) {
    uint32_t bucket = 0;
    while (bucket < SW_HISTOGRAM_BOUNDS && (double)value > sw_histogram_bounds[bucket]) bucket++;
    atomic_ullong *first = slot_of(metrics, index);
    atomic_fetch_add_explicit(first + bucket, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(first + SW_HISTOGRAM_BOUNDS + 1, value, memory_order_relaxed);
}

uint64_t sw_metrics_value(const sw_metrics *metrics, uint32_t index) {
    return atomic_load_explicit(slot_of(metrics, index), memory_order_relaxed);
}

const char *sw_metrics_bytes(const sw_metrics *metrics) { return metrics->bytes; }
