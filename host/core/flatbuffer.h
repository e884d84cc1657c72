/* FlatBuffers, as far as messages of small tables need them: a reader that trusts nothing, and a writer.
 *
 * https://flatbuffers.dev/internals: all little endian; a table begins with the (signed) way back to its vtable, which
 * says where each field lies; strings and vectors begin with their length. What a message means is its room's matter
 * (apisix_read.c, apisix_write.c). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- reading: every position is a byte of the message that has been checked, 0 stands for what is absent --- */

typedef struct {
    const unsigned char *data;
    uint32_t length;
    bool is_malformed; /* an offset or a length led outside; what is read from then on is absent */
} sw_flat_message;

typedef struct {
    uint32_t at, size;               /* the table, and how many bytes of it fields may lie in */
    uint32_t vtable, vtable_length;
} sw_flat_table;

typedef struct {
    uint32_t at, length; /* of a string or vector of bytes; at 0 = absent */
} sw_flat_bytes;

/* false: malformed, and `table` has no fields. */
bool sw_flat_root(sw_flat_message *message, sw_flat_table *table);
/* The number in a slot, of 1, 2 or 4 bytes; 0 when absent, as all defaults here are. */
uint32_t sw_flat_number(sw_flat_message *message, const sw_flat_table *table, unsigned slot, unsigned size);
/* false: absent or malformed. */
bool sw_flat_table_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot, sw_flat_table *inner);
sw_flat_bytes sw_flat_bytes_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot);
/* How many tables the vector in a slot has, and where its first element lies. */
uint32_t sw_flat_vector_in(sw_flat_message *message, const sw_flat_table *table, unsigned slot, uint32_t *first);
/* The table that the element at `at` leads to. */
bool sw_flat_table_of(sw_flat_message *message, uint32_t at, sw_flat_table *table);

/* --- writing: back to front, as an offset leads forward to what is there already --- */

enum { SW_FLAT_MOST_SLOTS = 8, SW_FLAT_MOST_VTABLES = 8 };

typedef struct {
    char *data;
    size_t capacity, used; /* the message so far is the last `used` bytes of the block */
    size_t limit;          /* the most bytes of a message */
    bool no_memory, too_large; /* once set nothing is written any more */
    uint32_t vtables[SW_FLAT_MOST_VTABLES];
    unsigned vtable_count;
    uint32_t slots[SW_FLAT_MOST_SLOTS]; /* of the table that is begun: where its fields lie; 0 = default */
    uint32_t table_end;
} sw_flat_writer;

/* Where a part begins, counted from the message's end: good until `sw_flat_clear`. */
typedef uint32_t sw_flat_place;

void sw_flat_free(sw_flat_writer *writer);
/* Begins a new message; the block is kept unless it is large. */
void sw_flat_clear(sw_flat_writer *writer);
/* Room for a string of that length: the caller fills it. NULL when the writer has failed. */
char *sw_flat_string(sw_flat_writer *writer, size_t length, sw_flat_place *place);
sw_flat_place sw_flat_bytes_vector(sw_flat_writer *writer, const char *bytes, size_t length);
sw_flat_place sw_flat_vector(sw_flat_writer *writer, const sw_flat_place *tables, size_t count);
void sw_flat_begin_table(sw_flat_writer *writer);
void sw_flat_put_number(sw_flat_writer *writer, unsigned slot, uint32_t number, unsigned size);
void sw_flat_put_place(sw_flat_writer *writer, unsigned slot, sw_flat_place place); /* 0: none */
sw_flat_place sw_flat_end_table(sw_flat_writer *writer);
/* Ends the message, `header` bytes of room before it, and returns where they begin; NULL when the writer has failed. */
char *sw_flat_finish(sw_flat_writer *writer, sw_flat_place root, size_t header);
