/* See native.c. `filter` is the index in the exchange's chain; 0 = done, -1 = not possible now. */
#pragma once
#include "stream.h"

const char *sw_native_body(const sw_stream *stream, uint16_t filter, int side, size_t *length);
int sw_native_set_body(sw_stream *stream, uint16_t filter, int side, size_t at, size_t replaced, const char *data, size_t length);
int sw_native_resume(sw_stream *stream, uint16_t filter, int side);
/* The filter holds the message's head: from now on its callbacks see body and trailers while it does, and what is held has
 * a limit instead of back-pressure. 1 = the message is all here already, 0 = more comes. */
int sw_native_watch_body(sw_stream *stream, uint16_t filter, int side);
int sw_native_reset(sw_stream *stream);
int sw_native_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length, const char *body,
                             size_t body_length, const char *details, size_t details_length);
int sw_native_set_state(sw_stream *stream, const char *path, size_t path_length, const char *value, size_t length);
