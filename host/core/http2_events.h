/* What nghttp2 tells while it reads and writes, put into the list of events: see http2.h. */
#pragma once
#include "http2.h"

nghttp2_session_callbacks *sw_http2_new_callbacks(void);

/* http2.c: the fields as nghttp2 takes them, in `few` or in memory to be freed. NULL = one may not be sent, or no memory. */
enum { SW_HTTP2_FEW = 64 };
nghttp2_nv *sw_http2_fields(const sw_headers *headers, nghttp2_nv *few);

/* http2_outgoing.c */
/* What nghttp2 reads the content of a stream from; NULL = out of memory. */
sw_http2_outgoing *sw_http2_new_outgoing(void);
void sw_http2_enter_outgoing(sw_http2 *http2, int32_t stream, sw_http2_outgoing *outgoing);
sw_http2_outgoing *sw_http2_find_outgoing(const sw_http2 *http2, int32_t stream);
/* Drops what waits to be sent on a stream. */
void sw_http2_forget(sw_http2 *http2, int32_t stream);
void sw_http2_forget_all(sw_http2 *http2);
nghttp2_data_provider sw_http2_provider(sw_http2_outgoing *outgoing);
