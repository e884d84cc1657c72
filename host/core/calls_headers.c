/* Host calls about header maps. Which map may be read or written depends on how far the exchange has come. */
#include <string.h>

#include "delivery.h"
#include "hostcalls.h"
#include "message.h"

enum { ADD, REPLACE };

/* The map to read; NULL when it is not there (yet). */
static const sw_headers *readable(const sw_vm *vm, uint32_t type) {
    if (type > SW_MAP_HTTP_RESPONSE_TRAILERS) return sw_delivered_map(vm, type);
    const sw_stream *stream = sw_effective_stream(vm);
    if (!stream || stream->is_connection) return NULL;
    const sw_side *side = &stream->side[type / 2];
    if (!side->started) return NULL;
    bool is_trailers = type % 2;
    if (is_trailers && !side->has_trailers && !stream->maps[type].count) return NULL;
    return &stream->maps[type];
}

/* The map to write: headers until they have left, trailers while they, or the last body bytes, pass the filters. */
static sw_headers *writable(const sw_vm *vm, uint32_t type) {
    sw_stream *stream = sw_effective_stream(vm);
    if (!stream || stream->is_connection || stream->logging || type > SW_MAP_HTTP_RESPONSE_TRAILERS) return NULL;
    int side = (int)type / 2;
    const sw_side *state = &stream->side[side];
    bool is_trailers = type % 2;
    if (!state->started) return NULL;
    if (is_trailers)
        return !state->end_passed && (state->has_trailers || stream->end_of_stream_call == side) ? &stream->maps[type] : NULL;
    return state->head_out || state->head_passed ? NULL : &stream->maps[type];
}

static bool is_early_response(const sw_vm *vm, uint32_t type) {
    const sw_stream *stream = sw_effective_stream(vm);
    return stream && type == SW_MAP_HTTP_RESPONSE_HEADERS && !stream->side[SW_RESPONSE].started && !stream->logging;
}

static bool is_named(const char *name, size_t length, const char *other) {
    return strlen(other) == length && !memcmp(name, other, length);
}

/* A name as guests write it, against one in lower case. */
static bool is_field(const char *name, size_t length, const char *lower) {
    if (strlen(lower) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (sw_lower(name[i]) != lower[i]) return false;
    return true;
}

/* `host` is the pseudo-header :authority. */
static bool is_host(const char *name, size_t length) { return is_field(name, length, "host"); }
static bool is_content_length(const char *name, size_t length) { return is_field(name, length, "content-length"); }

/* Of maps of a stream only, as in Envoy: what calls bring is not to be asked for its size. */
SW_HOSTCALL(proxy_get_header_map_size) {
    uint32_t type = sw_argument(a, 0);
    const sw_headers *map = type <= SW_MAP_HTTP_RESPONSE_TRAILERS ? readable(vm, type) : NULL;
    if (!map) return SW_BAD_ARGUMENT;
    size_t size = 0;
    for (uint32_t i = 0; i < map->count; i++) size += map->fields[i].name_length + (size_t)map->fields[i].value_length;
    return sw_guest_put_u32(vm, sw_argument(a, 1), (uint32_t)size) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

SW_HOSTCALL(proxy_get_header_map_pairs) {
    uint32_t type = sw_argument(a, 0);
    if (type > SW_MAP_HTTP_CALL_RESPONSE_TRAILERS) return SW_BAD_ARGUMENT;
    const sw_headers *map = readable(vm, type);
    size_t size = map ? sw_headers_pairs_size(map) : 0;
    if (size == 0) return sw_guest_give(vm, NULL, 0, sw_argument(a, 1), sw_argument(a, 2));
    int32_t status;
    char *place = sw_guest_allocate(vm, (uint32_t)size, sw_argument(a, 1), sw_argument(a, 2), &status);
    if (place) sw_headers_pairs_write(map, place);
    return status;
}

static bool is_logging_exchange(const sw_stream *stream) { return stream && stream->logging && !stream->is_connection; }

SW_HOSTCALL(proxy_get_header_map_value) {
    uint32_t length = sw_argument(a, 2);
    const char *name = sw_guest(vm, sw_argument(a, 1), length);
    if (!name) return SW_INVALID_MEMORY_ACCESS;
    const sw_headers *map = readable(vm, sw_argument(a, 0));
    if (!map) return is_logging_exchange(sw_effective_stream(vm)) ? SW_NOT_FOUND : SW_BAD_ARGUMENT; /* as in Envoy */
    int64_t index = is_host(name, length) && sw_argument(a, 0) == SW_MAP_HTTP_REQUEST_HEADERS
                        ? sw_headers_find(map, ":authority", 10, 0)
                        : sw_headers_find(map, name, length, 0);
    if (index < 0) {
        if (vm->abi_version > 1) return SW_NOT_FOUND;
        return sw_guest_give(vm, NULL, 0, sw_argument(a, 3), sw_argument(a, 4)); /* 0.1.0: OK and empty */
    }
    const sw_field *field = &map->fields[index];
    return sw_guest_give(vm, sw_field_value(map, field), field->value_length, sw_argument(a, 3), sw_argument(a, 4));
}

/* Pseudo-headers are part of the message's control data: they can be changed to what is valid there, and not removed. */
static bool is_valid_pseudo(uint32_t type, const char *name, size_t length, const char *value, size_t value_length) {
    if (type == SW_MAP_HTTP_RESPONSE_HEADERS)
        return is_named(name, length, ":status") && value_length == 3 && value[0] >= '1' && value[0] <= '9' &&
               value[1] >= '0' && value[1] <= '9' && value[2] >= '0' && value[2] <= '9' && value[0] != '1';
    if (type != SW_MAP_HTTP_REQUEST_HEADERS) return false;
    if (is_named(name, length, ":path")) return sw_is_valid_path(value, value_length);
    if (is_named(name, length, ":method")) return sw_is_valid_method(value, value_length);
    if (is_named(name, length, ":authority")) return sw_is_valid_authority(value, value_length);
    return is_named(name, length, ":scheme") &&
           (is_named(value, value_length, "http") || is_named(value, value_length, "https"));
}

static bool is_valid_length(const char *value, size_t length) {
    if (length == 0 || length > 18) return false;
    for (size_t i = 0; i < length; i++)
        if (value[i] < '0' || value[i] > '9') return false;
    return true;
}

/* Whether the field may be in this map at all; what would break the message's framing or syntax may not. */
static bool is_valid(uint32_t type, const char *name, size_t length, const char *value, size_t value_length) {
    if (length && name[0] == ':') return is_valid_pseudo(type, name, length, value, value_length);
    if (!sw_is_valid_field(name, length, value, value_length)) return false;
    if (is_content_length(name, length)) return is_valid_length(value, value_length);
    return true;
}

static int32_t write_early(sw_stream *stream, int how, const char *name, size_t length, const char *value, size_t value_length) {
    int failed = how == ADD ? sw_headers_add(&stream->early_add, name, length, value, value_length)
                            : sw_headers_set(&stream->early_set, name, length, value, value_length);
    return failed ? SW_INTERNAL_FAILURE : SW_OK;
}

static int32_t write_field(sw_vm *vm, const wasmtime_val_raw_t *a, int how) {
    uint32_t type = sw_argument(a, 0), length = sw_argument(a, 2), value_length = sw_argument(a, 4);
    const char *name = sw_guest(vm, sw_argument(a, 1), length), *value = sw_guest(vm, sw_argument(a, 3), value_length);
    if (!name || !value) return SW_INVALID_MEMORY_ACCESS;
    bool is_early = is_early_response(vm, type);
    sw_headers *map = is_early ? NULL : writable(vm, type);
    if (!map && !is_early) return SW_BAD_ARGUMENT;
    if (type == SW_MAP_HTTP_REQUEST_HEADERS && is_host(name, length)) {
        name = ":authority";
        length = 10;
    }
    bool is_pseudo = length && name[0] == ':';
    if (!is_valid(type, name, length, value, value_length) || (is_early && is_pseudo)) return SW_BAD_ARGUMENT;
    sw_slot_of(vm->effective)->touched = true;
    if (is_early) return write_early(vm->effective->stream, how, name, length, value, value_length);
    if (is_pseudo || is_content_length(name, length)) how = REPLACE; /* there is one of each */
    int failed = how == ADD ? sw_headers_add(map, name, length, value, value_length)
                            : sw_headers_set(map, name, length, value, value_length);
    return failed ? SW_INTERNAL_FAILURE : SW_OK;
}

SW_HOSTCALL(proxy_add_header_map_value) { return write_field(vm, a, ADD); }
SW_HOSTCALL(proxy_replace_header_map_value) { return write_field(vm, a, REPLACE); }

SW_HOSTCALL(proxy_remove_header_map_value) {
    uint32_t length = sw_argument(a, 2);
    const char *name = sw_guest(vm, sw_argument(a, 1), length);
    if (!name) return SW_INVALID_MEMORY_ACCESS;
    sw_headers *map = writable(vm, sw_argument(a, 0));
    if (!map || (length && name[0] == ':') || is_host(name, length)) return SW_BAD_ARGUMENT;
    if (sw_headers_remove(map, name, length)) sw_slot_of(vm->effective)->touched = true;
    return SW_OK;
}

/* A pseudo-header of the new map; its `host` stands for :authority. */
static int64_t find_pseudo(const sw_headers *fresh, const char *name, size_t length) {
    int64_t index = sw_headers_find(fresh, name, length, 0);
    return index < 0 && is_named(name, length, ":authority") ? sw_headers_find(fresh, "host", 4, 0) : index;
}

/* The pseudo-headers, those of the old map where the new one does not name them (a message cannot do without), and then
 * the fields of the new one; those that were there before keep their spelling, which the guest never saw. */
static bool join(uint32_t type, const sw_headers *old, const sw_headers *fresh, sw_headers *whole) {
    for (uint32_t i = 0; i < old->count; i++) {
        const sw_field *field = &old->fields[i];
        const char *name = sw_field_name(old, field);
        if (!field->name_length || name[0] != ':') continue;
        int64_t index = find_pseudo(fresh, name, field->name_length);
        const sw_headers *from = index < 0 ? old : fresh;
        const sw_field *kept = index < 0 ? field : &fresh->fields[index];
        if (sw_headers_add(whole, name, field->name_length, sw_field_value(from, kept), kept->value_length)) return false;
    }
    for (uint32_t i = 0; i < fresh->count; i++) {
        const sw_field *field = &fresh->fields[i];
        const char *name = sw_field_name(fresh, field);
        if (field->name_length && name[0] == ':') continue;
        if (type == SW_MAP_HTTP_REQUEST_HEADERS && is_host(name, field->name_length)) continue;
        if (sw_headers_add_field(whole, fresh, field)) return false;
        int64_t before = sw_headers_find(old, name, field->name_length, 0);
        if (before >= 0) whole->fields[whole->count - 1].capitals = old->fields[before].capitals;
    }
    return true;
}

/* Whether a field of a whole new map may be there: there is one Content-Length at most. */
static bool is_valid_among(uint32_t type, const sw_headers *fresh, uint32_t index) {
    const sw_field *field = &fresh->fields[index];
    const char *name = sw_field_name(fresh, field), *value = sw_field_value(fresh, field);
    if (type == SW_MAP_HTTP_REQUEST_HEADERS && is_host(name, field->name_length))
        return is_valid_pseudo(type, ":authority", 10, value, field->value_length);
    if (is_content_length(name, field->name_length) && sw_headers_find(fresh, name, field->name_length, index + 1) >= 0)
        return false;
    return is_valid(type, name, field->name_length, value, field->value_length);
}

SW_HOSTCALL(proxy_set_header_map_pairs) {
    uint32_t type = sw_argument(a, 0), length = sw_argument(a, 2);
    const char *pairs = sw_guest(vm, sw_argument(a, 1), length);
    if (!pairs) return SW_INVALID_MEMORY_ACCESS;
    sw_headers *map = writable(vm, type);
    if (!map) return SW_BAD_ARGUMENT;
    sw_headers fresh = {.limit_bytes = map->limit_bytes}, whole = {.limit_bytes = map->limit_bytes};
    int failed = sw_headers_set_pairs(&fresh, pairs, length);
    bool is_good = !failed;
    for (uint32_t i = 0; is_good && i < fresh.count; i++) is_good = is_valid_among(type, &fresh, i);
    int32_t status = failed == -1 ? SW_INTERNAL_FAILURE : is_good ? SW_OK : SW_BAD_ARGUMENT;
    if (status == SW_OK && !join(type, map, &fresh, &whole)) status = SW_INTERNAL_FAILURE;
    sw_headers_free(&fresh);
    if (status != SW_OK) {
        sw_headers_free(&whole);
        return status;
    }
    sw_headers_free(map);
    *map = whole;
    sw_slot_of(vm->effective)->touched = true;
    return SW_OK;
}
