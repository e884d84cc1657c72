#include "http2.h"

#include <stdlib.h>
#include <string.h>

#include "http2_events.h"

/* nghttp2's defaults let a peer have 1,000 acknowledgements wait and reset 1,000 streams at once. */
enum { MOST_WAITING_ACKNOWLEDGEMENTS = 100, MOST_SETTINGS = 32, MOST_CONTINUATIONS = 8, RESETS_AT_ONCE = 200, RESETS_A_SECOND = 33 };

static int lose(sw_http2 *http2, int error) {
    if (!http2->error) http2->error = sw_nghttp2.nghttp2_strerror(error);
    return SW_HTTP2_LOST;
}

static nghttp2_option *new_option(void) {
    nghttp2_option *option;
    if (sw_nghttp2.nghttp2_option_new(&option)) return NULL;
    sw_nghttp2.nghttp2_option_set_no_auto_window_update(option, 1);
    sw_nghttp2.nghttp2_option_set_no_closed_streams(option, 1);
    sw_nghttp2.nghttp2_option_set_max_outbound_ack(option, MOST_WAITING_ACKNOWLEDGEMENTS);
    sw_nghttp2.nghttp2_option_set_max_settings(option, MOST_SETTINGS);
    sw_nghttp2.nghttp2_option_set_max_continuations(option, MOST_CONTINUATIONS);
    sw_nghttp2.nghttp2_option_set_stream_reset_rate_limit(option, RESETS_AT_ONCE, RESETS_A_SECOND);
    return option;
}

static bool start(sw_http2 *http2, bool is_server) {
    nghttp2_session_callbacks *callbacks = sw_http2_new_callbacks();
    nghttp2_option *option = new_option();
    int (*create)(nghttp2_session **, const nghttp2_session_callbacks *, void *, const nghttp2_option *) =
        is_server ? sw_nghttp2.nghttp2_session_server_new2 : sw_nghttp2.nghttp2_session_client_new2;
    bool made = callbacks && option && !create(&http2->session, callbacks, http2, option);
    if (callbacks) sw_nghttp2.nghttp2_session_callbacks_del(callbacks);
    if (option) sw_nghttp2.nghttp2_option_del(option);
    if (!made) return false;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, http2->limits.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, http2->limits.most_header_bytes},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, http2->limits.most_streams},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    size_t count = sizeof settings / sizeof *settings;
    if (is_server) count--; /* a server must not speak of push (RFC 9113 section 6.5.2) */
    return !sw_nghttp2.nghttp2_submit_settings(http2->session, 0, settings, count) &&
           !sw_nghttp2.nghttp2_session_set_local_window_size(http2->session, 0, 0, (int32_t)http2->limits.connection_window);
}

sw_http2 *sw_http2_new(bool is_server, const sw_http2_limits *limits) {
    sw_http2 *http2 = calloc(1, sizeof *http2);
    if (!http2) return NULL;
    http2->limits = *limits;
    sw_headers_init(&http2->block);
    http2->block.limit_bytes = limits->most_header_bytes;
    if (start(http2, is_server)) return http2;
    sw_http2_delete(http2);
    return NULL;
}

void sw_http2_delete(sw_http2 *http2) {
    if (!http2) return;
    if (http2->session) sw_nghttp2.nghttp2_session_del(http2->session);
    sw_http2_forget_all(http2);
    sw_headers_free(&http2->block);
    sw_buffer_free(&http2->bytes);
    sw_buffer_free(&http2->output);
    free(http2->events);
    free(http2);
}

int sw_http2_receive(sw_http2 *http2, const char *data, size_t length) {
    if (http2->error) return SW_HTTP2_LOST;
    ssize_t taken = sw_nghttp2.nghttp2_session_mem_recv(http2->session, (const uint8_t *)data, length);
    return taken < 0 ? lose(http2, (int)taken) : http2->error ? SW_HTTP2_LOST : 0;
}

const char *sw_http2_take_output(sw_http2 *http2, size_t most, size_t *length) {
    sw_buffer *out = &http2->output;
    sw_buffer_clear(out);
    while (out->length < most) {
        const uint8_t *data;
        ssize_t taken = sw_nghttp2.nghttp2_session_mem_send(http2->session, &data);
        if (taken == 0) break;
        if (taken > 0 && !sw_buffer_append(out, (const char *)data, (size_t)taken)) taken = NGHTTP2_ERR_CALLBACK_FAILURE;
        if (taken < 0) {
            lose(http2, (int)taken);
            break;
        }
    }
    *length = out->length;
    return sw_buffer_bytes(out);
}

/* --- heads: nghttp2 sends what it is given, so what a guest has put together is looked at here --- */

static bool is_sendable(const sw_headers *headers, const sw_field *field) {
    return sw_nghttp2.nghttp2_check_header_name((const uint8_t *)sw_field_name(headers, field), field->name_length) &&
           sw_nghttp2.nghttp2_check_header_value((const uint8_t *)sw_field_value(headers, field), field->value_length);
}

nghttp2_nv *sw_http2_fields(const sw_headers *headers, nghttp2_nv *few) {
    nghttp2_nv *fields = headers->count <= SW_HTTP2_FEW ? few : malloc(headers->count * sizeof *fields);
    for (uint32_t i = 0; fields && i < headers->count; i++) {
        const sw_field *field = &headers->fields[i];
        if (!is_sendable(headers, field)) {
            if (fields != few) free(fields);
            return NULL;
        }
        fields[i] = (nghttp2_nv){(uint8_t *)sw_field_name(headers, field), (uint8_t *)sw_field_value(headers, field),
                                 field->name_length, field->value_length, 0};
    }
    return fields;
}

int32_t sw_http2_request(sw_http2 *http2, const sw_headers *head, bool end) {
    if (!sw_http2_takes_requests(http2)) return SW_HTTP2_REFUSED;
    nghttp2_nv few[SW_HTTP2_FEW], *fields = sw_http2_fields(head, few);
    if (!fields) return SW_HTTP2_BAD_FIELDS;
    sw_http2_outgoing *from = end ? NULL : sw_http2_new_outgoing();
    nghttp2_data_provider provider = sw_http2_provider(from);
    int32_t stream = SW_HTTP2_REFUSED;
    if (end || from)
        stream = sw_nghttp2.nghttp2_submit_request(http2->session, NULL, fields, head->count, end ? NULL : &provider, NULL);
    if (fields != few) free(fields);
    if (stream > 0 && from) sw_http2_enter_outgoing(http2, stream, from);
    if (stream > 0) return stream;
    free(from);
    return SW_HTTP2_REFUSED;
}

int sw_http2_respond(sw_http2 *http2, int32_t stream, const sw_headers *head, bool end) {
    if (http2->error) return SW_HTTP2_LOST;
    /* nghttp2 would look for the stream when it sends. */
    if (stream <= 0 || sw_nghttp2.nghttp2_session_get_stream_local_close(http2->session, stream) != 0) return SW_HTTP2_NO_STREAM;
    if (sw_http2_find_outgoing(http2, stream)) return SW_HTTP2_REFUSED;
    nghttp2_nv few[SW_HTTP2_FEW], *fields = sw_http2_fields(head, few);
    if (!fields) return SW_HTTP2_BAD_FIELDS;
    sw_http2_outgoing *from = end ? NULL : sw_http2_new_outgoing();
    nghttp2_data_provider provider = sw_http2_provider(from);
    bool done = (end || from) && !sw_nghttp2.nghttp2_submit_response(http2->session, stream, fields, head->count,
                                                                     end ? NULL : &provider);
    if (fields != few) free(fields);
    if (done && from) sw_http2_enter_outgoing(http2, stream, from);
    if (!done) free(from);
    return done ? 0 : SW_HTTP2_NO_STREAM;
}

/* --- content --- */

int sw_http2_write(sw_http2 *http2, int32_t stream, const char *data, size_t length, bool end) {
    if (http2->error) return SW_HTTP2_LOST;
    sw_http2_outgoing *to = sw_http2_find_outgoing(http2, stream);
    if (!to || to->end) return SW_HTTP2_NO_STREAM;
    if (!sw_buffer_append(&to->content, data, length)) return SW_HTTP2_REFUSED;
    to->end = end;
    sw_nghttp2.nghttp2_session_resume_data(http2->session, stream); /* fails for one that is not waiting: fine */
    return 0;
}

int sw_http2_write_trailers(sw_http2 *http2, int32_t stream, const sw_headers *trailers) {
    if (http2->error) return SW_HTTP2_LOST;
    sw_http2_outgoing *to = sw_http2_find_outgoing(http2, stream);
    if (!to || to->end) return SW_HTTP2_NO_STREAM;
    for (uint32_t i = 0; i < trailers->count; i++)
        if (!is_sendable(trailers, &trailers->fields[i])) return SW_HTTP2_BAD_FIELDS;
    sw_headers *copy = sw_headers_new();
    bool copied = copy;
    for (uint32_t i = 0; copied && i < trailers->count; i++)
        copied = !sw_headers_add_field(copy, trailers, &trailers->fields[i]);
    if (!copied) {
        sw_headers_delete(copy);
        return SW_HTTP2_REFUSED;
    }
    to->trailers = copy;
    to->end = true;
    sw_nghttp2.nghttp2_session_resume_data(http2->session, stream);
    return 0;
}

size_t sw_http2_unsent(const sw_http2 *http2, int32_t stream) {
    const sw_http2_outgoing *from = sw_http2_find_outgoing(http2, stream);
    return from ? from->content.length : 0;
}

int sw_http2_consume(sw_http2 *http2, int32_t stream, size_t length) {
    int failed = sw_nghttp2.nghttp2_session_consume_stream(http2->session, stream, length);
    return failed ? SW_HTTP2_NO_STREAM : 0;
}

int sw_http2_reset(sw_http2 *http2, int32_t stream, uint32_t code) {
    return sw_nghttp2.nghttp2_submit_rst_stream(http2->session, 0, stream, code) ? SW_HTTP2_NO_STREAM : 0;
}

/* --- the connection --- */

int sw_http2_ping(sw_http2 *http2) { return sw_nghttp2.nghttp2_submit_ping(http2->session, 0, NULL) ? SW_HTTP2_LOST : 0; }

int sw_http2_end(sw_http2 *http2, uint32_t code) {
    return sw_nghttp2.nghttp2_session_terminate_session(http2->session, code) ? SW_HTTP2_LOST : 0;
}

bool sw_http2_takes_requests(const sw_http2 *http2) {
    return !http2->error && sw_nghttp2.nghttp2_session_check_request_allowed(http2->session);
}

bool sw_http2_is_over(const sw_http2 *http2) {
    return http2->error || (!sw_nghttp2.nghttp2_session_want_read(http2->session) &&
                            !sw_nghttp2.nghttp2_session_want_write(http2->session));
}

const char *sw_http2_error(const sw_http2 *http2) { return http2->error; }

const char *sw_http2_fault(const sw_http2 *http2) { return http2->fault; }
