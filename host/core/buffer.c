#include "buffer.h"

#include <stdlib.h>
#include <string.h>

/* A block larger than this is given back when its buffer is cleared, so that one large body leaves no large block. */
enum { SMALLEST_BLOCK = 256, LARGEST_KEPT_BLOCK = 64 * 1024 };

void sw_buffer_free(sw_buffer *buffer) {
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

void sw_buffer_clear(sw_buffer *buffer) {
    if (buffer->capacity > LARGEST_KEPT_BLOCK) sw_buffer_free(buffer);
    buffer->start = buffer->length = 0;
}

char *sw_buffer_reserve(sw_buffer *buffer, size_t extra) {
    if (extra > SIZE_MAX / 4 - buffer->length) return NULL;
    size_t needed = buffer->length + extra;
    if (buffer->data && buffer->start + needed <= buffer->capacity) return sw_buffer_bytes(buffer) + buffer->length;
    if (buffer->data && needed <= buffer->capacity / 2) { /* the drained prefix is large enough: take it back */
        memmove(buffer->data, sw_buffer_bytes(buffer), buffer->length);
        buffer->start = 0;
        return buffer->data + buffer->length;
    }
    size_t capacity = buffer->capacity ? buffer->capacity : SMALLEST_BLOCK;
    while (capacity < needed) capacity *= 2;
    char *data = malloc(capacity);
    if (!data) return NULL;
    if (buffer->length) memcpy(data, sw_buffer_bytes(buffer), buffer->length);
    free(buffer->data);
    buffer->data = data;
    buffer->start = 0;
    buffer->capacity = capacity;
    return data + buffer->length;
}

bool sw_buffer_append(sw_buffer *buffer, const char *data, size_t length) {
    if (!length) return true;
    char *end = sw_buffer_reserve(buffer, length);
    if (!end) return false;
    memcpy(end, data, length);
    buffer->length += length;
    return true;
}

bool sw_buffer_splice(sw_buffer *buffer, size_t at, size_t length, const char *data, size_t data_length) {
    if (at > buffer->length) at = buffer->length;
    if (length > buffer->length - at) length = buffer->length - at;
    if (at == 0 && data_length <= length) { /* a shorter or empty new prefix: only the start moves */
        buffer->start += length - data_length;
        buffer->length -= length - data_length;
    } else {
        if (data_length > length && !sw_buffer_reserve(buffer, data_length - length)) return false;
        char *bytes = sw_buffer_bytes(buffer);
        memmove(bytes + at + data_length, bytes + at + length, buffer->length - at - length);
        buffer->length += data_length - length;
    }
    if (data_length) memcpy(sw_buffer_bytes(buffer) + at, data, data_length);
    return true;
}

bool sw_buffer_move(sw_buffer *to, sw_buffer *from) {
    if (to->length == 0) {
        sw_buffer empty = *to;
        *to = *from;
        *from = empty;
        from->start = from->length = 0;
        return true;
    }
    if (!sw_buffer_append(to, sw_buffer_bytes(from), from->length)) return false;
    sw_buffer_clear(from);
    return true;
}
