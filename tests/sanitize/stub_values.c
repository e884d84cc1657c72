#include "stub_values.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

struct wasm_trap_t { char *text; size_t length; };
struct wasmtime_error { char *text; size_t length; };
struct wasm_valtype_t { uint8_t kind; };
struct wasm_functype_t { wasm_valtype_vec_t parameters, results; };

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

/* As the real engine words it: a backtrace, then the cause. There are as many frames as the cause has bytes, as the
 * depth of a backtrace is the guest's to choose; some have names, places, or functions inlined into them. Messages of
 * traps end with a NUL, those of errors do not. */
static void message_of(const char *cause, size_t length, size_t terminator, wasm_byte_vec_t *out) {
    static const char opening[] = "error while executing at wasm backtrace:\n";
    size_t most = sizeof opening + length * 160 + 20 + length, at = 0;
    char *text = stub_new(most + terminator);
    if (length % 4) { /* an error from elsewhere has none */
        at += (size_t)snprintf(text, most, "%s", opening);
        for (size_t i = 0; i < length; i++) {
            const char *form = i % 3 == 0 ? "  %3zu: 0x%zx - <unknown>!<wasm function %zu>\n"
                             : i % 3 == 1 ? "  %3zu: 0x%zx - f%zu\n        at main.go:1:2\n"
                                          : "  %3zu: 0x%zx - f%zu\n     - inlined\n        at main.go:1:2\n";
            at += (size_t)snprintf(text + at, most - at, form, i, i, i);
        }
        at += (size_t)snprintf(text + at, most - at, "\nCaused by:\n    ");
    }
    if (length) memcpy(text + at, cause, length);
    /* An exact-size block: reading beyond it is seen. */
    *out = (wasm_byte_vec_t){at + length + terminator, copy(text, at + length + terminator)};
    stub_free(text);
}
static void trap_message(const wasm_trap_t *trap, wasm_byte_vec_t *out) { message_of(trap->text, trap->length, 1, out); }
static void error_message(const wasmtime_error_t *error, wasm_byte_vec_t *out) {
    message_of(error->text, error->length, 0, out);
}
static void byte_vec_delete(wasm_byte_vec_t *bytes) {
    stub_free(bytes->data);
    *bytes = (wasm_byte_vec_t){0};
}

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

static bool trap_code(const wasm_trap_t *trap, uint8_t *code) { return (void)trap, *code = 0, false; }

void stub_values_install(void) {
    sw_engine.wasmtime_trap_code = trap_code;
    sw_engine.wasmtime_trap_new = stub_trap_new;
    sw_engine.wasmtime_error_new = stub_error_new;
    sw_engine.wasmtime_error_message = error_message;
    sw_engine.wasmtime_error_delete = stub_error_delete;
    sw_engine.wasm_trap_message = trap_message;
    sw_engine.wasm_trap_delete = trap_delete;
    sw_engine.wasm_byte_vec_delete = byte_vec_delete;
    sw_engine.wasm_valtype_new = valtype_new;
    sw_engine.wasm_valtype_vec_new_uninitialized = valtype_vec_new;
    sw_engine.wasm_functype_new = functype_new;
    sw_engine.wasm_functype_delete = functype_delete;
}
