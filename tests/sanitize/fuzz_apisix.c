/* Frames of APISIX runners: damaged ones in blocks of exactly their size, and written ones that are read back. */
#include "apisix.h"
#include "harness.h"

static const char stop_reply[] = /* of the Go runner: Stop, one field, a body */
    "\x10\0\0\0\0\0\x0a\0\x12\0\x0c\0\x0b\0\x04\0\x0a\0\0\0\x18\0\0\0\0\0\0\x01\x07\0\0\0\0\0\x0a\0\x10\0\x0e\0\x08\0\x04\0\x0a\0\0\0\x0c\0\0\0"
    "\x14\0\0\0\0\0\xc8\0\x05\0\0\0hello\0\0\0\x01\0\0\0\x0c\0\0\0\x08\0\x0c\0\x08\0\x04\0\x08\0\0\0\x08\0\0\0\x0c\0\0\0\x02\0\0\0Go\0\0"
    "\x10\0\0\0X-Resp-A6-Runner\0\0\0";

static sw_flat_place put_text(sw_flat_writer *writer, uint32_t length) {
    sw_flat_place place;
    char *room = sw_flat_string(writer, length, &place);
    for (uint32_t i = 0; room && i < length; i++) room[i] = (char)('a' + i % 26);
    return place;
}

static sw_flat_place put_entries(sw_flat_writer *writer) {
    sw_flat_place entries[8];
    uint32_t count = chance(9);
    for (uint32_t i = 0; i < count; i++) {
        sw_flat_place name = put_text(writer, 1 + chance(20)), value = one_in(3) ? 0 : put_text(writer, chance(30));
        sw_flat_begin_table(writer);
        sw_flat_put_place(writer, one_in(2), one_in(9) ? 0 : name);
        sw_flat_put_place(writer, 1, value);
        entries[i] = sw_flat_end_table(writer);
    }
    return sw_flat_vector(writer, entries, count);
}

/* A frame of any type: tables of up to eight slots with numbers, texts, vectors and a table. */
static char *make(size_t *length) {
    static sw_flat_writer writer;
    writer.limit = SW_APISIX_MOST_PAYLOAD;
    sw_flat_clear(&writer);
    sw_flat_place inner = 0;
    for (int level = 0; level < 2; level++) {
        sw_flat_place places[5];
        for (int i = 0; i < 5; i++) places[i] = one_in(3) ? put_entries(&writer) : one_in(3) ? inner : put_text(&writer, chance(50));
        sw_flat_begin_table(&writer);
        for (unsigned i = 0; i < 5; i++) {
            unsigned size = 1u << chance(3);
            if (one_in(3)) sw_flat_put_number(&writer, i, chance(4), size);
            else sw_flat_put_place(&writer, i, places[i]);
        }
        inner = sw_flat_end_table(&writer);
    }
    char *bytes = sw_flat_finish(&writer, inner, 0), *block = NULL;
    if (bytes) {
        block = malloc(writer.used);
        memcpy(block, bytes, writer.used);
        *length = writer.used;
    }
    if (!bytes || one_in(2)) {
        free(block);
        *length = sizeof stop_reply - 1;
        block = malloc(*length);
        memcpy(block, stop_reply, *length);
    }
    sw_flat_free(&writer);
    return block;
}

static void check_inside(uint32_t at, uint32_t length, size_t size) { CHECK(at <= size && length <= size - at); }

static void read_round(void) {
    static sw_apisix_message message;
    size_t length;
    char *block = make(&length);
    for (uint32_t i = chance(6); i; i--) block[chance((uint32_t)length)] = (char)(one_in(2) ? chance(256) : chance_number(64));
    if (one_in(4)) { /* cut short, in a block of its own */
        size_t part = chance((uint32_t)length + 1);
        char *prefix = malloc(part);
        memcpy(prefix, block, part);
        free(block);
        block = prefix;
        length = part;
    }
    int fault = sw_apisix_read((int)chance(7) - 1, block, length, &message);
    CHECK(fault >= 0 && fault <= SW_APISIX_TOO_MANY);
    if (fault) CHECK(*sw_apisix_fault_text(fault));
    else {
        check_inside(message.path_at, message.path_length, length);
        check_inside(message.body_at, message.body_length, length);
        size_t entries = (size_t)message.headers + message.args + message.response_headers;
        CHECK(entries <= SW_APISIX_MOST_ENTRIES);
        for (size_t i = 0; i < entries; i++) {
            CHECK(message.entries[4 * i]);
            check_inside(message.entries[4 * i], message.entries[4 * i + 1], length);
            check_inside(message.entries[4 * i + 2], message.entries[4 * i + 3], length);
        }
    }
    free(block);
}

static void random_headers(sw_headers *headers) {
    static const char *const names[] = {":authority", "host", "x-a", "", "cookie", "X-B"};
    static const char *const paths[] = {"/", "/a%20b?c=d&e&&=f%", "?", "", "/%zz%4", "/p?%41=%2", "/+?a+b=c+d&"};
    static const char *const methods[] = {"GET", "QUERY", "TRACE", ""};
    const char *path = paths[chance(7)], *method = methods[chance(4)];
    if (!one_in(9)) sw_headers_add(headers, ":path", 5, path, strlen(path));
    if (!one_in(9)) sw_headers_add(headers, ":method", 7, method, strlen(method));
    if (one_in(2)) sw_headers_add(headers, ":status", 7, "20x9", chance(5));
    for (uint32_t i = chance(one_in(4) ? 90 : 5); i; i--) {
        const char *name = names[chance(6)];
        sw_headers_add(headers, name, strlen(name), "some value, of which a part", chance(28));
    }
}

static int write_one(sw_apisix_writer *writer, const sw_headers *headers, int type) {
    char address[16] = {0};
    sw_apisix_call call = {chance_number(9), chance_number(9), address, one_in(2) ? 4 : 16, one_in(2)};
    switch (type) {
    case SW_APISIX_PREPARE_CONF:
        sw_apisix_begin_conf(writer);
        for (uint32_t i = chance(5); i; i--) sw_apisix_add_conf(writer, "say", chance(4), "{\"body\":\"hello\"}", chance(17));
        return sw_apisix_write_conf(writer, "key", chance(4));
    case SW_APISIX_REQUEST_CALL: return sw_apisix_write_request_call(writer, headers, &call);
    case SW_APISIX_RESPONSE_CALL: return sw_apisix_write_response_call(writer, headers, call.id, call.token);
    default: return sw_apisix_write_extra_info(writer, one_in(3) ? NULL : address, chance(17));
    }
}

/* What is written can be read: its header says how long it is, and its vectors have what the map has. */
static void check_written(const sw_apisix_writer *writer, const sw_headers *headers, int type) {
    const unsigned char *frame = (const unsigned char *)writer->frame;
    size_t length = (size_t)frame[1] << 16 | (size_t)frame[2] << 8 | frame[3];
    CHECK(frame[0] == type && length == writer->frame_length - SW_APISIX_HEADER);
    char *payload = malloc(length);
    memcpy(payload, writer->frame + SW_APISIX_HEADER, length);
    sw_flat_message message = {.data = (const unsigned char *)payload, .length = (uint32_t)length};
    sw_flat_table root, entry;
    CHECK(sw_flat_root(&message, &root));
    unsigned slot = type == SW_APISIX_REQUEST_CALL ? 5 : type == SW_APISIX_RESPONSE_CALL ? 2 : 0;
    uint32_t first, count = slot ? sw_flat_vector_in(&message, &root, slot, &first) : 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(sw_flat_table_of(&message, first + 4 * i, &entry));
        sw_flat_bytes name = sw_flat_bytes_in(&message, &entry, 0);
        bool is_host = name.length == 4 && !memcmp(payload + name.at, "host", 4);
        CHECK(name.at && name.length && (is_host || sw_headers_find(headers, payload + name.at, name.length, 0) >= 0));
    }
    CHECK(!message.is_malformed && count <= headers->count);
    free(payload);
}

static void write_round(void) {
    sw_headers headers = {0};
    random_headers(&headers);
    sw_apisix_writer *writer = sw_apisix_writer_new();
    for (uint32_t i = writer ? 1 + chance(4) : 0; i; i--) {
        int type = SW_APISIX_PREPARE_CONF + (int)chance(4);
        int fault = write_one(writer, &headers, type);
        CHECK(fault == SW_APISIX_FINE || fault == SW_APISIX_NO_MEMORY || fault == SW_APISIX_UNKNOWN_METHOD);
        if (!fault) check_written(writer, &headers, type);
    }
    sw_apisix_writer_delete(writer);
    sw_headers_free(&headers);
}

void fuzz_apisix(unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        doing = "reading a runner's frame";
        memory_fails_one_in = 0;
        read_round();
        doing = "writing frames for a runner";
        memory_fails_one_in = one_in(3) ? 5 : 0;
        write_round();
    }
    memory_fails_one_in = 0;
}
