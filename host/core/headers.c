#include "headers.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1024, FIRST_FIELDS = 32, LARGEST_KEPT = 64 * 1024 };
enum { PAIRS_MOST_BYTES = 1 << 20, PAIRS_MOST = 1024 }; /* the reader limits of proxy-wasm-cpp-host */

void sw_headers_init(sw_headers *headers) { memset(headers, 0, sizeof *headers); }

void sw_headers_free(sw_headers *headers) {
    free(headers->bytes);
    free(headers->fields);
    headers->bytes = NULL;
    headers->fields = NULL;
    headers->used = headers->size = headers->count = headers->capacity = 0;
}

sw_headers *sw_headers_new(void) { return calloc(1, sizeof(sw_headers)); }

void sw_headers_delete(sw_headers *headers) {
    if (!headers) return;
    sw_headers_free(headers);
    free(headers);
}

void sw_headers_clear(sw_headers *headers) {
    if (headers->size > LARGEST_KEPT || headers->capacity > LARGEST_KEPT / sizeof(sw_field)) sw_headers_free(headers);
    headers->used = headers->count = 0;
}

size_t sw_headers_count(const sw_headers *headers) { return headers->count; }

/* Writes the fields in use one after the other into a fresh block: what removed and replaced fields left is given up. */
static bool compact_into(sw_headers *headers, uint32_t size) {
    char *bytes = malloc(size);
    if (!bytes) return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        sw_field *field = &headers->fields[i];
        memcpy(bytes + used, sw_field_name(headers, field), field->name_length);
        memcpy(bytes + used + field->name_length, sw_field_value(headers, field), field->value_length);
        field->name = used;
        field->value = used + field->name_length;
        used += field->name_length + field->value_length;
    }
    free(headers->bytes);
    headers->bytes = bytes;
    headers->used = used;
    headers->size = size;
    return true;
}

char *sw_headers_reserve(sw_headers *headers, size_t length) {
    size_t limit = headers->limit_bytes ? headers->limit_bytes : SW_HEADERS_MOST_BYTES;
    if (length > limit) return NULL;
    if (headers->bytes && headers->size - headers->used >= length && headers->used + length <= limit) {
        char *place = headers->bytes + headers->used;
        headers->used += (uint32_t)length;
        return place;
    }
    size_t live = 0;
    for (uint32_t i = 0; i < headers->count; i++)
        live += headers->fields[i].name_length + (size_t)headers->fields[i].value_length;
    if (live + length > limit) return NULL;
    size_t size = FIRST_BYTES;
    while (size < 2 * (live + length)) size *= 2;
    if (!compact_into(headers, (uint32_t)size)) return NULL;
    char *place = headers->bytes + headers->used;
    headers->used += (uint32_t)length;
    return place;
}

bool sw_headers_push(sw_headers *headers, sw_field field) {
    if (headers->count == headers->capacity) {
        uint32_t capacity = headers->capacity ? headers->capacity * 2 : FIRST_FIELDS;
        sw_field *fields = realloc(headers->fields, capacity * sizeof *fields);
        if (!fields) return false;
        headers->fields = fields;
        headers->capacity = capacity;
    }
    headers->fields[headers->count++] = field;
    return true;
}

static bool same_name(const sw_headers *headers, const char *stored, const char *name, size_t length) {
    if (headers->exact) return !length || !memcmp(stored, name, length);
    for (size_t i = 0; i < length; i++)
        if (stored[i] != sw_lower(name[i])) return false;
    return true;
}

int64_t sw_headers_find(const sw_headers *headers, const char *name, size_t name_length, size_t from) {
    for (size_t i = from; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        if (field->name_length == name_length && same_name(headers, sw_field_name(headers, field), name, name_length))
            return (int64_t)i;
    }
    return -1;
}

/* Whether the bytes lie in the map's own arena, which a growing map moves. As numbers: C orders only pointers into one
 * and the same object. */
static bool is_own(const sw_headers *headers, const char *bytes) {
    return headers->bytes && (uintptr_t)bytes - (uintptr_t)headers->bytes < headers->size;
}

int sw_headers_add(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length) {
    if (name_length > SW_HEADERS_MOST_BYTES || value_length > SW_HEADERS_MOST_BYTES) return -1;
    if (is_own(headers, name) || is_own(headers, value)) return -1;
    char *place = sw_headers_reserve(headers, name_length + value_length);
    if (!place) return -1;
    uint64_t capitals = 0;
    for (size_t i = 0; i < name_length; i++) {
        place[i] = headers->exact ? name[i] : sw_lower(name[i]);
        if (place[i] != name[i]) capitals |= sw_capital_at(i);
    }
    if (value_length) memcpy(place + name_length, value, value_length);
    uint32_t at = (uint32_t)(place - headers->bytes);
    sw_field field = {at, (uint32_t)name_length, at + (uint32_t)name_length, (uint32_t)value_length, capitals};
    if (sw_headers_push(headers, field)) return 0;
    headers->used = at;
    return -1;
}

static void remove_at(sw_headers *headers, size_t index) {
    memmove(&headers->fields[index], &headers->fields[index + 1],
            (headers->count - index - 1) * sizeof *headers->fields);
    headers->count--;
}

int sw_headers_set(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length) {
    int64_t first = sw_headers_find(headers, name, name_length, 0);
    if (first < 0) return sw_headers_add(headers, name, name_length, value, value_length);
    if (value_length > SW_HEADERS_MOST_BYTES || is_own(headers, value)) return -1;
    sw_field *field = &headers->fields[first];
    if (value_length > field->value_length) {
        char *place = sw_headers_reserve(headers, value_length);
        if (!place) return -1;
        field = &headers->fields[first];
        field->value = (uint32_t)(place - headers->bytes);
    }
    if (value_length) memcpy(headers->bytes + field->value, value, value_length);
    field->value_length = (uint32_t)value_length;
    int64_t next;
    while ((next = sw_headers_find(headers, name, name_length, (size_t)first + 1)) >= 0)
        remove_at(headers, (size_t)next);
    return 0;
}

int sw_headers_add_field(sw_headers *headers, const sw_headers *from, const sw_field *field) {
    if (sw_headers_add(headers, sw_field_name(from, field), field->name_length, sw_field_value(from, field), field->value_length))
        return -1;
    headers->fields[headers->count - 1].capitals = field->capitals;
    return 0;
}

int sw_headers_set_field(sw_headers *headers, const sw_headers *from, const sw_field *field) {
    const char *name = sw_field_name(from, field);
    if (sw_headers_find(headers, name, field->name_length, 0) < 0) return sw_headers_add_field(headers, from, field);
    return sw_headers_set(headers, name, field->name_length, sw_field_value(from, field), field->value_length);
}

size_t sw_headers_remove(sw_headers *headers, const char *name, size_t name_length) {
    size_t removed = 0;
    int64_t index = 0;
    while ((index = sw_headers_find(headers, name, name_length, (size_t)index)) >= 0) {
        remove_at(headers, (size_t)index);
        removed++;
    }
    return removed;
}

const char *sw_headers_name(const sw_headers *headers, size_t index, size_t *length) {
    *length = headers->fields[index].name_length;
    return sw_field_name(headers, &headers->fields[index]);
}

const char *sw_headers_value(const sw_headers *headers, size_t index, size_t *length) {
    *length = headers->fields[index].value_length;
    return sw_field_value(headers, &headers->fields[index]);
}

const char *sw_headers_get(const sw_headers *headers, const char *name, size_t name_length, size_t *length) {
    int64_t index = sw_headers_find(headers, name, name_length, 0);
    return index < 0 ? NULL : sw_headers_value(headers, (size_t)index, length);
}

size_t sw_put_decimal(char *out, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
    } while (number /= 10);
    for (size_t i = 0; i < count; i++) out[i] = digits[count - 1 - i];
    return count;
}

static void put_u32(char *out, uint32_t value) {
    for (int i = 0; i < 4; i++) out[i] = (char)(value >> (8 * i));
}

static uint32_t get_u32(const char *in) {
    const unsigned char *bytes = (const unsigned char *)in;
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

size_t sw_headers_pairs_size(const sw_headers *headers) {
    if (!headers->count) return 0;
    size_t size = 4;
    for (uint32_t i = 0; i < headers->count; i++)
        size += 10 + headers->fields[i].name_length + (size_t)headers->fields[i].value_length;
    return size;
}

static char *put_text(char *out, const char *text, uint32_t length) {
    if (length) memcpy(out, text, length);
    out[length] = 0;
    return out + length + 1;
}

void sw_headers_pairs_write(const sw_headers *headers, char *out) {
    if (!headers->count) return;
    put_u32(out, headers->count);
    char *lengths = out + 4, *text = out + 4 + 8 * (size_t)headers->count;
    for (uint32_t i = 0; i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        put_u32(lengths, field->name_length);
        put_u32(lengths + 4, field->value_length);
        lengths += 8;
        text = put_text(text, sw_field_name(headers, field), field->name_length);
        text = put_text(text, sw_field_value(headers, field), field->value_length);
    }
}

/* The empty forms in use: nothing (hosts), one NUL (the specification), a count of zero (the Go SDK). */
static bool is_empty_pairs(const char *pairs, size_t length) {
    return length == 0 || (length == 1 && pairs[0] == 0) || (length == 4 && get_u32(pairs) == 0);
}

/* Whether count, lengths and NULs add up to exactly `length` bytes, within the limits. */
static bool are_well_formed_pairs(const char *pairs, size_t length) {
    if (length < 4 || length > PAIRS_MOST_BYTES) return false;
    uint32_t count = get_u32(pairs);
    if (count == 0 || count > PAIRS_MOST || length < 4 + 8 * (size_t)count) return false;
    size_t at = 4 + 8 * (size_t)count;
    for (size_t i = 0; i < 2 * (size_t)count; i++) {
        uint32_t text = get_u32(pairs + 4 + 4 * i);
        if (text >= length - at || pairs[at + text] != 0) return false;
        at += (size_t)text + 1;
        if (at == length && i + 1 < 2 * (size_t)count) return false;
    }
    return at == length;
}

static bool add_pairs(sw_headers *headers, const char *pairs) {
    uint32_t count = get_u32(pairs);
    size_t at = 4 + 8 * (size_t)count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t name = get_u32(pairs + 4 + 8 * (size_t)i), value = get_u32(pairs + 8 + 8 * (size_t)i);
        if (sw_headers_add(headers, pairs + at, name, pairs + at + name + 1, value) < 0) return false;
        at += (size_t)name + value + 2;
    }
    return true;
}

int sw_headers_set_pairs(sw_headers *headers, const char *pairs, size_t length) {
    if (is_empty_pairs(pairs, length)) {
        sw_headers_clear(headers);
        return 0;
    }
    if (!are_well_formed_pairs(pairs, length)) return -2;
    sw_headers fresh = {.limit_bytes = headers->limit_bytes, .exact = headers->exact};
    if (!add_pairs(&fresh, pairs)) {
        sw_headers_free(&fresh);
        return -1;
    }
    sw_headers_free(headers);
    *headers = fresh;
    return 0;
}

int sw_headers_fill(sw_headers *headers, const char *pairs, size_t length) {
    sw_headers_clear(headers);
    if (is_empty_pairs(pairs, length)) return 0;
    if (!are_well_formed_pairs(pairs, length)) return -2;
    return add_pairs(headers, pairs) ? 0 : -1;
}
