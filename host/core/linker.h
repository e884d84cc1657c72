/* Linking a module's imports: one linker a module, made once, then instantiated for each VM. */
#pragma once
#include "vm.h"

typedef struct {
    char name[64];
    uint16_t index;
    uint8_t parameters;
    atomic_bool told;   /* that it was called although it is restricted */
} sw_import;

/* A restricted import is a row of its table that the plugin is not allowed: it is answered by a refusal. Chosen when a
 * module is linked, so that an allowed call pays nothing. */
enum { SW_IMPORT_HOSTCALL, SW_IMPORT_WASI, SW_IMPORT_CONSTANT, SW_IMPORT_RESTRICTED_HOSTCALL, SW_IMPORT_RESTRICTED_WASI };

typedef struct sw_linker sw_linker;
sw_linker *sw_linker_new(wasm_engine_t *engine);
void sw_linker_delete(sw_linker *linker);
/* Defines one import: a row of the tables, or a constant, whose answer is `index`. It has the type that the module gives
 * it, a letter a value (i = i32, I = i64, f = f32, F = f64). NULL = done, else the reason, good until the next call. */
const char *sw_linker_define(sw_linker *linker, const char *module, const char *name, int kind, uint16_t index,
                             const char *parameters, const char *results);
/* Ties the linker to the module, which both must outlive. */
const char *sw_linker_finish(sw_linker *linker, const wasmtime_module_t *module);
const wasmtime_instance_pre_t *sw_linker_pre(const sw_linker *linker);

wasm_trap_t *sw_enter_hostcall(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
wasm_trap_t *sw_enter_wasi(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
wasm_trap_t *sw_enter_restricted_hostcall(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
wasm_trap_t *sw_enter_restricted_wasi(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
wasm_trap_t *sw_enter_constant(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);
