/* The part of wasmtime's C API that the core uses, declared here because the wheel ships the library without headers.
 *
 * The functions are looked up in the library that wasmtime-py has loaded already, so both sides share one engine. A test
 * build fills the same table with a stub engine whose guest memory is an exact-size block (see tests/sanitize).
 * Layouts are those of wasmtime 50; `make check` compares them with the headers of crate wasmtime-c-api-impl. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; wasm_valtype_t **data; } wasm_valtype_vec_t;

typedef struct { uint64_t store_id; void *private_; } wasmtime_func_t;
typedef struct { struct { uint64_t store_id; uint32_t private1; }; uint32_t private2; } wasmtime_memory_t;
typedef struct { struct { uint64_t store_id; uint32_t private1; }; uint32_t private2; } wasmtime_table_t;
typedef struct { uint64_t store_id; uint32_t private1, private2, private3; } wasmtime_global_t;
typedef struct { uint64_t store_id; size_t private_; } wasmtime_instance_t;
typedef union {
    wasmtime_func_t func;
    wasmtime_global_t global;
    wasmtime_table_t table;
    wasmtime_memory_t memory;
    void *other;
} wasmtime_extern_union_t;
typedef struct { uint8_t kind; wasmtime_extern_union_t of; } wasmtime_extern_t;
typedef union {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    uint8_t v128[16];
    void *reference;
} wasmtime_val_raw_t;
typedef struct {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint8_t v128[16];
        struct { uint64_t store_id; uint32_t private1, private2, private3; } reference;
    } of;
} wasmtime_val_t;

enum { WASMTIME_EXTERN_FUNC = 0, WASMTIME_EXTERN_GLOBAL = 1, WASMTIME_EXTERN_MEMORY = 3 };
enum { WASMTIME_TRAP_CODE_OUT_OF_FUEL = 11 };
enum { WASM_I32 = 0, WASM_I64 = 1, WASM_F32 = 2, WASM_F64 = 3 };

_Static_assert(sizeof(wasmtime_val_raw_t) == 16, "wasmtime_val_raw_t");
_Static_assert(sizeof(wasmtime_func_t) == 16, "wasmtime_func_t");
_Static_assert(sizeof(wasmtime_memory_t) == 24, "wasmtime_memory_t");
_Static_assert(sizeof(wasmtime_extern_t) == 32, "wasmtime_extern_t");
_Static_assert(sizeof(wasmtime_instance_t) == 16, "wasmtime_instance_t");

typedef wasm_trap_t *(*sw_unchecked_callback)(void *, wasmtime_caller_t *, wasmtime_val_raw_t *, size_t);
typedef wasmtime_error_t *(*sw_epoch_callback)(const wasmtime_context_t *, void *, uint64_t *, uint8_t *);

/* X(result, name, parameters): the functions of the C API in use. */
#define SW_ENGINE_FUNCTIONS(X)                                                                                          \
    X(void, wasmtime_engine_increment_epoch, (const wasm_engine_t *))                                                   \
    X(wasmtime_store_t *, wasmtime_store_new, (wasm_engine_t *, void *, void (*)(void *)))                              \
    X(wasmtime_context_t *, wasmtime_store_context, (wasmtime_store_t *))                                               \
    X(void, wasmtime_store_limiter, (wasmtime_store_t *, int64_t, int64_t, int64_t, int64_t, int64_t))                  \
    X(void, wasmtime_store_epoch_deadline_callback, (wasmtime_store_t *, sw_epoch_callback, void *, void (*)(void *)))  \
    X(void, wasmtime_store_delete, (wasmtime_store_t *))                                                                \
    X(void *, wasmtime_context_get_data, (const wasmtime_context_t *))                                                  \
    X(void, wasmtime_context_set_epoch_deadline, (wasmtime_context_t *, uint64_t))                                      \
    X(wasmtime_error_t *, wasmtime_context_set_fuel, (wasmtime_context_t *, uint64_t))                                  \
    X(wasmtime_context_t *, wasmtime_caller_context, (wasmtime_caller_t *))                                             \
    X(bool, wasmtime_caller_export_get, (wasmtime_caller_t *, const char *, size_t, wasmtime_extern_t *))               \
    X(wasmtime_linker_t *, wasmtime_linker_new, (wasm_engine_t *))                                                      \
    X(void, wasmtime_linker_delete, (wasmtime_linker_t *))                                                              \
    X(wasmtime_error_t *, wasmtime_linker_define_func_unchecked,                                                        \
      (wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *, sw_unchecked_callback, \
       void *, void (*)(void *)))                                                                                       \
    X(wasmtime_error_t *, wasmtime_linker_instantiate_pre,                                                              \
      (const wasmtime_linker_t *, const wasmtime_module_t *, wasmtime_instance_pre_t **))                               \
    X(wasmtime_error_t *, wasmtime_instance_pre_instantiate,                                                            \
      (const wasmtime_instance_pre_t *, wasmtime_context_t *, wasmtime_instance_t *, wasm_trap_t **))                   \
    X(void, wasmtime_instance_pre_delete, (wasmtime_instance_pre_t *))                                                  \
    X(bool, wasmtime_instance_export_get,                                                                               \
      (wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *))                   \
    X(wasmtime_error_t *, wasmtime_func_call_unchecked,                                                                 \
      (wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *, size_t, wasm_trap_t **))                    \
    X(uint8_t *, wasmtime_memory_data, (wasmtime_context_t *, const wasmtime_memory_t *))                               \
    X(size_t, wasmtime_memory_data_size, (const wasmtime_context_t *, const wasmtime_memory_t *))                       \
    X(wasmtime_error_t *, wasmtime_memory_grow,                                                                         \
      (wasmtime_context_t *, const wasmtime_memory_t *, uint64_t, uint64_t *))                                          \
    X(void, wasmtime_global_get, (wasmtime_context_t *, const wasmtime_global_t *, wasmtime_val_t *))                   \
    X(wasmtime_error_t *, wasmtime_global_set,                                                                          \
      (wasmtime_context_t *, const wasmtime_global_t *, const wasmtime_val_t *))                                        \
    X(wasm_trap_t *, wasmtime_trap_new, (const char *, size_t))                                                         \
    X(wasmtime_error_t *, wasmtime_error_new, (const char *))                                                           \
    X(void, wasmtime_error_message, (const wasmtime_error_t *, wasm_byte_vec_t *))                                      \
    X(void, wasmtime_error_delete, (wasmtime_error_t *))                                                                \
    X(void, wasm_trap_message, (const wasm_trap_t *, wasm_byte_vec_t *))                                                \
    X(bool, wasmtime_trap_code, (const wasm_trap_t *, uint8_t *))                                                       \
    X(void, wasm_trap_delete, (wasm_trap_t *))                                                                          \
    X(void, wasm_byte_vec_delete, (wasm_byte_vec_t *))                                                                  \
    X(wasm_valtype_t *, wasm_valtype_new, (uint8_t))                                                                    \
    X(void, wasm_valtype_vec_new_uninitialized, (wasm_valtype_vec_t *, size_t))                                         \
    X(wasm_functype_t *, wasm_functype_new, (wasm_valtype_vec_t *, wasm_valtype_vec_t *))                               \
    X(void, wasm_functype_delete, (wasm_functype_t *))

#define SW_DECLARE(result, name, parameters) result(*name) parameters;
typedef struct { SW_ENGINE_FUNCTIONS(SW_DECLARE) } sw_engine_api;
#undef SW_DECLARE

extern sw_engine_api sw_engine;
/* Whether a memory is a mapping of its own, as the real engine's are, so that pages can be mapped over it. */
extern bool sw_engine_maps_memories;

/* Fills the table from the library at `path`. NULL = done, else the name of the first missing symbol or the loader's error. */
const char *sw_engine_load(const char *path);
