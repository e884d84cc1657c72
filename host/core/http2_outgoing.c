/* What waits to be sent on the streams of a connection, until the peer's windows take it. */
#include <stdlib.h>
#include <string.h>

#include "http2_events.h"

static sw_http2_outgoing **bucket_of(const sw_http2 *http2, int32_t stream) {
    return (sw_http2_outgoing **)&http2->outgoing[(uint32_t)stream / 2 % SW_HTTP2_BUCKETS]; /* ids of one side: every other number */
}

sw_http2_outgoing *sw_http2_new_outgoing(void) { return calloc(1, sizeof(sw_http2_outgoing)); }

void sw_http2_enter_outgoing(sw_http2 *http2, int32_t stream, sw_http2_outgoing *outgoing) {
    sw_http2_outgoing **bucket = bucket_of(http2, stream);
    outgoing->stream = stream;
    outgoing->next = *bucket;
    *bucket = outgoing;
}

sw_http2_outgoing *sw_http2_find_outgoing(const sw_http2 *http2, int32_t stream) {
    sw_http2_outgoing *outgoing = *bucket_of(http2, stream);
    while (outgoing && outgoing->stream != stream) outgoing = outgoing->next;
    return outgoing;
}

void sw_http2_forget(sw_http2 *http2, int32_t stream) {
    sw_http2_outgoing **place = bucket_of(http2, stream);
    while (*place && (*place)->stream != stream) place = &(*place)->next;
    sw_http2_outgoing *outgoing = *place;
    if (!outgoing) return;
    *place = outgoing->next;
    sw_buffer_free(&outgoing->content);
    sw_headers_delete(outgoing->trailers);
    free(outgoing);
}

void sw_http2_forget_all(sw_http2 *http2) {
    for (int i = 0; i < SW_HTTP2_BUCKETS; i++)
        while (http2->outgoing[i]) sw_http2_forget(http2, http2->outgoing[i]->stream);
}

/* nghttp2 sends a trailer section ahead of content when it is told of it earlier than here. */
static ssize_t end_content(nghttp2_session *session, sw_http2_outgoing *from, uint32_t *flags) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!from->trailers || !from->trailers->count) return 0;
    nghttp2_nv few[SW_HTTP2_FEW], *fields = sw_http2_fields(from->trailers, few);
    if (!fields) return NGHTTP2_ERR_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    int failed = sw_nghttp2.nghttp2_submit_trailer(session, from->stream, fields, from->trailers->count);
    if (fields != few) free(fields);
    return failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static ssize_t read_content(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size, uint32_t *flags,
                            nghttp2_data_source *source, void *data) {
    (void)stream, (void)data;
    sw_http2_outgoing *from = source->ptr;
    size_t length = from->content.length < size ? from->content.length : size;
    if (!length && !from->end) return NGHTTP2_ERR_DEFERRED;
    if (length) memcpy(out, sw_buffer_bytes(&from->content), length);
    sw_buffer_splice(&from->content, 0, length, NULL, 0);
    if (from->end && !from->content.length && end_content(session, from, flags)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    return (ssize_t)length;
}

nghttp2_data_provider sw_http2_provider(sw_http2_outgoing *outgoing) {
    return (nghttp2_data_provider){{.ptr = outgoing}, read_content};
}
