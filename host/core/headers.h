/* Ordered header maps (fields and pseudo-headers) with lower-case names, held in one arena.
 *
 * How a name was spelled is remembered beside it, for HTTP/1.1's writer alone: people and their tools look for the
 * spelling that they wrote.
 *
 * A map is what plugins, native filters and the HTTP rooms share: the message parsers fill it, the writers read it.
 * It knows nothing of HTTP's rules; names are looked up without regard to case and stored in lower case (HTTP/2, Envoy). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t name, name_length;   /* offset and length in the arena */
    uint32_t value, value_length;
    uint64_t capitals;            /* bit i: the name's byte i was a capital; names beyond 64 bytes lose their later ones */
} sw_field;

typedef struct sw_headers {
    char *bytes;
    uint32_t used, size;
    sw_field *fields;
    uint32_t count, capacity;
    uint32_t limit_bytes;  /* upper bound of the arena in use; 0 = SW_HEADERS_MOST_BYTES */
    bool exact;            /* names keep their case: for maps that are not header fields */
} sw_headers;

enum { SW_HEADERS_MOST_BYTES = 1 << 24 };

void sw_headers_init(sw_headers *headers);
void sw_headers_free(sw_headers *headers);
sw_headers *sw_headers_new(void);
void sw_headers_delete(sw_headers *headers);
/* Empties the map; its memory is kept for the next message unless it is large. */
void sw_headers_clear(sw_headers *headers);
size_t sw_headers_count(const sw_headers *headers);

/* Room for `length` more bytes in the arena: a parser copies a whole head there and adds fields by offset. NULL = full. */
char *sw_headers_reserve(sw_headers *headers, size_t length);
/* Adds a field whose bytes are in the arena already (the name in lower case). false = out of memory. */
bool sw_headers_push(sw_headers *headers, sw_field field);

/* The index of the first field of that name at or after `from`; -1 = none. */
int64_t sw_headers_find(const sw_headers *headers, const char *name, size_t name_length, size_t from);
/* These return 0, or -1 when the map would grow over its limit or memory is out; the map is then as it was. */
int sw_headers_add(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length);
/* One field of the name remains, at the place and in the spelling of the first. */
int sw_headers_set(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length);
/* The same with a field of another map, in its spelling. */
int sw_headers_add_field(sw_headers *headers, const sw_headers *from, const sw_field *field);
int sw_headers_set_field(sw_headers *headers, const sw_headers *from, const sw_field *field);
/* Returns how many fields were removed. */
size_t sw_headers_remove(sw_headers *headers, const char *name, size_t name_length);
/* Bytes of the map's own: good until its next change. `index` must be below the count. */
const char *sw_headers_name(const sw_headers *headers, size_t index, size_t *length);
const char *sw_headers_value(const sw_headers *headers, size_t index, size_t *length);
/* The first value of the name, whatever its case; NULL when there is none. */
const char *sw_headers_get(const sw_headers *headers, const char *name, size_t name_length, size_t *length);

/* The ABI's serialized form (u32 count, u32 lengths, NUL-ended names and values; little endian). */
size_t sw_headers_pairs_size(const sw_headers *headers);
void sw_headers_pairs_write(const sw_headers *headers, char *out);
/* Replaces the whole map. 0, -1 as above, or -2 when the bytes are malformed (the map is then as it was). */
int sw_headers_set_pairs(sw_headers *headers, const char *pairs, size_t length);
/* The same in the memory that the map has, which is without meaning when this fails. */
int sw_headers_fill(sw_headers *headers, const char *pairs, size_t length);

static inline const char *sw_field_name(const sw_headers *headers, const sw_field *field) {
    return headers->bytes + field->name;
}
static inline const char *sw_field_value(const sw_headers *headers, const sw_field *field) {
    return headers->bytes + field->value;
}
/* Writes the decimal digits of a number, at most 20, and returns how many. */
size_t sw_put_decimal(char *out, uint64_t number);

static inline uint64_t sw_capital_at(size_t index) { return index < 64 ? (uint64_t)1 << index : 0; }
static inline char sw_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
