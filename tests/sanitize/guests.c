/* Guests that do anything at all. */
#include "foreign.h"
#include "callouts.h"
#include "grpc.h"
#include "harness.h"
#include "message.h"

manners world;
native_player play_native;
sw_stream *streams_by_owner[16];

const import_row import_rows[] = {
#include "imports.inc"
    {"proxy_continue_request", "", "", "", SW_IMPORT_HOSTCALL, SW_CALL_PROXY_CONTINUE_REQUEST}, /* 0.1.0: no result */
    {"proxy_of_tomorrow", "ds", "ii", "i", SW_IMPORT_CONSTANT, SW_UNIMPLEMENTED},
    {"proxy_of_tomorrow_without_result", "", "", "", SW_IMPORT_CONSTANT, SW_UNIMPLEMENTED},
};
const size_t import_rows_count = sizeof import_rows / sizeof *import_rows;

int32_t sw_call_native_filter(uint32_t owner, uint32_t filter, uint32_t event, uint64_t length, int32_t end_of_stream) {
    (void)length;
    CHECK(owner < 16 && streams_by_owner[owner]);
    return play_native(streams_by_owner[owner], (uint16_t)filter, (int)event, end_of_stream);
}

int32_t sw_call_foreign_function(uint32_t vm, uint32_t root, uint32_t context, int64_t stream, const char *name,
                                 size_t name_length, const char *arguments, size_t arguments_length, sw_buffer *result) {
    uint8_t sum = 0; /* every byte can be read */
    for (size_t i = 0; i < name_length; i++) sum ^= (uint8_t)name[i];
    for (size_t i = 0; i < arguments_length; i++) sum ^= (uint8_t)arguments[i];
    CHECK(vm && root && context && stream < 16 && (sum || !sum));
    if (one_in(2)) sw_buffer_append(result, "a result", chance(9));
    return one_in(3) ? SW_BAD_ARGUMENT : SW_OK;
}

static uint8_t sum_of(const char *bytes, size_t length) {
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++) sum ^= (uint8_t)bytes[i];
    return sum;
}

int32_t sw_http_call(uint32_t vm, uint32_t root, const sw_http_request *request, uint32_t *token) {
    uint8_t sum = sum_of(request->upstream, request->upstream_length) + sum_of(request->pairs, request->pairs_length) +
                  sum_of(request->body, request->body_length) + sum_of(request->trailers, request->trailers_length);
    CHECK(vm && root && request->timeout <= INT32_MAX && (sum || !sum));
    CHECK(request->head_length > 20 && !memcmp(request->head + request->head_length - 4, "\r\n\r\n", 4));
    bool is_chunked = request->trailers_length, has_body = request->body_length;
    CHECK((request->framing == SW_WRITE_CHUNKED) == is_chunked);
    if (has_body && !is_chunked) CHECK(request->framing == (int64_t)request->body_length);
    *token = 4;
    return one_in(3) ? SW_INTERNAL_FAILURE : SW_OK;
}

int32_t sw_grpc_open(uint32_t vm, uint32_t root, const sw_grpc_request *request, uint32_t *token) {
    uint8_t sum = sum_of(request->upstream, request->upstream_length) ^ sum_of(request->message, request->message_length);
    CHECK(vm && root && request->metadata && (sum || !sum));
    CHECK(request->service_length && !memchr(request->service, '/', request->service_length));
    CHECK(request->method_length && !memchr(request->method, '/', request->method_length));
    CHECK(sw_headers_find(request->metadata, "te", 2, 0) < 0 && sw_headers_find(request->metadata, ":path", 5, 0) < 0);
    sw_headers_delete(request->metadata);
    *token = request->is_call ? 5 : 6;
    return one_in(3) ? SW_PARSE_FAILURE : SW_OK;
}

int32_t sw_grpc_send(uint32_t vm, uint32_t root, uint32_t token, const char *message, size_t length, bool end) {
    uint8_t sum = sum_of(message, length);
    CHECK(vm && root && token % 4 == 2 && (sum || end || !end));
    return SW_OK;
}

int32_t sw_grpc_end(uint32_t vm, uint32_t root, uint32_t token, bool cancel) {
    CHECK(vm && root && (token % 4 == 2 || (token % 4 == 1 && cancel)));
    return SW_NOT_FOUND;
}

#define TEXT(literal) {literal, sizeof(literal) - 1}
static const struct { const char *bytes; size_t length; } texts[] = {
    TEXT("x-a"), TEXT("X-A"), TEXT("content-length"), TEXT("Content-Length"), TEXT("host"), TEXT(":path"), TEXT(":method"),
    TEXT(":authority"), TEXT(":status"), TEXT(":scheme"), TEXT("te"), TEXT("fourteen-bytes"), TEXT(""), TEXT("bad name"),
    TEXT("12"), TEXT("/a?b=c"), TEXT("GET"), TEXT("200"), TEXT("example.org:80"), TEXT("https"), TEXT("a\r\nb: c"),
    TEXT("a value that is longer than the one before, so that it does not fit in its place"),
    TEXT("request\0headers"), TEXT("request\0headers\0x-a"), TEXT("response\0headers"), TEXT("request\0trailers"),
    TEXT("response\0trailers\0x-a"), TEXT("request\0path"), TEXT("request\0query"), TEXT("request\0url_path"),
    TEXT("request\0time"), TEXT("request\0duration"), TEXT("request\0protocol"), TEXT("request\0size"),
    TEXT("request\0total_size"), TEXT("response\0code"), TEXT("response\0code_details"), TEXT("response\0grpc_status"),
    TEXT("response\0size"), TEXT("response\0total_size"), TEXT("source\0address"), TEXT("source\0port"),
    TEXT("destination\0address"), TEXT("destination\0port"), TEXT("connection\0id"), TEXT("connection\0mtls"),
    TEXT("upstream\0address"), TEXT("upstream\0port"), TEXT("plugin_name"), TEXT("plugin_root_id\0"), TEXT("plugin_vm_id"),
    TEXT("response\0flags"), TEXT("xds\0route_name"), TEXT("my\0state"), TEXT("request\0host"), TEXT("request\0id"),
    TEXT("\1\0\0\0\3\0\0\0\1\0\0\0x-a\0b\0"),
    TEXT("\2\0\0\0\3\0\0\0\1\0\0\0\16\0\0\0\1\0\0\0x-b\0c\0content-length\0" "7\0"),
    TEXT("\2\0\0\0\5\0\0\0\1\0\0\0\3\0\0\0\0\0\0\0:path\0/\0x-a\0\0"),
    TEXT("\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\1\0\0\0:method\0GET\0:path\0/\0:authority\0h\0"),
    TEXT("\1\0\0\0\3\0\0\0\377\377\377\377x-a\0b\0"), TEXT("\0\0\0\0"),
    TEXT("\200\0\0\0\5\0\0\0\204\0\0\0\0\0\0\0"), /* two vectors for fd_write, the second behind the end */
};
enum { TEXTS = sizeof texts / sizeof *texts };
static uint32_t places[TEXTS];

void lay_texts(stub_guest *guest) {
    uint32_t at = GUEST_TEXTS;
    for (size_t i = 0; i < TEXTS; i++) {
        places[i] = at;
        memcpy(guest->memory + at, texts[i].bytes, texts[i].length);
        at += (uint32_t)texts[i].length + 1;
    }
    CHECK(at < GUEST_FREE);
}

void choose_text(uint32_t *address, uint32_t *length) {
    uint32_t i = chance(TEXTS);
    *address = places[i];
    *length = (uint32_t)texts[i].length;
}

int32_t choose_argument(stub_guest *guest, char kind, uint32_t *length_of_last) {
    uint32_t address, size = (uint32_t)guest->size;
    switch (kind) {
    case 'd':
        choose_text(&address, length_of_last);
        if (!one_in(12)) return (int32_t)address;
        *length_of_last = chance_number(size);
        return (int32_t)chance_number(size);
    case 's': return (int32_t)(one_in(12) ? chance_number(size) : *length_of_last);
    case 'o': return (int32_t)(one_in(12) ? chance_number(size) : GUEST_FREE + chance(64));
    default: return (int32_t)(one_in(3) ? chance_number(size) : one_in(8) ? 200 + chance(400) : chance(5));
    }
}

static bool may_call(const import_row *row) {
    if (!strcmp(row->name, "proc_exit")) return world.traps && one_in(world.traps);
    if (!world.passive) return true;
    static const char *const changing[] = {"set_buffer", "set_header", "add_header", "replace_header", "remove_header",
                                           "close_stream", "local_response"};
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
        if (strstr(row->name, changing[i])) return false;
    return true;
}

static bool call_at_random(stub_guest *guest) {
    uint32_t i = one_in(4) ? chance((uint32_t)import_rows_count) : chance(20); /* the first ones are served in C */
    const import_row *row = &import_rows[i];
    if (!may_call(row)) return true;
    int32_t arguments[16] = {0}, result;
    uint32_t length = 0;
    for (size_t k = 0; row->shape[k]; k++) arguments[k] = choose_argument(guest, row->shape[k], &length);
    doing = row->name;
    return stub_call_import(guest, &guest->imports[i], arguments, &result);
}

/* Rarely what an allocator should do. */
static int32_t allocate(stub_guest *guest, uint32_t length) {
    uint32_t size = (uint32_t)guest->size;
    switch (chance(12)) {
    case 0: return 0;
    case 1: return (int32_t)chance_number(size);
    case 2: return (int32_t)(size - length);      /* up to the last byte */
    case 3: return (int32_t)(size - length + 1);  /* one too far */
    case 4: return (int32_t)(GUEST_FREE - length / 2 + chance(64)); /* over the out-pointers */
    case 5: if (size < 1 << 17) stub_grow(guest, size + 64 + length); /* the base moves */
    }
    size = (uint32_t)guest->size;
    if (length > size - GUEST_FREE && size < 1 << 20) stub_grow(guest, size + length);
    return GUEST_FREE + 128 + (int32_t)chance(64);
}

bool play_at_random(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    bool is_allocator = self && (strstr(self->name, "alloc") != NULL);
    unsigned calls = is_allocator ? one_in(20) : chance(world.calls + 1);
    for (unsigned i = 0; i < calls; i++) {
        if (world.traps && one_in(world.traps)) return stub_trap(guest, one_in(2) ? "unreachable" : "");
        if (one_in(30) && guest->size < 1 << 17) stub_grow(guest, guest->size + chance(300));
        if (one_in(50) && !stub_epoch(guest)) return false;
        if (is_allocator && !world.traps) continue; /* most calls are forbidden to it */
        if (!call_at_random(guest)) return false;
    }
    *result = is_allocator ? allocate(guest, (uint32_t)arguments[0]) : world.passive ? (int32_t)chance(3) : (int32_t)chance(5);
    if (!is_allocator && one_in(60) && !world.passive) *result = (int32_t)chance_number(0);
    return true;
}

#define ROW(name, parameters, results) {name, parameters, results, play_at_random}
const stub_export random_exports[] = {
    ROW("proxy_on_memory_allocate", 1, 1), ROW("proxy_on_context_create", 2, 0), ROW("proxy_on_done", 1, 1),
    ROW("proxy_on_log", 1, 0), ROW("proxy_on_delete", 1, 0), ROW("proxy_on_vm_start", 2, 1),
    ROW("proxy_on_configure", 2, 1), ROW("proxy_on_tick", 1, 0), ROW("proxy_on_request_headers", 3, 1),
    ROW("proxy_on_request_body", 3, 1), ROW("proxy_on_request_trailers", 2, 1), ROW("proxy_on_response_headers", 3, 1),
    ROW("proxy_on_response_body", 3, 1), ROW("proxy_on_response_trailers", 2, 1), ROW("proxy_on_new_connection", 1, 1),
    ROW("proxy_on_downstream_data", 3, 1), ROW("proxy_on_upstream_data", 3, 1),
    ROW("proxy_on_downstream_connection_close", 2, 0), ROW("proxy_on_upstream_connection_close", 2, 0), ROW("_start", 0, 0),
    ROW("proxy_on_http_call_response", 5, 0), ROW("proxy_on_foreign_function", 3, 0),
};
enum { RANDOM_EXPORTS = sizeof random_exports / sizeof *random_exports };

static bool start_random(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)self, (void)arguments, (void)result;
    lay_texts(guest);
    return true;
}

const wasmtime_module_t random_module = {random_exports, RANDOM_EXPORTS, true, GUEST_MEMORY, start_random};
static wasm_engine_t *engine;

sw_linker *new_linker(const wasmtime_module_t *module) {
    static int epochs;
    engine = (wasm_engine_t *)(void *)&epochs;
    unsigned rate = memory_fails_one_in;
    memory_fails_one_in = 0;
    sw_linker *linker = sw_linker_new(engine);
    for (size_t i = 0; i < import_rows_count; i++)
        CHECK(!sw_linker_define(linker, "env", import_rows[i].name, import_rows[i].kind, import_rows[i].index,
                                import_rows[i].parameters, import_rows[i].results));
    CHECK(!sw_linker_finish(linker, module));
    memory_fails_one_in = rate;
    return linker;
}

sw_vm *new_vm(const sw_linker *linker, const wasmtime_module_t *module) {
    static uint32_t serial;
    sw_vm *vm = sw_vm_new(engine, ++serial, 1 << 20);
    if (!vm) return NULL;
    static const char environment[] = "A=1\0LONGER=22";
    sw_vm_set_deadline(vm, 1000000000u);
    vm->abi_version = (uint8_t)(1 + chance(3));
    sw_buffer_append(&vm->vm_id, "vm", 2);
    sw_buffer_append(&vm->configuration, "configuration", chance(14));
    if (one_in(2)) sw_buffer_append(&vm->environment, environment, sizeof environment);
    if (sw_vm_instantiate(vm, sw_linker_pre(linker))) {
        sw_vm_release(vm);
        return NULL;
    }
    for (uint16_t i = 0; i < SW_CALLBACKS; i++)
        for (size_t k = 0; k < module->exports_count; k++)
            if (!strcmp(module->exports[k].name, sw_callback_names[i]) && (module != &random_module || !one_in(12)))
                CHECK(!sw_vm_bind(vm, i, sw_callback_names[i], module->exports[k].parameters));
    return vm;
}
