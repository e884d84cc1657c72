/* Writing FlatBuffers: see flatbuffer.h. Byte for byte what Google's builders write for the same order of calls, which
 * tests hold it to. */
#include "flatbuffer.h"

#include <stdlib.h>
#include <string.h>

/* A larger block is given back when its message is cleared, so that one large body leaves no large block. */
enum { FIRST_BLOCK = 2048, LARGEST_KEPT_BLOCK = 64 * 1024, ALIGNMENT = 4 };

void sw_flat_free(sw_flat_writer *writer) {
    free(writer->data);
    writer->data = NULL;
    writer->capacity = 0;
}

void sw_flat_clear(sw_flat_writer *writer) {
    if (writer->capacity > LARGEST_KEPT_BLOCK) sw_flat_free(writer);
    writer->used = 0;
    writer->vtable_count = 0;
    writer->no_memory = writer->too_large = false;
}

static bool has_failed(const sw_flat_writer *writer) { return writer->no_memory || writer->too_large; }

static char *front(const sw_flat_writer *writer) { return writer->data + writer->capacity - writer->used; }

/* Takes `size` more bytes at the front. */
static char *take(sw_flat_writer *writer, size_t size) {
    if (has_failed(writer)) return NULL;
    if (size > writer->limit - writer->used) {
        writer->too_large = true;
        return NULL;
    }
    size_t needed = writer->used + size;
    if (needed > writer->capacity || !writer->data) {
        size_t capacity = writer->capacity ? writer->capacity : FIRST_BLOCK;
        while (capacity < needed) capacity *= 2;
        char *data = malloc(capacity);
        if (!data) {
            writer->no_memory = true;
            return NULL;
        }
        if (writer->used) memcpy(data + capacity - writer->used, front(writer), writer->used);
        free(writer->data);
        writer->data = data;
        writer->capacity = capacity;
    }
    writer->used = needed;
    return front(writer);
}

/* Pads so that what is put next, behind `additional` bytes, lies on a multiple of `size`, counted from the end. */
static void align(sw_flat_writer *writer, size_t size, size_t additional) {
    size_t padding = (0 - (writer->used + additional)) & (size - 1);
    if (!padding) return;
    char *place = take(writer, padding);
    if (place) memset(place, 0, padding);
}

static void put(sw_flat_writer *writer, uint32_t number, unsigned size) {
    align(writer, size, 0);
    char *place = take(writer, size);
    for (unsigned i = 0; place && i < size; i++) place[i] = (char)(number >> (8 * i));
}

/* An offset counts from where it lies itself. */
static void put_offset(sw_flat_writer *writer, sw_flat_place place) {
    align(writer, 4, 0);
    put(writer, (uint32_t)writer->used - place + 4, 4);
}

/* A vector of bytes with `end` NUL bytes behind it. */
static char *bytes_room(sw_flat_writer *writer, size_t length, size_t end, sw_flat_place *place) {
    *place = 0;
    if (length > writer->limit) { /* before lengths are added up */
        writer->too_large = true;
        return NULL;
    }
    align(writer, 4, length + end);
    char *room = take(writer, length + end);
    if (!room) return NULL;
    memset(room + length, 0, end);
    put(writer, (uint32_t)length, 4);
    if (has_failed(writer)) return NULL;
    *place = (sw_flat_place)writer->used;
    return front(writer) + 4; /* the block may have moved */
}

char *sw_flat_string(sw_flat_writer *writer, size_t length, sw_flat_place *place) {
    return bytes_room(writer, length, 1, place);
}

sw_flat_place sw_flat_bytes_vector(sw_flat_writer *writer, const char *bytes, size_t length) {
    sw_flat_place place;
    char *room = bytes_room(writer, length, 0, &place);
    if (room && length) memcpy(room, bytes, length);
    return place;
}

sw_flat_place sw_flat_vector(sw_flat_writer *writer, const sw_flat_place *tables, size_t count) {
    align(writer, 4, 4 * count);
    for (size_t i = count; i && !has_failed(writer); i--) put_offset(writer, tables[i - 1]);
    put(writer, (uint32_t)count, 4);
    return (sw_flat_place)writer->used;
}

void sw_flat_begin_table(sw_flat_writer *writer) {
    memset(writer->slots, 0, sizeof writer->slots);
    writer->table_end = (uint32_t)writer->used;
}

void sw_flat_put_number(sw_flat_writer *writer, unsigned slot, uint32_t number, unsigned size) {
    if (!number) return;
    put(writer, number, size);
    writer->slots[slot] = (uint32_t)writer->used;
}

void sw_flat_put_place(sw_flat_writer *writer, unsigned slot, sw_flat_place place) {
    if (!place) return;
    put_offset(writer, place);
    writer->slots[slot] = (uint32_t)writer->used;
}

/* The vtable with these bytes if there is one already, else 0. */
static uint32_t known_vtable(const sw_flat_writer *writer, const char *vtable, size_t length) {
    for (unsigned i = 0; i < writer->vtable_count; i++) {
        uint32_t place = writer->vtables[i];
        if (place >= length && !memcmp(writer->data + writer->capacity - place, vtable, length)) return place;
    }
    return 0;
}

sw_flat_place sw_flat_end_table(sw_flat_writer *writer) {
    put(writer, 0, 4); /* where the vtable is, filled in below */
    uint32_t table = (uint32_t)writer->used;
    unsigned slots = SW_FLAT_MOST_SLOTS;
    while (slots && !writer->slots[slots - 1]) slots--;
    char vtable[4 + 2 * SW_FLAT_MOST_SLOTS];
    size_t length = 4 + 2 * (size_t)slots;
    for (unsigned i = 0; i < slots + 2; i++) {
        uint32_t slot = i < 2 ? 0 : writer->slots[i - 2];
        uint32_t entry = i == 0 ? (uint32_t)length : i == 1 ? table - writer->table_end : slot ? table - slot : 0;
        vtable[2 * i] = (char)entry;
        vtable[2 * i + 1] = (char)(entry >> 8);
    }
    if (has_failed(writer)) return 0;
    uint32_t place = known_vtable(writer, vtable, length);
    if (!place) {
        char *room = take(writer, length);
        if (!room) return 0;
        memcpy(room, vtable, length);
        place = (uint32_t)writer->used;
        if (writer->vtable_count < SW_FLAT_MOST_VTABLES) writer->vtables[writer->vtable_count++] = place;
    }
    uint32_t back = place - table;
    char *start = writer->data + writer->capacity - table;
    for (unsigned i = 0; i < 4; i++) start[i] = (char)(back >> (8 * i));
    return table;
}

char *sw_flat_finish(sw_flat_writer *writer, sw_flat_place root, size_t header) {
    align(writer, ALIGNMENT, 4);
    put_offset(writer, root);
    return take(writer, header);
}
