/* An engine without WebAssembly: it fills the core's function table, and C functions play the guest.
 *
 * A guest's memory is a heap block of exactly its size, and growing moves it: what reads or writes one byte too many, or
 * keeps a pointer over a growth, hits a red zone or freed memory, which the real engine's mapping would hide. So are the
 * values of a host call, the text of a trap, and everything else that the engine hands out. */
#pragma once
#include "engine.h"

enum { STUB_MOST_IMPORTS = 128, STUB_MOST_EXPORTS = 64, STUB_GLOBALS = 2 };

typedef struct stub_guest stub_guest;
typedef struct stub_export stub_export;
/* A function of the guest. False: it has trapped, and its own callers return at once. `self` is NULL for a start section. */
typedef bool (*stub_function)(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result);

struct stub_export {
    const char *name;
    uint8_t parameters, results;
    stub_function body;
};

/* What wasmtime-py compiles. `start` is the start section; NULL = none. */
struct wasmtime_module {
    const stub_export *exports;
    size_t exports_count;
    bool has_memory;
    size_t memory_size;
    stub_function start;
};

typedef struct {
    char name[64];
    sw_unchecked_callback callback;
    void *data;
    void (*finalizer)(void *);
    uint8_t parameters, results;
} stub_import;

/* The instance of a module in its store; `player` is the harness's own. */
struct stub_guest {
    wasmtime_store_t *store;
    const wasmtime_module_t *module;
    const stub_import *imports;
    size_t imports_count;
    uint8_t *memory;
    size_t size;
    void *player;
    int64_t globals[STUB_GLOBALS]; /* exported as sluiceway_global_0, …: 64-bit integers */
    wasm_trap_t *trap;   /* on its way out */
    uint64_t id;         /* 0 = no memory */
};

void stub_engine_install(void);
/* The guest of a store, as the harness reaches it: the core's `context` is the store. */
stub_guest *stub_guest_of(wasmtime_context_t *context);
/* Calls an import, as guest code does. False = it trapped. An import that is not linked is a fault of the harness. */
bool stub_call(stub_guest *guest, const char *name, const int32_t *arguments, int32_t *result);
bool stub_call_import(stub_guest *guest, const stub_import *import, const int32_t *arguments, int32_t *result);
/* Traps with this message. Returns false, for the guest function to return. */
bool stub_trap(stub_guest *guest, const char *message);
/* The memory at this size, in a new block; the old one is gone. Smaller is refused, as in WebAssembly. */
bool stub_grow(stub_guest *guest, size_t size);
/* Lets the deadline callback look, as compiled code does when the epoch has passed. False = it trapped. */
bool stub_epoch(stub_guest *guest);

/* What is alive of all that the engine has given out: zero when nothing was leaked. */
extern long stub_alive;
