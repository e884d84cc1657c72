/* Growable byte buffers: bodies, heads, log text. Knows nothing of HTTP or of guests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sw_buffer {
    char *data;      /* owned block, NULL while capacity is 0 */
    size_t start;    /* the first byte in use: draining a prefix moves no bytes */
    size_t length;   /* bytes in use from start on */
    size_t capacity; /* size of the block */
} sw_buffer;

void sw_buffer_free(sw_buffer *buffer);
void sw_buffer_clear(sw_buffer *buffer);
/* Makes room for `extra` more bytes at the end and returns where they go, NULL when memory is out. */
char *sw_buffer_reserve(sw_buffer *buffer, size_t extra);
bool sw_buffer_append(sw_buffer *buffer, const char *data, size_t length);
/* Replaces the `length` bytes at `at` (both clipped to what is there) by `data_length` bytes of `data`. */
bool sw_buffer_splice(sw_buffer *buffer, size_t at, size_t length, const char *data, size_t data_length);
/* Moves all of `from` behind `to`; `from` is empty afterwards. No bytes are copied when `to` is empty. */
bool sw_buffer_move(sw_buffer *to, sw_buffer *from);

static inline char *sw_buffer_bytes(const sw_buffer *buffer) {
    return buffer->data ? buffer->data + buffer->start : buffer->data;
}
