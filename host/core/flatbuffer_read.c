/* Reading FlatBuffers: see flatbuffer.h. The bytes are another process's: each offset is checked where it is followed. */
#include "flatbuffer.h"

static uint32_t u16_at(const sw_flat_message *message, uint32_t at) {
    return message->data[at] | (uint32_t)message->data[at + 1] << 8;
}

static uint32_t u32_at(const sw_flat_message *message, uint32_t at) {
    return u16_at(message, at) | u16_at(message, at + 2) << 16;
}

/* Whether `size` bytes lie at `at`. */
static bool has(const sw_flat_message *message, uint32_t at, uint32_t size) {
    return at <= message->length && size <= message->length - at;
}

static bool malformed(sw_flat_message *message) {
    message->is_malformed = true;
    return false;
}

static bool open_table(sw_flat_message *message, uint32_t at, sw_flat_table *table) {
    *table = (sw_flat_table){0};
    if (!has(message, at, 4)) return malformed(message);
    int64_t vtable = (int64_t)at - (int32_t)u32_at(message, at);
    if (vtable < 0 || vtable > message->length || !has(message, (uint32_t)vtable, 4)) return malformed(message);
    uint32_t length = u16_at(message, (uint32_t)vtable), size = u16_at(message, (uint32_t)vtable + 2);
    if (length < 4 || length % 2 || !has(message, (uint32_t)vtable, length)) return malformed(message);
    if (size < 4 || !has(message, at, size)) return malformed(message);
    *table = (sw_flat_table){at, size, (uint32_t)vtable, length};
    return true;
}

/* What the offset at `at` leads to, `size` bytes of which must be there; 0 = malformed. */
static uint32_t follow(sw_flat_message *message, uint32_t at, uint32_t size) {
    uint32_t offset = has(message, at, 4) ? u32_at(message, at) : 0;
    if (!offset || offset > message->length - at || !has(message, at + offset, size)) return malformed(message);
    return at + offset;
}

bool sw_flat_root(sw_flat_message *message, sw_flat_table *table) {
    *table = (sw_flat_table){0};
    uint32_t at = follow(message, 0, 4);
    return at && open_table(message, at, table);
}

/* Where the field of a slot lies; 0 = absent or malformed. */
static uint32_t field(sw_flat_message *message, const sw_flat_table *table, unsigned slot, uint32_t size) {
    uint32_t entry = 4 + 2 * slot;
    if (entry + 2 > table->vtable_length) return 0; /* an older writer does not know the field; an unopened table has none */
    uint32_t offset = u16_at(message, table->vtable + entry);
    if (!offset) return 0;
    if (offset < 4 || offset > table->size || size > table->size - offset) return malformed(message);
    return table->at + offset;
}

uint32_t sw_flat_number(sw_flat_message *message, const sw_flat_table *table, unsigned slot, unsigned size) {
    uint32_t at = field(message, table, slot, size);
    if (!at) return 0;
    return size == 1 ? message->data[at] : size == 2 ? u16_at(message, at) : u32_at(message, at);
}

bool sw_flat_table_of(sw_flat_message *message, uint32_t at, sw_flat_table *table) {
    *table = (sw_flat_table){0};
    uint32_t place = follow(message, at, 4);
    return place && open_table(message, place, table);
}

bool sw_flat_table_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot, sw_flat_table *inner) {
    *inner = (sw_flat_table){0};
    uint32_t at = field(message, table, slot, 4);
    return at && sw_flat_table_of(message, at, inner);
}

/* The length at the front of the vector in a slot, whose elements have `size` bytes and begin at *first. */
static uint32_t vector(sw_flat_message *message, const sw_flat_table *table, unsigned slot, uint32_t size, uint32_t *first) {
    *first = 0;
    uint32_t at = field(message, table, slot, 4);
    uint32_t place = at ? follow(message, at, 4) : 0;
    if (!place) return 0;
    uint32_t count = u32_at(message, place);
    if (count > (message->length - place - 4) / size) return malformed(message);
    *first = place + 4;
    return count;
}

sw_flat_bytes sw_flat_bytes_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot) {
    sw_flat_bytes bytes;
    bytes.length = vector(message, table, slot, 1, &bytes.at);
    return bytes;
}

uint32_t sw_flat_vector_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot, uint32_t *first) {
    return vector(message, table, slot, 4, first);
}
