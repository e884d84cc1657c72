/* Header maps and buffers against models that cannot be wrong: plain arrays. */
#include "harness.h"

enum { MODEL_FIELDS = 64, MODEL_BYTES = 4096 };
typedef struct { char name[16], value[64]; size_t name_length, value_length; uint64_t capitals; } model_field;
typedef struct { model_field fields[MODEL_FIELDS]; size_t count; } model;

static void lower(char *text, size_t length) {
    for (size_t i = 0; i < length; i++) text[i] = sw_lower(text[i]);
}

static void check_same(const sw_headers *headers, const model *expected) {
    CHECK(sw_headers_count(headers) == expected->count);
    for (size_t i = 0; i < expected->count; i++) {
        size_t length;
        const char *text = sw_headers_name(headers, i, &length);
        CHECK(length == expected->fields[i].name_length && !memcmp(text, expected->fields[i].name, length));
        text = sw_headers_value(headers, i, &length);
        CHECK(length == expected->fields[i].value_length && !memcmp(text, expected->fields[i].value, length));
        CHECK(headers->fields[i].capitals == expected->fields[i].capitals);
    }
}

static void model_remove(model *m, const char *name, size_t length, size_t from) {
    size_t kept = from;
    for (size_t i = from; i < m->count; i++)
        if (m->fields[i].name_length != length || memcmp(m->fields[i].name, name, length)) m->fields[kept++] = m->fields[i];
    m->count = kept;
}

static void change(sw_headers *headers, model *m) {
    model_field field = {.name_length = chance(4), .value_length = one_in(3) ? chance(64) : chance(6)};
    for (size_t i = 0; i < field.name_length; i++) field.name[i] = "aAbB"[chance(4)];
    for (size_t i = 0; i < field.value_length; i++) field.value[i] = (char)chance(256);
    model_field stored = field;
    if (!headers->exact) lower(stored.name, stored.name_length);
    for (size_t i = 0; i < field.name_length; i++)
        if (stored.name[i] != field.name[i]) stored.capitals |= (uint64_t)1 << i;
    size_t first = 0;
    while (first < m->count && (m->fields[first].name_length != stored.name_length ||
                                memcmp(m->fields[first].name, stored.name, stored.name_length)))
        first++;
    CHECK(sw_headers_find(headers, field.name, field.name_length, 0) == (first < m->count ? (int64_t)first : -1));
    switch (chance(5)) {
    case 0:
        CHECK(sw_headers_remove(headers, field.name, field.name_length) <= m->count);
        model_remove(m, stored.name, stored.name_length, 0);
        break;
    case 1:
        if (one_in(20)) sw_headers_clear(headers), m->count = 0;
        break;
    case 2: /* set */
        if (first == m->count && m->count == MODEL_FIELDS) break;
        if (sw_headers_set(headers, field.name, field.name_length, field.value, field.value_length)) break;
        if (first == m->count) {
            m->fields[m->count++] = stored;
        } else {
            stored.capitals = m->fields[first].capitals;
            m->fields[first] = stored;
            model_remove(m, stored.name, stored.name_length, first + 1);
        }
        break;
    default:
        if (m->count == MODEL_FIELDS) break;
        if (!sw_headers_add(headers, field.name, field.name_length, field.value, field.value_length))
            m->fields[m->count++] = stored;
    }
}

/* The serialized form, in blocks of exactly its size: there and back, then with damage. */
static void there_and_back(const sw_headers *headers) {
    size_t size = sw_headers_pairs_size(headers);
    char *pairs = malloc(size);
    sw_headers_pairs_write(headers, pairs);
    sw_headers again = {.exact = true}, filled = {.exact = true};
    int result = sw_headers_set_pairs(&again, pairs, size);
    if (!result) {
        CHECK(sw_headers_count(&again) == headers->count);
        CHECK(sw_headers_pairs_size(&again) == size);
        char *written = malloc(size);
        sw_headers_pairs_write(&again, written);
        CHECK(!size || !memcmp(pairs, written, size));
        free(written);
    }
    CHECK(result != -2);
    for (int i = 0; i < 8 && size; i++) {
        size_t length = 1 + chance((uint32_t)size);
        char *damaged = malloc(length);
        memcpy(damaged, pairs, length);
        for (uint32_t k = chance(4); k; k--) damaged[chance((uint32_t)length)] = (char)(one_in(2) ? chance(256) : chance(4));
        uint32_t before = again.count;
        int set = sw_headers_set_pairs(&again, damaged, length);
        if (set) CHECK(again.count == before);
        int fill = sw_headers_fill(&filled, damaged, length);
        CHECK((fill == -2) == (set == -2));
        if (!fill && !set) CHECK(filled.count == again.count);
        free(damaged);
    }
    sw_headers_free(&again);
    sw_headers_free(&filled);
    free(pairs);
}

static void headers_round(void) {
    sw_headers headers = {.exact = one_in(2), .limit_bytes = one_in(3) ? 1 + chance(400) : 0};
    static model m;
    m.count = 0;
    for (uint32_t i = chance(120); i; i--) {
        change(&headers, &m);
        check_same(&headers, &m);
    }
    if (headers.limit_bytes) CHECK(headers.used <= headers.limit_bytes);
    there_and_back(&headers);
    sw_headers_free(&headers);
}

static void buffers_round(void) {
    static char expected[MODEL_BYTES], data[256];
    size_t length = 0;
    sw_buffer buffer = {0}, other = {0};
    for (uint32_t i = chance(60); i; i--) {
        size_t extra = chance(one_in(4) ? sizeof data : 9);
        for (size_t k = 0; k < extra; k++) data[k] = (char)chance(256);
        if (length + extra > sizeof expected) extra = 0;
        size_t at = chance(one_in(8) ? UINT32_MAX : (uint32_t)length + 2), cut = chance(one_in(8) ? UINT32_MAX : (uint32_t)length + 2);
        if (one_in(3)) at = 0;
        switch (chance(4)) {
        case 0:
            if (!sw_buffer_append(&buffer, data, extra)) break;
            memcpy(expected + length, data, extra);
            length += extra;
            break;
        case 1: /* through another buffer: what is there stays in front */
            if (!sw_buffer_append(&other, data, extra) || !sw_buffer_move(&buffer, &other)) {
                sw_buffer_clear(&other);
                break;
            }
            memcpy(expected + length, data, extra);
            length += extra;
            CHECK(other.length == 0);
            break;
        default:
            if (!sw_buffer_splice(&buffer, at, cut, data, extra)) break;
            if (at > length) at = length;
            if (cut > length - at) cut = length - at;
            memmove(expected + at + extra, expected + at + cut, length - at - cut);
            memcpy(expected + at, data, extra);
            length += extra - cut;
        }
        CHECK(buffer.length == length && (!length || !memcmp(sw_buffer_bytes(&buffer), expected, length)));
    }
    sw_buffer_free(&buffer);
    sw_buffer_free(&other);
}

void fuzz_containers(unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        memory_fails_one_in = one_in(3) ? 5 : 0;
        headers_round();
        buffers_round();
        memory_fails_one_in = 0;
    }
}
