/* The passes of an exchange through its filters: headers, bodies and trailers, pausing and resuming.
 *
 * They are what chain.c's events are made of. A pass ends early when it is interrupted: by a local response that a filter
 * made, by a reset, or where a filter closes a connection: then what is on its way goes no further, as in Envoy. */
#pragma once
#include "stream.h"

/* The slot at a place in the side's order. */
sw_slot *sw_slot_at(sw_stream *stream, int side, uint16_t at);
bool sw_is_interrupted(const sw_stream *stream);
/* Whether the last of both messages has left. */
bool sw_is_complete(const sw_stream *stream);
/* A filter's VM is gone under this exchange: 503 where the client has seen nothing yet, else the exchange is cut, as what
 * the filter held of either side cannot be made good. */
void sw_fail_exchange(sw_stream *stream, sw_slot *slot);
/* Bytes of a body that the filter may hold. */
size_t sw_body_limit_of(const sw_stream *stream, int side, const sw_slot *slot);
/* Whether the filter holds more than it may: then the answer is 413 or 502, or the exchange is cut. */
bool sw_overflows(sw_stream *stream, int side, const sw_slot *slot);
/* Bytes for which there is no room are never left out of the middle of a body: the exchange is cut. */
void sw_move_body(sw_stream *stream, sw_buffer *to, sw_buffer *from);

/* Each begins at the filter at `at`; one behind the last means that there is none left to pass. */
void sw_pass_headers(sw_stream *stream, int side, uint16_t at, bool end);
void sw_pass_body(sw_stream *stream, int side, uint16_t at, sw_buffer *data, bool end);
void sw_pass_trailers(sw_stream *stream, int side, uint16_t at);
/* Goes on behind the filter at `at`, which was stopped. */
void sw_resume_side(sw_stream *stream, int side, uint16_t at);
