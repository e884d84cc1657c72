/* The part of nghttp2's C API that the core uses, declared here because its headers are seldom installed with it.
 *
 * The functions are looked up in the system's library when HTTP/2 is first used: no HTTP/2, no library needed. The
 * layouts are part of the library's ABI (soname 14), which has kept them since 1.0. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct nghttp2_session nghttp2_session;
typedef struct nghttp2_session_callbacks nghttp2_session_callbacks;
typedef struct nghttp2_option nghttp2_option;
typedef struct { uint8_t *name, *value; size_t namelen, valuelen; uint8_t flags; } nghttp2_nv;
typedef struct { int32_t settings_id; uint32_t value; } nghttp2_settings_entry;
typedef union { int fd; void *ptr; } nghttp2_data_source;
typedef ssize_t (*nghttp2_read)(nghttp2_session *, int32_t, uint8_t *, size_t, uint32_t *, nghttp2_data_source *, void *);
typedef struct { nghttp2_data_source source; nghttp2_read read_callback; } nghttp2_data_provider;

/* Frames as callbacks show them: a common head, then what the type has. */
typedef struct { size_t length; int32_t stream_id; uint8_t type, flags, reserved; } nghttp2_frame_hd;
typedef struct {
    nghttp2_frame_hd hd;
    union {
        uint32_t error_code;                                            /* RST_STREAM */
        struct { int32_t last_stream_id; uint32_t error_code; } goaway;
    };
} nghttp2_frame;

enum { NGHTTP2_DATA, NGHTTP2_HEADERS, NGHTTP2_PRIORITY, NGHTTP2_RST_STREAM, NGHTTP2_SETTINGS, NGHTTP2_PUSH_PROMISE,
       NGHTTP2_PING, NGHTTP2_GOAWAY, NGHTTP2_WINDOW_UPDATE };
enum { NGHTTP2_FLAG_END_STREAM = 1, NGHTTP2_FLAG_ACK = 1 };
enum { NGHTTP2_DATA_FLAG_EOF = 1, NGHTTP2_DATA_FLAG_NO_END_STREAM = 2 };
enum { NGHTTP2_SETTINGS_ENABLE_PUSH = 2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS = 3,
       NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE = 4, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE = 6 };
enum { NGHTTP2_ERR_DEFERRED = -508, NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE = -521, NGHTTP2_ERR_CALLBACK_FAILURE = -902 };

_Static_assert(sizeof(nghttp2_frame_hd) == 16, "nghttp2_frame_hd");
_Static_assert(offsetof(nghttp2_frame, goaway.error_code) == 20, "nghttp2_goaway");
_Static_assert(sizeof(nghttp2_nv) == 40, "nghttp2_nv");

/* X(result, name, parameters). The two marked options came with the repairs of CVE-2023-44487 (rapid reset) and
 * CVE-2024-28182 (endless CONTINUATION frames), in 1.57 and 1.61 and in what distributions have patched: a library
 * without them is refused. */
#define SW_NGHTTP2_FUNCTIONS(X)                                                                                         \
    X(int, nghttp2_session_callbacks_new, (nghttp2_session_callbacks **))                                               \
    X(void, nghttp2_session_callbacks_del, (nghttp2_session_callbacks *))                                               \
    X(void, nghttp2_session_callbacks_set_on_begin_headers_callback,                                                    \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, const nghttp2_frame *, void *)))                         \
    X(void, nghttp2_session_callbacks_set_on_header_callback,                                                           \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, const nghttp2_frame *, const uint8_t *, size_t,          \
                                            const uint8_t *, size_t, uint8_t, void *)))                                 \
    X(void, nghttp2_session_callbacks_set_on_frame_recv_callback,                                                       \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, const nghttp2_frame *, void *)))                         \
    X(void, nghttp2_session_callbacks_set_on_frame_send_callback,                                                       \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, const nghttp2_frame *, void *)))                         \
    X(void, nghttp2_session_callbacks_set_on_data_chunk_recv_callback,                                                  \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *)))     \
    X(void, nghttp2_session_callbacks_set_on_stream_close_callback,                                                     \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, int32_t, uint32_t, void *)))                             \
    X(void, nghttp2_session_callbacks_set_on_invalid_frame_recv_callback,                                               \
      (nghttp2_session_callbacks *, int (*)(nghttp2_session *, const nghttp2_frame *, int, void *)))                    \
    X(int, nghttp2_option_new, (nghttp2_option **))                                                                     \
    X(void, nghttp2_option_del, (nghttp2_option *))                                                                     \
    X(void, nghttp2_option_set_no_auto_window_update, (nghttp2_option *, int))                                          \
    X(void, nghttp2_option_set_max_outbound_ack, (nghttp2_option *, size_t))                                            \
    X(void, nghttp2_option_set_max_settings, (nghttp2_option *, size_t))                                                \
    X(void, nghttp2_option_set_no_closed_streams, (nghttp2_option *, int))                                              \
    X(void, nghttp2_option_set_stream_reset_rate_limit, (nghttp2_option *, uint64_t, uint64_t)) /* CVE-2023-44487 */    \
    X(void, nghttp2_option_set_max_continuations, (nghttp2_option *, size_t)) /* CVE-2024-28182 */                      \
    X(int, nghttp2_session_client_new2,                                                                                 \
      (nghttp2_session **, const nghttp2_session_callbacks *, void *, const nghttp2_option *))                          \
    X(int, nghttp2_session_server_new2,                                                                                 \
      (nghttp2_session **, const nghttp2_session_callbacks *, void *, const nghttp2_option *))                          \
    X(void, nghttp2_session_del, (nghttp2_session *))                                                                   \
    X(ssize_t, nghttp2_session_mem_recv, (nghttp2_session *, const uint8_t *, size_t))                                  \
    X(ssize_t, nghttp2_session_mem_send, (nghttp2_session *, const uint8_t **))                                         \
    X(int, nghttp2_session_want_read, (nghttp2_session *))                                                              \
    X(int, nghttp2_session_want_write, (nghttp2_session *))                                                             \
    X(int, nghttp2_session_get_stream_local_close, (nghttp2_session *, int32_t))                                        \
    X(int, nghttp2_session_check_request_allowed, (nghttp2_session *))                                                  \
    X(int, nghttp2_session_set_local_window_size, (nghttp2_session *, uint8_t, int32_t, int32_t))                       \
    X(int, nghttp2_session_consume_connection, (nghttp2_session *, size_t))                                             \
    X(int, nghttp2_session_consume_stream, (nghttp2_session *, int32_t, size_t))                                        \
    X(int, nghttp2_session_resume_data, (nghttp2_session *, int32_t))                                                   \
    X(int, nghttp2_session_terminate_session, (nghttp2_session *, uint32_t))                                            \
    X(int, nghttp2_submit_settings, (nghttp2_session *, uint8_t, const nghttp2_settings_entry *, size_t))               \
    X(int32_t, nghttp2_submit_request,                                                                                  \
      (nghttp2_session *, const void *, const nghttp2_nv *, size_t, const nghttp2_data_provider *, void *))             \
    X(int, nghttp2_submit_response,                                                                                     \
      (nghttp2_session *, int32_t, const nghttp2_nv *, size_t, const nghttp2_data_provider *))                          \
    X(int, nghttp2_submit_trailer, (nghttp2_session *, int32_t, const nghttp2_nv *, size_t))                            \
    X(int, nghttp2_submit_rst_stream, (nghttp2_session *, uint8_t, int32_t, uint32_t))                                  \
    X(int, nghttp2_submit_goaway, (nghttp2_session *, uint8_t, int32_t, uint32_t, const uint8_t *, size_t))             \
    X(int, nghttp2_submit_ping, (nghttp2_session *, uint8_t, const uint8_t *))                                          \
    X(int, nghttp2_check_header_name, (const uint8_t *, size_t))                                                        \
    X(int, nghttp2_check_header_value, (const uint8_t *, size_t))                                                       \
    X(const char *, nghttp2_strerror, (int))

#define SW_DECLARE(result, name, parameters) result(*name) parameters;
typedef struct { SW_NGHTTP2_FUNCTIONS(SW_DECLARE) } sw_nghttp2_api;
#undef SW_DECLARE

extern sw_nghttp2_api sw_nghttp2;

/* Fills the table once. NULL = done, else the loader's error or the name of the first missing function. */
const char *sw_nghttp2_load(const char *path);
