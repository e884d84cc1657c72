/* The stub engine's errors, traps, frames and types: small heap objects that must be given back. */
#pragma once
#include "stub_engine.h"

void *stub_new(size_t size);
void stub_free(void *object);
wasmtime_error_t *stub_error_new(const char *message);
void stub_error_delete(wasmtime_error_t *error);
wasm_trap_t *stub_trap_new(const char *message, size_t length);
size_t stub_parameters(const wasm_functype_t *type);
size_t stub_results(const wasm_functype_t *type);
void stub_values_install(void);
