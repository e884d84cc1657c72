/* Walks through exchanges and connections: several at once, on shared chains of filters of both kinds, whose guests and Python filters
 * pause, resume, answer, reset, write and fail at random; plugins whose VM died get another one. */
#include "connection.h"
#include "exchanges.h"
#include "faces.h"
#include "logs.h"
#include "native.h"

enum { PLUGINS = 3 };

static struct {
    sw_linker *linker;
    struct { sw_vm *vm; sw_context *root; } plugins[PLUGINS];
    sw_filter *filters[MOST_FILTERS];
    int plugin_of[MOST_FILTERS]; /* -1 = native */
    sw_chain *chains[2];
} w;

static int32_t play_native_at_random(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)end;
    bool is_over = event == SW_ON_LOG || event == SW_ON_DELETE;
    bool is_new = event == SW_ON_NEW_CONNECTION, is_close = event > SW_ON_UPSTREAM_DATA;
    int side = event >= SW_ON_RESPONSE_HEADERS && event != SW_ON_DOWNSTREAM_DATA && !is_new;
    size_t length;
    if (!is_over) sw_native_body(stream, filter, side, &length);
    if (one_in(20)) settle_woken(); /* its resume_… methods do so inside of the callback */
    if (world.passive || is_over || is_close) return (int32_t)chance(3);
    switch (chance(20)) {
    case 0: sw_native_set_body(stream, filter, side, chance(9), chance(9), "native", chance(7)); break;
    case 1: sw_native_resume(stream, filter, (int)chance(2)); break;
    case 2: sw_native_set_state(stream, "my\0state", 8, "native", chance(7)); break;
    case 3: if (one_in(4)) one_in(2) ? sw_native_reset(stream) : sw_native_close(stream); break;
    case 4: sw_native_local_response(stream, 403, NULL, 0, "forbidden", chance(10), "d", 1); break;
    case 5: if (world.traps) return -1; break;
    case 6: if (!stream->is_connection) sw_headers_set(sw_stream_map(stream, 2 * side), "x-native", 8, "1", 1); break;
    }
    return (int32_t)chance(5);
}

static bool start_plugin(int i) {
    w.plugins[i].vm = new_vm(w.linker, &random_module);
    w.plugins[i].root = w.plugins[i].vm ? sw_context_new_root(w.plugins[i].vm, "p", 1, "r", 1, "{}", 2) : NULL;
    for (int k = 0; k < MOST_FILTERS; k++)
        if (w.filters[k] && w.plugin_of[k] == i) sw_filter_bind(w.filters[k], w.plugins[i].root);
    return w.plugins[i].root != NULL;
}

static void stop_plugin(sw_vm *vm, sw_context *root) {
    sw_context_delete_root(root);
    if (vm) sw_vm_release(vm);
}

/* As host/plugin/plugin.py does it: the next VM at once, then every stream of the dead one meets its policy. */
static void recover(void) {
    for (int i = 0; i < PLUGINS; i++) {
        sw_vm *vm = w.plugins[i].vm;
        sw_context *root = w.plugins[i].root;
        if (!vm || !(sw_vm_is_failed(vm) || (!world.passive && one_in(300)))) continue;
        if (one_in(5)) { /* the plugin is down for a while */
            w.plugins[i].vm = NULL;
            w.plugins[i].root = NULL;
            for (int k = 0; k < MOST_FILTERS; k++)
                if (w.filters[k] && w.plugin_of[k] == i) sw_filter_bind(w.filters[k], NULL);
        } else {
            start_plugin(i);
        }
        bool is_early = one_in(2);
        if (is_early) stop_plugin(vm, root); /* streams in flight keep what they need */
        for (int k = 0; !is_early && sw_vm_is_failed(vm); k++) {
            int64_t owner = sw_vm_first_stream(vm);
            if (owner < 0) break;
            CHECK(k < 100);
            exchange_settle(&exchanges[owner]);
        }
        if (!is_early) stop_plugin(vm, root);
    }
}

static void set_up(void) {
    memset(&w, 0, sizeof w);
    w.linker = new_linker(&random_module);
    sw_filter *order[MOST_FILTERS];
    for (int i = 0; i < PLUGINS; i++) start_plugin(i);
    for (int i = 0; i < MOST_FILTERS; i++) {
        w.plugin_of[i] = one_in(3) ? -1 : (int)chance(PLUGINS);
        w.filters[i] = w.plugin_of[i] < 0 ? sw_filter_new_native(chance(1 << SW_EVENTS) | 1 << SW_ON_NEW_CONNECTION) : sw_filter_new_wasm(one_in(2), one_in(2));
        CHECK(w.filters[i]);
        sw_filter_stop_head_alone(w.filters[i], one_in(2));
        if (one_in(10)) sw_filter_only_log(w.filters[i]);
        if (w.plugin_of[i] >= 0) sw_filter_bind(w.filters[i], w.plugins[w.plugin_of[i]].root);
        order[i] = w.filters[i];
    }
    size_t limit = world.passive ? SIZE_MAX : one_in(2) ? 100 : 100000;
    for (int i = 0; i < 2; i++)
        w.chains[i] = sw_chain_new(order, one_in(10) ? 0 : 1 + chance(MOST_FILTERS), one_in(2), one_in(2), limit, limit, NULL, 0);
    CHECK(w.chains[0] && w.chains[1]);
}

static void tear_down(void) {
    for (int i = 0; i < MOST_EXCHANGES; i++) exchange_close(&exchanges[i]);
    settle_woken();
    for (int i = 0; i < PLUGINS; i++) {
        if (w.plugins[i].vm) {
            CHECK(w.plugins[i].vm->contexts_used == (w.plugins[i].root ? 1u : 0u) && !w.plugins[i].vm->streams);
            CHECK(w.plugins[i].vm->references == (w.plugins[i].root ? 2u : 1u));
        }
        stop_plugin(w.plugins[i].vm, w.plugins[i].root);
    }
    for (int i = 0; i < MOST_FILTERS; i++) sw_filter_delete(w.filters[i]);
    for (int i = 0; i < 2; i++) sw_chain_delete(w.chains[i]);
    sw_linker_delete(w.linker);
    sw_log_row rows[64];
    const char *text;
    size_t length;
    uint64_t dropped;
    while (sw_logs_take(rows, 64, &text, &length, &dropped)) {}
}

/* Sometimes without much memory: then bytes may be missing only where the exchange was reset. */
void fuzz_streams(unsigned rounds) {
    play_native = play_native_at_random;
    for (unsigned round = 0; round < rounds; round++) {
        world = (manners){.passive = one_in(3), .calls = chance(5)};
        world.traps = !world.passive && one_in(2) ? 100 : 0;
        memory_failures = 0;
        set_up();
        memory_fails_one_in = one_in(5) ? 40 : 0;
        for (int i = 0; i < MOST_EXCHANGES; i++) {
            if (exchanges[i].stream && one_in(10)) {
                sw_stream_delete(exchanges[i].stream);
                exchanges[i].stream = NULL;
            }
        }
        for (uint32_t step = 20 + chance(60); step; step--) {
            exchange *e = &exchanges[chance(MOST_EXCHANGES)];
            if (!e->is_open) exchange_open(e, w.chains[chance(2)], world.passive);
            else if (one_in(40)) exchange_close(e);
            else exchange_event(e);
            recover();
        }
        memory_fails_one_in = 0;
        if (world.passive)
            for (int i = 0; i < MOST_EXCHANGES; i++) exchange_must_finish(&exchanges[i]);
        tear_down();
    }
    for (int i = 0; i < MOST_EXCHANGES; i++) {
        sw_stream_delete(exchanges[i].stream);
        exchanges[i].stream = NULL;
    }
}
