/* HTTP/2 connections: see http2.h and nghttp2.h. Events are rows of five numbers: kind, stream, code, offset, length. */
typedef struct sw_http2 sw_http2;
typedef struct { uint32_t stream_window, connection_window, most_streams, most_header_bytes, most_fields, most_control_frames; } sw_http2_limits;
enum { SW_HTTP2_HEAD, SW_HTTP2_TRAILERS, SW_HTTP2_DATA, SW_HTTP2_END, SW_HTTP2_CLOSED, SW_HTTP2_GOAWAY, SW_HTTP2_PONG, SW_HTTP2_SETTINGS };
enum { SW_HTTP2_LOST, SW_HTTP2_NO_STREAM, SW_HTTP2_BAD_FIELDS, SW_HTTP2_REFUSED, ... };

const char *sw_nghttp2_load(const char *path);
sw_http2 *sw_http2_new(bool is_server, const sw_http2_limits *limits);
void sw_http2_delete(sw_http2 *http2);
int sw_http2_receive(sw_http2 *http2, const char *data, size_t length);
const int32_t *sw_http2_take_events(sw_http2 *http2, size_t *count);
const char *sw_http2_event_bytes(const sw_http2 *http2);
const char *sw_http2_take_output(sw_http2 *http2, size_t most, size_t *length);
int32_t sw_http2_request(sw_http2 *http2, const sw_headers *head, bool end);
int sw_http2_respond(sw_http2 *http2, int32_t stream, const sw_headers *head, bool end);
int sw_http2_write(sw_http2 *http2, int32_t stream, const char *data, size_t length, bool end);
int sw_http2_write_trailers(sw_http2 *http2, int32_t stream, const sw_headers *trailers);
size_t sw_http2_unsent(const sw_http2 *http2, int32_t stream);
int sw_http2_consume(sw_http2 *http2, int32_t stream, size_t length);
int sw_http2_reset(sw_http2 *http2, int32_t stream, uint32_t code);
int sw_http2_ping(sw_http2 *http2);
int sw_http2_end(sw_http2 *http2, uint32_t code);
bool sw_http2_takes_requests(const sw_http2 *http2);
bool sw_http2_is_over(const sw_http2 *http2);
const char *sw_http2_error(const sw_http2 *http2);
const char *sw_http2_fault(const sw_http2 *http2);
