/* Facts that were wrong once, or that chance would seldom meet. Each in a world of its own. */
#include "faces.h"
#include "harness.h"
#include "logs.h"
#include "native.h"
#include "snapshot.h"

/* --- a guest that does what the test says --- */
static stub_function script, start_script;
static bool play_script(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    if (!strcmp(self->name, "malloc")) return *result = GUEST_FREE, true;
    return script ? script(guest, self, arguments, result) : true;
}
#define ROW(name, parameters, results) {name, parameters, results, play_script}
static const stub_export exports[] = {
    ROW("malloc", 1, 1), ROW("proxy_on_context_create", 2, 0), ROW("proxy_on_log", 1, 0), ROW("proxy_on_tick", 1, 0),
    ROW("proxy_on_request_headers", 3, 1), ROW("proxy_on_request_body", 3, 1), ROW("proxy_on_response_headers", 3, 1),
};
static bool play_start(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    return start_script ? start_script(guest, self, arguments, result) : true;
}
static const wasmtime_module_t module = {exports, sizeof exports / sizeof *exports, true, GUEST_MEMORY, play_start};

static bool is_named(const stub_export *self, const char *name) { return !strcmp(self->name, name); }
static int32_t put(stub_guest *guest, int32_t at, const char *text, size_t length) {
    memcpy(guest->memory + at, text, length);
    return at;
}
static int32_t call(stub_guest *guest, const char *name, const int32_t *arguments) {
    int32_t result = -1;
    return stub_call(guest, name, arguments, &result) ? result : -1;
}
#define CALL(guest, name, ...) call(guest, name, (int32_t[]){__VA_ARGS__})

/* --- one plugin, one stream --- */
static struct {
    sw_linker *linker;
    sw_vm *vm;
    sw_context *root;
    sw_filter *filters[3];
    sw_chain *chain;
    sw_stream *stream;
    int seen; /* what the test counts */
} t;

/* `kinds`: a letter a filter, w or n. */
static void open_chain(const char *kinds, size_t limit) {
    size_t count = strlen(kinds);
    t.linker = new_linker(&module);
    t.vm = new_vm(t.linker, &module);
    CHECK(t.vm && t.vm->state != SW_VM_FAILED);
    t.vm->abi_version = 3;
    t.root = sw_context_new_root(t.vm, "the plugin", 10, "", 0, "", 0);
    for (size_t i = 0; i < count; i++) {
        t.filters[i] = kinds[i] == 'w' ? sw_filter_new_wasm(false, true) : sw_filter_new_native(255);
        if (kinds[i] == 'w') sw_filter_bind(t.filters[i], t.root);
    }
    t.chain = sw_chain_new(t.filters, count, false, false, limit, limit, NULL, 0);
    t.stream = streams_by_owner[0] = sw_stream_new();
    CHECK(!sw_stream_open(t.stream, 0, t.chain, NULL));
    sw_headers_add(sw_stream_map(t.stream, 0), ":path", 5, "/", 1);
}

static uint32_t respond(bool end) {
    sw_headers_add(sw_stream_map(t.stream, 2), ":status", 7, "200", 3);
    return sw_stream_on_headers(t.stream, SW_RESPONSE, end);
}

static void close_all(void) {
    sw_stream_delete(t.stream);
    CHECK(sw_stream_next_woken() < 0);
    sw_context_delete_root(t.root);
    sw_vm_release(t.vm);
    sw_chain_delete(t.chain);
    for (int i = 0; i < 3; i++) sw_filter_delete(t.filters[i]);
    sw_linker_delete(t.linker);
    memset(&t, 0, sizeof t);
    script = start_script = NULL;
    play_native = NULL;
}

static int32_t native_passes(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)stream, (void)filter, (void)event, (void)end;
    return 0;
}

/* --- the facts --- */

static bool log_hello(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)self, (void)arguments, (void)result;
    CHECK(CALL(guest, "proxy_log", SW_LOG_ERROR, put(guest, 256, "hello", 5), 5) == SW_OK);
    return true;
}
/* The instance cannot be asked for its memory yet. */
static void start_section_may_log(void) {
    start_script = log_hello;
    open_chain("w", 10);
    CHECK(sw_logs_pending());
    sw_log_row row;
    const char *text;
    size_t length;
    uint64_t dropped;
    CHECK(sw_logs_take(&row, 1, &text, &length, &dropped) == 1 && length == 5 && !memcmp(text, "hello", 5));
}

static int32_t native_fails_in_response(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)stream, (void)filter, (void)end;
    CHECK(++t.seen < 100);
    return event == SW_ON_RESPONSE_HEADERS ? -1 : 0;
}
/* Its 500 does not come by the filter again: it would fail, and answer, for ever. */
static void native_filter_that_always_fails_ends(void) {
    play_native = native_fails_in_response;
    open_chain("n", 10);
    sw_stream_on_headers(t.stream, SW_REQUEST, true);
    uint32_t flags = respond(true);
    CHECK(flags & SW_LOCAL_RESPONSE && flags & SW_RESPONSE_HEAD && flags & SW_RESPONSE_END);
    CHECK(t.seen == 2);
}

static bool trap_in_second_response(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = 0;
    if (!is_named(self, "proxy_on_response_headers")) return true;
    return ++t.seen == 2 ? stub_trap(guest, "unreachable") : true;
}
static int32_t native_counts_responses(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)stream, (void)filter, (void)end;
    t.seen += event == SW_ON_RESPONSE_HEADERS ? 10 : 0;
    return 0;
}
/* A 503 made in the response pass does not begin another one: each filter sees one response. */
static void failure_in_the_response_pass_starts_no_second_one(void) {
    script = trap_in_second_response;
    play_native = native_counts_responses;
    open_chain("nw", 10);
    t.seen = 1;
    sw_stream_on_headers(t.stream, SW_REQUEST, true);
    script = NULL;
    t.seen = 0;
    script = trap_in_second_response;
    t.seen = -9; /* the native filter's turn makes it 1, the guest's then is the second */
    uint32_t flags = respond(true);
    CHECK(flags & SW_LOCAL_RESPONSE && flags & SW_RESPONSE_END && flags & SW_VM_DIED);
    CHECK(t.seen == 2);
}

static bool stop_and_buffer(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)guest;
    *result = is_named(self, "proxy_on_request_body") && !arguments[2];
    return true;
}
/* A buffer filled to its limit still needs the end of the body: the reader must not stop. */
static void full_buffer_does_not_block(void) {
    script = stop_and_buffer;
    open_chain("w", 5);
    sw_stream_on_headers(t.stream, SW_REQUEST, false);
    CHECK(sw_stream_on_body(t.stream, SW_REQUEST, "12345", 5, false) == SW_LOGS * sw_logs_pending());
    CHECK(sw_stream_on_body(t.stream, SW_REQUEST, "", 0, true) & SW_REQUEST_END);
}

static bool add_twice(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = 0;
    if (!is_named(self, "proxy_on_request_headers")) return true;
    int32_t name = put(guest, 256, "X-Rate-Counter", 14), value = put(guest, 300, "7", 1);
    for (int i = 0; i < 2; i++) CHECK(CALL(guest, "proxy_add_header_map_value", 0, name, 14, value, 1) == SW_OK);
    name = put(guest, 256, "Content-Length", 14);
    for (int i = 0; i < 2; i++) CHECK(CALL(guest, "proxy_add_header_map_value", 0, name, 14, value, 1) == SW_OK);
    return true;
}
/* Content-Length, which there is only one of, is not every name of fourteen bytes. */
static void field_of_fourteen_bytes_is_added(void) {
    script = add_twice;
    open_chain("w", 5);
    sw_stream_on_headers(t.stream, SW_REQUEST, true);
    sw_headers *map = sw_stream_map(t.stream, 0);
    CHECK(sw_headers_remove(map, "x-rate-counter", 14) == 2 && sw_headers_remove(map, "content-length", 14) == 1);
}

static bool read_trailers(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = 0;
    if (!is_named(self, "proxy_on_request_headers")) return true;
    int32_t path = put(guest, 256, "request\0trailers", 16);
    CHECK(CALL(guest, "proxy_get_property", path, 16, 512, 516) == SW_OK);
    t.seen = guest->memory[516] == 0;
    return true;
}
static void empty_map_is_an_empty_property(void) {
    script = read_trailers;
    open_chain("w", 5);
    sw_stream_on_headers(t.stream, SW_REQUEST, true);
    CHECK(t.seen);
}

static bool read_plugin_name(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = 0;
    if (!is_named(self, "proxy_on_log")) return true;
    int32_t path = put(guest, 256, "plugin_name", 11);
    CHECK(CALL(guest, "proxy_get_property", path, 11, 512, 516) == SW_OK);
    t.seen = guest->memory[516] == 10 && !memcmp(guest->memory + GUEST_FREE, "the plugin", 10);
    CHECK(CALL(guest, "proxy_set_tick_period_milliseconds", 5) == SW_OK);
    return true;
}
/* A closed plugin's streams in flight keep what their callbacks can reach. */
static void stream_outlives_its_plugin_context(void) {
    script = read_plugin_name;
    open_chain("w", 5);
    sw_stream_on_headers(t.stream, SW_REQUEST, true);
    sw_filter_bind(t.filters[0], NULL);
    sw_context_delete_root(t.root);
    t.root = NULL;
    sw_stream_close(t.stream);
    CHECK(t.seen && t.vm->contexts_used == 0 && t.vm->references == 1);
}

static int32_t native_kills_the_vm(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)stream, (void)filter, (void)end;
    if (event == SW_ON_REQUEST_HEADERS) {
        sw_vm_fail(t.vm, SW_FAILURE_TRAP, "from another stream");
        t.seen = (int)sw_vm_first_stream(t.vm);
    }
    return 0;
}
/* It cannot be settled now, and who waits until the VM has no streams would wait for ever: its event's end sees to it. */
static void stream_in_an_event_is_not_offered_for_settling(void) {
    play_native = native_kills_the_vm;
    open_chain("wn", 5);
    uint32_t flags = sw_stream_on_headers(t.stream, SW_REQUEST, false);
    CHECK(t.seen == -1);
    CHECK(flags & SW_LOCAL_RESPONSE && sw_vm_first_stream(t.vm) == -1);
}

static int32_t native_resets(sw_stream *stream, uint16_t filter, int event, bool end) {
    (void)filter, (void)end;
    t.seen++;
    return event == SW_ON_REQUEST_HEADERS ? sw_native_reset(stream) : 0;
}
static void nothing_passes_filters_after_a_reset(void) {
    play_native = native_resets;
    open_chain("n", 5);
    CHECK(sw_stream_on_headers(t.stream, SW_REQUEST, false) & SW_RESET);
    CHECK(!(respond(false) & ~(uint32_t)SW_RESET) && t.seen == 1);
}

static bool hold_then_trap(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = is_named(self, "proxy_on_request_body");
    return *result && t.seen++ ? stub_trap(guest, "unreachable") : true;
}
/* The bytes that the filter held are lost: those behind them must not leave in their place. */
static void failure_behind_the_response_cuts_the_request(void) {
    script = hold_then_trap;
    open_chain("w", 100);
    sw_stream_on_headers(t.stream, SW_REQUEST, false);
    sw_stream_on_body(t.stream, SW_REQUEST, "first", 5, false);
    CHECK(respond(true) & SW_RESPONSE_END);
    uint32_t flags = sw_stream_on_body(t.stream, SW_REQUEST, "second", 6, false);
    CHECK(flags & SW_RESET && !(flags & (SW_REQUEST_BODY | SW_REQUEST_END)));
    CHECK(!(sw_stream_on_body(t.stream, SW_REQUEST, "third", 5, true) & (SW_REQUEST_BODY | SW_REQUEST_END)));
}

static bool exit_with(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)arguments;
    *result = 0;
    int32_t ignored;
    if (!is_named(self, "proxy_on_tick")) return true;
    return stub_call(guest, "proc_exit", (int32_t[]){3}, &ignored);
}
static void exit_is_a_failure_with_its_code(void) {
    script = exit_with;
    open_chain("w", 5);
    uint32_t arguments[6] = {1};
    CHECK(sw_vm_call(t.vm, SW_PROXY_ON_TICK, t.root, arguments, NULL) == -1 && t.vm->failure_kind == SW_FAILURE_EXIT);
    static const char expected[] = "proxy_on_tick: the guest exited with code 3";
    CHECK(t.vm->failure.length >= sizeof expected - 1 && !memcmp(sw_buffer_bytes(&t.vm->failure), expected, sizeof expected - 1));
}

static bool call_without_result(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)self, (void)arguments;
    *result = 0;
    int32_t ignored;
    for (size_t i = 0; i < guest->imports_count; i++)
        if (!guest->imports[i].parameters && !guest->imports[i].results) {
            CHECK(stub_call_import(guest, &guest->imports[i], NULL, &ignored));
            t.seen++;
        }
    return true;
}
/* The engine's array of values is empty then. */
static void import_without_result_is_given_none(void) {
    script = call_without_result;
    open_chain("w", 5);
    uint32_t arguments[6] = {1};
    CHECK(!sw_vm_call(t.vm, SW_PROXY_ON_TICK, t.root, arguments, NULL) && t.seen == 2);
}

/* A copy has the memory, at its size, and the globals; a VM that cannot become one says so. */
static void copy_is_what_the_vm_had_become(void) {
    open_chain("w", 5);
    stub_guest *guest = stub_guest_of(t.vm->context);
    guest->globals[0] = -5, guest->globals[1] = 1ll << 40;
    guest->memory[5000] = 'x';
    CHECK(stub_grow(guest, guest->size + 65536));
    guest->memory[guest->size - 1] = 'y';
    CHECK(!sw_snapshot_take(t.vm, STUB_GLOBALS + 1));
    sw_snapshot *snapshot = sw_snapshot_take(t.vm, STUB_GLOBALS);
    size_t kept = 0, size = sw_snapshot_size(snapshot, &kept);
    CHECK(size == guest->size && kept > 0 && kept < size);
    guest->memory[5000] = 'z', guest->globals[0] = 7;

    sw_vm *other = new_vm(t.linker, &module), *larger = new_vm(t.linker, &module);
    CHECK(!sw_snapshot_apply(snapshot, other));
    stub_guest *copied = stub_guest_of(other->context);
    CHECK(copied->size == size && copied->memory[5000] == 'x' && copied->memory[size - 1] == 'y');
    CHECK(copied->globals[0] == -5 && copied->globals[1] == 1ll << 40);
    CHECK(stub_grow(stub_guest_of(larger->context), size + 1) && sw_snapshot_apply(snapshot, larger));
    sw_vm_release(larger);
    sw_vm_release(other);
    sw_snapshot_delete(snapshot);
    sw_snapshot_delete(NULL);
}

static const struct { const char *name; void (*test)(void); } facts[] = {
#define FACT(name) {#name, name}
    FACT(start_section_may_log), FACT(import_without_result_is_given_none), FACT(exit_is_a_failure_with_its_code),
    FACT(native_filter_that_always_fails_ends), FACT(failure_in_the_response_pass_starts_no_second_one),
    FACT(full_buffer_does_not_block), FACT(field_of_fourteen_bytes_is_added), FACT(empty_map_is_an_empty_property),
    FACT(stream_outlives_its_plugin_context), FACT(stream_in_an_event_is_not_offered_for_settling),
    FACT(nothing_passes_filters_after_a_reset), FACT(failure_behind_the_response_cuts_the_request),
    FACT(copy_is_what_the_vm_had_become),
};

void test_directed(const char *wanted) {
    world = (manners){0};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        if (wanted && strcmp(wanted, facts[i].name)) continue;
        doing = facts[i].name;
        play_native = native_passes;
        facts[i].test();
        close_all();
        printf("directed: %s\n", facts[i].name);
    }
}
