/* Every host call and every WASI function with arguments at random and at the ends of their ranges, in every phase of an
 * exchange, under the VM's own context, a plugin's, a stream's, and none. */
#include "delivery.h"
#include "faces.h"
#include "foreign.h"
#include "harness.h"
#include "logs.h"
#include "shared_data.h"
#include "metrics.h"
#include "properties.h"

typedef struct {
    sw_linker *linker;
    sw_vm *vm;
    sw_context *root;
    sw_filter *filter;
    sw_chain *chain;
    sw_stream *stream;
    sw_peer peer;
    sw_metrics *metrics;
} stage;

static int32_t no_native(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)stream, (void)filter, (void)event, (void)end;
    return 0;
}

static void fill(sw_headers *map, bool is_request) {
    static const char *const request[] = {":method", "GET", ":path", "/a?b", ":authority", "host", ":scheme", "http", "x-a", "1", "x-a", "2"};
    static const char *const response[] = {":status", "200", "content-length", "12", "x-a", "b"};
    const char *const *fields = is_request ? request : response;
    size_t count = is_request ? sizeof request / sizeof *request : sizeof response / sizeof *response;
    for (size_t i = 0; i + 1 < count; i += 2) sw_headers_add(map, fields[i], strlen(fields[i]), fields[i + 1], strlen(fields[i + 1]));
}

static void set_up(stage *s) {
    static const char property[] = "\1\0\0\0\16\0\0\0\2\0\0\0xds\0route_name\0r1";
    *s = (stage){.linker = new_linker(&random_module)};
    s->vm = new_vm(s->linker, &random_module);
    CHECK(s->vm);
    s->metrics = one_in(8) ? NULL : sw_metrics_new(-1);
    if (s->metrics) {
        uint32_t account[SW_VM_ACCOUNTS];
        for (int i = 0; i < SW_VM_ACCOUNTS; i++)
            account[i] = sw_metrics_define(s->metrics, SW_COUNTER, "", 0, "account", chance(8), SW_MOST_METRICS);
        sw_vm_count_in(s->vm, s->metrics, chance(4), account);
    }
    if (one_in(2)) CHECK(!sw_vm_set_properties(s->vm, property, sizeof property) || memory_failures);
    s->root = sw_context_new_root(s->vm, "plugin", 6, "root", 4, "{}", chance(3));
    s->filter = sw_filter_new_wasm(one_in(2), true);
    sw_filter_bind(s->filter, s->root);
    s->chain = sw_chain_new(&s->filter, 1, one_in(2), one_in(2), 4096, 4096, property, sizeof property);
    CHECK(s->chain && s->chain->properties.count == 1);
    if (s->metrics && one_in(2)) {
        uint32_t requests[6], durations = sw_metrics_define(s->metrics, SW_HISTOGRAM, "", 0, "durations", 9, 1);
        for (int i = 0; i < 6; i++) requests[i] = sw_metrics_define(s->metrics, SW_COUNTER, "", 0, "requests", 8, 20);
        sw_chain_count_in(s->chain, s->metrics, requests, durations);
    }
    memcpy(s->peer.address, "10.0.0.1:80", 11);
    s->peer.address_length = 11;
    s->stream = sw_stream_new();
    streams_by_owner[0] = s->stream;
    if (one_in(2)) { /* else Python has the shared data */
        sw_shared_data *data = sw_shared_data_new(500, 0);
        CHECK(data);
        sw_vm_share(s->vm, data);
        sw_shared_data_release(data);
    }
    if (one_in(3)) CHECK(!sw_vm_trace(s->vm, 1 + chance(50)));
}

static void tear_down(stage *s) {
    const sw_trace_row *rows;
    uint32_t size;
    sw_vm_trace_rows(s->vm, &rows, &size);
    sw_stream_delete(s->stream);
    while (sw_stream_next_woken() >= 0) {}
    CHECK(s->vm->contexts_used == 1 && !s->vm->streams);
    sw_context_delete_root(s->root);
    CHECK(s->vm->contexts_used == 0 && s->vm->references == 1);
    sw_vm_release(s->vm);
    sw_chain_delete(s->chain);
    sw_filter_delete(s->filter);
    sw_metrics_release(s->metrics);
    sw_linker_delete(s->linker);
}

static void take_logs(void) {
    sw_log_row rows[16];
    const char *text;
    size_t length, count, bytes;
    uint64_t dropped;
    while ((count = sw_logs_take(rows, 16, &text, &length, &dropped))) {
        bytes = 0;
        for (size_t i = 0; i < count; i++) bytes += rows[i].length;
        CHECK(bytes == length);
        for (size_t i = 0; i < length; i++) CHECK(text[i] || !text[i]); /* every byte can be read */
    }
}

/* With maps and buffers that are there, empty, or not there. */
static void deliver(stage *s) {
    sw_delivery *delivery = sw_delivery_new();
    if (!delivery) return;
    for (uint32_t type = 0; type < 10; type++) {
        sw_headers *map = one_in(2) ? sw_delivery_map(delivery, type) : NULL;
        if (map && one_in(2)) fill(map, one_in(2));
        if (one_in(2)) sw_delivery_append(delivery, type, "an answer", chance(10));
        CHECK(sw_delivery_length(delivery, type) <= 9);
    }
    if (one_in(2)) sw_delivery_set_status(delivery, chance(20), "timeout", chance(8));
    if (one_in(3)) {
        sw_deliver_http_call(s->root, delivery, 4);
        CHECK(!sw_delivery_length(delivery, SW_BUFFER_HTTP_CALL_RESPONSE_BODY) && !delivery->has_map[2]);
    }
    if (one_in(3)) {
        sw_delivery_clear(delivery);
        CHECK(!sw_delivery_length(delivery, SW_BUFFER_HTTP_CALL_RESPONSE_BODY) && !delivery->has_map[2]);
    }
    uint32_t arguments[SW_MOST_PARAMETERS] = {s->root->id, 4, 1, 2, 3};
    static const uint16_t callbacks[] = {SW_PROXY_ON_HTTP_CALL_RESPONSE, SW_PROXY_ON_FOREIGN_FUNCTION};
    sw_vm_deliver(s->vm, callbacks[chance(2)], s->root, delivery, arguments);
    CHECK(!s->vm->delivery);
    sw_delivery_delete(delivery);
}

static void event(stage *s) {
    int side = (int)chance(2);
    switch (chance(8)) {
    case 0:
        if (sw_stream_open(s->stream, 0, s->chain, one_in(2) ? &s->peer : NULL)) break;
        fill(sw_stream_map(s->stream, 0), true);
        sw_stream_set_protocol(s->stream, (int)chance(3));
        sw_stream_set_upstream(s->stream, one_in(2) ? &s->peer : NULL);
        break;
    case 1:
        if (!s->stream->side[SW_RESPONSE].started) fill(sw_stream_map(s->stream, 2), false);
        sw_stream_on_headers(s->stream, side, one_in(4));
        break;
    case 2: sw_stream_on_body(s->stream, side, "some bytes of a body", chance(21), one_in(4)); break;
    case 3:
        sw_headers_add(sw_stream_map(s->stream, 2 * side + 1), "grpc-status", 11, "0", 1);
        sw_stream_on_trailers(s->stream, side);
        break;
    case 4: sw_stream_settle(s->stream); break;
    case 5: if (one_in(4)) sw_stream_close(s->stream); break;
    case 6: deliver(s); break;
    default: {
        sw_context *contexts[] = {NULL, s->root, s->stream->open && s->stream->slots[0].context.vm ? &s->stream->slots[0].context : NULL};
        uint32_t arguments[6] = {1, 2, 3, 4, 5, 6};
        static const uint16_t callbacks[] = {SW_PROXY_ON_TICK, SW_PROXY_ON_CONFIGURE, SW_PROXY_ON_VM_START};
        sw_vm_call(s->vm, callbacks[chance(3)], contexts[chance(3)], arguments, NULL);
        if (one_in(20)) sw_vm_start(s->vm, SW_START);
    }
    }
    sw_context_take_tick(s->root);
    size_t length;
    static const char path[] = "request\0headers\0x-a", other[] = "xds\0route_name";
    const char *value = one_in(4) ? sw_stream_property(s->stream, other, chance(sizeof other), &length)
                                  : sw_stream_property(s->stream, path, chance(sizeof path), &length);
    CHECK(value || !length);
    if (one_in(10)) sw_vm_tell_account(s->vm);
    if (one_in(10)) sw_context_declare(s->root, "a name", chance(7), one_in(2));
}

void fuzz_calls(unsigned rounds) {
    play_native = no_native;
    unsigned done = 0;
    while (done < rounds) {
        world = (manners){.calls = 1 + chance(20), .traps = one_in(4) ? 400 : 0};
        stage s;
        set_up(&s);
        for (unsigned i = 0; i < 60 && !sw_vm_is_failed(s.vm); i++, done++) {
            event(&s);
            take_logs();
        }
        CHECK(!sw_vm_is_failed(s.vm) || s.vm->failure.length);
        done++;
        tear_down(&s);
        take_logs();
    }
}
