/* A message that is all here passes in one go: judge, filters, writer.
 *
 * These are the steps that the protocols in Python take one by one for any other message, done by the same functions, for
 * as long as nothing is out of the ordinary. Where something is, a passage ends early, and the step that it ended with
 * says where Python goes on. */
#pragma once
#include "delivery.h"
#include "message.h"
#include "stream.h"

typedef struct sw_passage {
    int64_t head;            /* a response's, as the judge gives it */
    int64_t flags;           /* what the filters let leave; -1: they have not seen the message yet */
    int64_t written;         /* bytes of the head that may be sent; 0: it is still to be written, as the flags say */
    const char *body;        /* what is to be sent behind it, until the stream's next event */
    size_t body_length;
} sw_passage;

/* Writes a request head into the buffer, which grows as needed, and is emptied before. Returns its length; 0: the map holds
 * what must not be written, or there is no memory. */
int64_t sw_put_request_head(sw_buffer *out, const sw_headers *headers, const sw_client *client, const char *host,
                            size_t host_length, int64_t framing, int flags);

/* Opens the exchange with a request that has no body, whose head is in the stream's map. -1: no memory for the stream.
 * `out` takes the head as for sw_write_request_head; it grows as needed. */
int sw_pass_request(sw_passage *passage, sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *peer,
                    const sw_client *client, const char *host, size_t host_length, sw_buffer *out);
/* Settles an exchange whose request has no body, and writes its head if that is what leaves. */
void sw_pass_settled(sw_passage *passage, sw_stream *stream, const sw_client *client, const char *host, size_t host_length,
                     sw_buffer *out);
/* Judges data[at..length) as the answer to `request` (the judge's flags of it), and passes it if it is a whole response
 * with a Content-Length. `flags` are the writer's; `recounts`: a filter may change the length. */
void sw_pass_response(sw_passage *passage, sw_stream *stream, sw_judge *judge, const char *data, size_t at, size_t length,
                      int64_t request, int flags, bool recounts, sw_buffer *out);

/* Judges data[at..length) as the answer to a call, into the delivery's map: the head. Of a whole response with at most
 * `most` bytes of content, these are in the delivery too: *whole. */
int64_t sw_take_call_response(sw_delivery *delivery, bool *whole, sw_judge *judge, const char *data, size_t at, size_t length,
                              int64_t request, size_t most);
