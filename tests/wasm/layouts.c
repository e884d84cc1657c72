/* Prints the layouts that the core relies on: as host/core/engine.h declares them, or (HEADERS) as wasmtime's own
 * headers do. With those, every function of the core's table is declared once more, which the compiler refuses where the
 * types differ. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef HEADERS
#include <wasm.h>
#include <wasmtime.h>
#define OWN(own, theirs) theirs
typedef wasm_trap_t *(*sw_unchecked_callback)(void *, wasmtime_caller_t *, wasmtime_val_raw_t *, size_t);
typedef wasmtime_error_t *(*sw_epoch_callback)(const wasmtime_context_t *, void *, uint64_t *, uint8_t *);
#include "functions.inc" /* SW_ENGINE_FUNCTIONS, taken from engine.h */
#define DECLARE(result, name, parameters) result name parameters;
SW_ENGINE_FUNCTIONS(DECLARE)
_Static_assert(WASMTIME_UPDATE_DEADLINE_CONTINUE == 0, "vm.c writes 0");
#else
#include "engine.h"
#define OWN(own, theirs) own
#endif

#define SIZE(type) printf(#type " %zu\n", sizeof(type))
#define FIELD(type, own, theirs) printf(#type "." #theirs " %zu\n", offsetof(type, OWN(own, theirs)))
#define NUMBER(constant) printf(#constant " %d\n", (int)(constant))

int main(void) {
    SIZE(wasm_byte_vec_t);
    FIELD(wasm_byte_vec_t, data, data);
    SIZE(wasm_valtype_vec_t);
    FIELD(wasm_valtype_vec_t, data, data);
    SIZE(wasmtime_func_t);
    FIELD(wasmtime_func_t, store_id, store_id);
    FIELD(wasmtime_func_t, private_, __private);
    SIZE(wasmtime_memory_t);
    FIELD(wasmtime_memory_t, private2, __private2);
    SIZE(wasmtime_table_t);
    FIELD(wasmtime_table_t, private2, __private2);
    SIZE(wasmtime_global_t);
    FIELD(wasmtime_global_t, private3, __private3);
    SIZE(wasmtime_instance_t);
    FIELD(wasmtime_instance_t, private_, __private);
    SIZE(wasmtime_extern_union_t);
    SIZE(wasmtime_extern_t);
    FIELD(wasmtime_extern_t, kind, kind);
    FIELD(wasmtime_extern_t, of, of);
    SIZE(wasmtime_val_raw_t);
    SIZE(wasmtime_val_t);
    FIELD(wasmtime_val_t, of, of);
    NUMBER(WASMTIME_EXTERN_FUNC);
    NUMBER(WASMTIME_EXTERN_GLOBAL);
    NUMBER(WASMTIME_EXTERN_MEMORY);
    NUMBER(WASM_I32);
    NUMBER(WASM_I64);
    NUMBER(WASM_F32);
    NUMBER(WASM_F64);
    return 0;
}
