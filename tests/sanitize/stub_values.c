#include "stub_values.h"

#include <stdlib.h>
#include <string.h>

struct wasm_trap_t { char *text; size_t length; };
struct wasmtime_error { char *text; size_t length; };
struct wasm_valtype_t { uint8_t kind; };
struct wasm_functype_t { wasm_valtype_vec_t parameters, results; };
struct wasm_frame_t { wasm_byte_vec_t name; uint32_t index; };

long stub_alive;

void *stub_new(size_t size) {
    __atomic_add_fetch(&stub_alive, 1, __ATOMIC_RELAXED);
    return calloc(1, size);
}

void stub_free(void *object) {
    if (object) __atomic_sub_fetch(&stub_alive, 1, __ATOMIC_RELAXED);
    free(object);
}

static char *copy(const char *text, size_t length) {
    char *bytes = stub_new(length);
    if (length) memcpy(bytes, text, length);
    return bytes;
}

wasm_trap_t *stub_trap_new(const char *message, size_t length) {
    wasm_trap_t *trap = stub_new(sizeof *trap);
    *trap = (wasm_trap_t){copy(message, length), length};
    return trap;
}

wasmtime_error_t *stub_error_new(const char *message) {
    wasmtime_error_t *error = stub_new(sizeof *error);
    *error = (wasmtime_error_t){copy(message, strlen(message)), strlen(message)};
    return error;
}

void stub_error_delete(wasmtime_error_t *error) {
    stub_free(error->text);
    stub_free(error);
}

static void trap_delete(wasm_trap_t *trap) {
    stub_free(trap->text);
    stub_free(trap);
}

/* The real engine's messages of traps end with a NUL, those of errors do not. */
static void trap_message(const wasm_trap_t *trap, wasm_byte_vec_t *out) {
    *out = (wasm_byte_vec_t){trap->length + 1, stub_new(trap->length + 1)};
    memcpy(out->data, trap->text, trap->length);
}
static void error_message(const wasmtime_error_t *error, wasm_byte_vec_t *out) {
    *out = (wasm_byte_vec_t){error->length, copy(error->text, error->length)};
}
static void byte_vec_delete(wasm_byte_vec_t *bytes) {
    stub_free(bytes->data);
    *bytes = (wasm_byte_vec_t){0};
}

/* As many frames as the message has bytes: the length of a backtrace is the guest's to choose. Every third has a name. */
static void frames_of(size_t count, wasm_frame_vec_t *out) {
    *out = (wasm_frame_vec_t){count, stub_new(count * sizeof *out->data)};
    for (size_t i = 0; i < count; i++) {
        out->data[i] = stub_new(sizeof *out->data[i]);
        out->data[i]->index = (uint32_t)i;
        if (i % 3 == 0) {
            out->data[i]->name.size = i * i;
            out->data[i]->name.data = stub_new(i * i);
            memset(out->data[i]->name.data, 'f', i * i);
        }
    }
}
static void trap_trace(const wasm_trap_t *trap, wasm_frame_vec_t *out) { frames_of(trap->length, out); }
static void error_trace(const wasmtime_error_t *error, wasm_frame_vec_t *out) { frames_of(error->length, out); }
static void frame_vec_delete(wasm_frame_vec_t *frames) {
    for (size_t i = 0; i < frames->size; i++) {
        stub_free(frames->data[i]->name.data);
        stub_free(frames->data[i]);
    }
    stub_free(frames->data);
    *frames = (wasm_frame_vec_t){0};
}
static const wasm_byte_vec_t *frame_name(const wasm_frame_t *frame) { return frame->name.data ? &frame->name : NULL; }
static uint32_t frame_index(const wasm_frame_t *frame) { return frame->index; }

static wasm_valtype_t *valtype_new(uint8_t kind) {
    wasm_valtype_t *type = stub_new(sizeof *type);
    type->kind = kind;
    return type;
}
static void valtype_vec_new(wasm_valtype_vec_t *types, size_t count) {
    *types = (wasm_valtype_vec_t){count, count ? stub_new(count * sizeof *types->data) : NULL};
}
static wasm_functype_t *functype_new(wasm_valtype_vec_t *parameters, wasm_valtype_vec_t *results) {
    wasm_functype_t *type = stub_new(sizeof *type);
    *type = (wasm_functype_t){*parameters, *results};
    *parameters = *results = (wasm_valtype_vec_t){0};
    return type;
}
static void valtypes_delete(wasm_valtype_vec_t *types) {
    for (size_t i = 0; i < types->size; i++) stub_free(types->data[i]);
    stub_free(types->data);
}
static void functype_delete(wasm_functype_t *type) {
    valtypes_delete(&type->parameters);
    valtypes_delete(&type->results);
    stub_free(type);
}
size_t stub_parameters(const wasm_functype_t *type) { return type->parameters.size; }
size_t stub_results(const wasm_functype_t *type) { return type->results.size; }

void stub_values_install(void) {
    sw_engine.wasmtime_trap_new = stub_trap_new;
    sw_engine.wasmtime_error_new = stub_error_new;
    sw_engine.wasmtime_error_message = error_message;
    sw_engine.wasmtime_error_wasm_trace = error_trace;
    sw_engine.wasmtime_error_delete = stub_error_delete;
    sw_engine.wasm_trap_message = trap_message;
    sw_engine.wasm_trap_trace = trap_trace;
    sw_engine.wasm_trap_delete = trap_delete;
    sw_engine.wasmtime_frame_func_name = frame_name;
    sw_engine.wasm_frame_func_index = frame_index;
    sw_engine.wasm_frame_vec_delete = frame_vec_delete;
    sw_engine.wasm_byte_vec_delete = byte_vec_delete;
    sw_engine.wasm_valtype_new = valtype_new;
    sw_engine.wasm_valtype_vec_new_uninitialized = valtype_vec_new;
    sw_engine.wasm_functype_new = functype_new;
    sw_engine.wasm_functype_delete = functype_delete;
}
