#include "stub_engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub_values.h"

struct wasmtime_store {
    void *data;
    stub_guest guest;
    sw_epoch_callback on_deadline;
    void *deadline_data;
};
struct wasmtime_caller { wasmtime_store_t *store; };
struct wasmtime_linker { stub_import imports[STUB_MOST_IMPORTS]; size_t count; };
struct wasmtime_instance_pre { const wasmtime_linker_t *linker; const wasmtime_module_t *module; };

static _Atomic uint64_t last_store; /* threads start VMs too */

/* What the real engine does with a handle of another store, or none: a panic, which ends the process. */
static void must(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "stub engine: %s\n", what);
    abort();
}

static void increment_epoch(const wasm_engine_t *engine) { atomic_fetch_add((atomic_int *)(uintptr_t)engine, 1); }

static wasmtime_store_t *store_new(wasm_engine_t *engine, void *data, void (*finalizer)(void *)) {
    (void)engine, (void)finalizer;
    wasmtime_store_t *store = stub_new(sizeof *store);
    store->data = data;
    store->guest.store = store;
    return store;
}

static wasmtime_context_t *store_context(wasmtime_store_t *store) { return (wasmtime_context_t *)store; }
static wasmtime_store_t *store_of(const wasmtime_context_t *context) { return (wasmtime_store_t *)(uintptr_t)context; }
stub_guest *stub_guest_of(wasmtime_context_t *context) { return &store_of(context)->guest; }

static void store_limiter(wasmtime_store_t *store, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) {
    (void)store, (void)a, (void)b, (void)c, (void)d, (void)e;
}

static void store_deadline(wasmtime_store_t *store, sw_epoch_callback callback, void *data, void (*finalizer)(void *)) {
    (void)finalizer;
    store->on_deadline = callback;
    store->deadline_data = data;
}

static void store_delete(wasmtime_store_t *store) {
    free(store->guest.memory);
    stub_free(store);
}

static void *context_get_data(const wasmtime_context_t *context) { return store_of(context)->data; }
static void set_epoch_deadline(wasmtime_context_t *context, uint64_t ticks) { (void)context, must(ticks > 0, "no deadline"); }
static wasmtime_error_t *set_fuel(wasmtime_context_t *context, uint64_t fuel) { return (void)context, (void)fuel, NULL; }
static wasmtime_context_t *caller_context(wasmtime_caller_t *caller) { return store_context(caller->store); }

static wasmtime_linker_t *linker_new(wasm_engine_t *engine) {
    (void)engine;
    return stub_new(sizeof(wasmtime_linker_t));
}

static void linker_delete(wasmtime_linker_t *linker) {
    for (size_t i = 0; i < linker->count; i++) linker->imports[i].finalizer(linker->imports[i].data);
    stub_free(linker);
}

static wasmtime_error_t *define(wasmtime_linker_t *linker, const char *module, size_t module_length, const char *name,
                                size_t length, const wasm_functype_t *type, sw_unchecked_callback callback, void *data,
                                void (*finalizer)(void *)) {
    must(strlen(module) == module_length && strlen(name) == length, "a name's length");
    if (linker->count == STUB_MOST_IMPORTS || length >= sizeof linker->imports[0].name) {
        finalizer(data);
        return stub_error_new("defined twice");
    }
    stub_import *import = &linker->imports[linker->count++];
    memcpy(import->name, name, length + 1);
    import->callback = callback;
    import->data = data;
    import->finalizer = finalizer;
    import->parameters = (uint8_t)stub_parameters(type);
    import->results = (uint8_t)stub_results(type);
    return NULL;
}

static wasmtime_error_t *instantiate_pre(const wasmtime_linker_t *linker, const wasmtime_module_t *module,
                                         wasmtime_instance_pre_t **out) {
    wasmtime_instance_pre_t *pre = stub_new(sizeof *pre);
    *pre = (wasmtime_instance_pre_t){linker, module};
    *out = pre;
    return NULL;
}

static wasmtime_error_t *instantiate(const wasmtime_instance_pre_t *pre, wasmtime_context_t *context,
                                     wasmtime_instance_t *instance, wasm_trap_t **trap) {
    stub_guest *guest = stub_guest_of(context);
    guest->module = pre->module;
    guest->imports = pre->linker->imports;
    guest->imports_count = pre->linker->count;
    guest->id = ++last_store;
    if (pre->module->has_memory) {
        guest->size = pre->module->memory_size;
        guest->memory = calloc(1, guest->size);
    }
    int32_t result;
    if (pre->module->start && !pre->module->start(guest, NULL, NULL, &result)) {
        *trap = guest->trap;
        guest->trap = NULL;
        return NULL;
    }
    *instance = (wasmtime_instance_t){guest->id, 1};
    return NULL;
}

static void pre_delete(wasmtime_instance_pre_t *pre) { stub_free(pre); }

static bool export_of(stub_guest *guest, const char *name, size_t length, wasmtime_extern_t *item) {
    static const char prefix[] = "sluiceway_global_";
    if (length == sizeof prefix && !memcmp(name, prefix, length - 1) && name[length - 1] - '0' < STUB_GLOBALS) {
        *item = (wasmtime_extern_t){WASMTIME_EXTERN_GLOBAL, {.global = {guest->id, (uint32_t)(name[length - 1] - '0'), 0, 0}}};
        return true;
    }
    memset(item, 0xa5, sizeof *item);
    if (guest->module->has_memory && length == 6 && !memcmp(name, "memory", 6)) {
        item->kind = WASMTIME_EXTERN_MEMORY;
        item->of.memory.store_id = guest->id;
        return true;
    }
    for (size_t i = 0; i < guest->module->exports_count; i++) {
        const stub_export *export = &guest->module->exports[i];
        if (strlen(export->name) != length || memcmp(export->name, name, length)) continue;
        item->kind = WASMTIME_EXTERN_FUNC;
        item->of.func = (wasmtime_func_t){guest->id, (void *)(uintptr_t)export};
        return true;
    }
    return false;
}

static bool instance_export(wasmtime_context_t *context, const wasmtime_instance_t *instance, const char *name, size_t length,
                            wasmtime_extern_t *item) {
    must(instance->store_id == stub_guest_of(context)->id, "an instance of another store");
    return export_of(stub_guest_of(context), name, length, item);
}

static bool caller_export(wasmtime_caller_t *caller, const char *name, size_t length, wasmtime_extern_t *item) {
    return export_of(&caller->store->guest, name, length, item);
}

static wasmtime_error_t *func_call(wasmtime_context_t *context, const wasmtime_func_t *function, wasmtime_val_raw_t *values,
                                   size_t count, wasm_trap_t **trap) {
    stub_guest *guest = stub_guest_of(context);
    must(function->store_id == guest->id, "a function of another store");
    const stub_export *export = function->private_;
    must(count >= export->parameters && count >= export->results, "too few values for the call");
    int32_t arguments[16], result = 0;
    must(export->parameters <= 16, "a guest of the harness with too many parameters");
    for (size_t i = 0; i < export->parameters; i++) arguments[i] = values[i].i32;
    if (export->body(guest, export, arguments, &result)) {
        if (export->results) values[0].i32 = result;
        return NULL;
    }
    *trap = guest->trap;
    guest->trap = NULL;
    must(*trap != NULL, "a guest of the harness that trapped without a trap");
    return NULL;
}

static stub_guest *guest_with(const wasmtime_context_t *context, const wasmtime_memory_t *memory) {
    stub_guest *guest = &store_of(context)->guest;
    must(guest->id && memory->store_id == guest->id && guest->module->has_memory, "a memory of another store, or none");
    return guest;
}
static uint8_t *memory_data(wasmtime_context_t *context, const wasmtime_memory_t *memory) { return guest_with(context, memory)->memory; }
static size_t memory_size(const wasmtime_context_t *context, const wasmtime_memory_t *memory) { return guest_with(context, memory)->size; }

static wasmtime_error_t *memory_grow(wasmtime_context_t *context, const wasmtime_memory_t *memory, uint64_t delta, uint64_t *before) {
    stub_guest *guest = guest_with(context, memory);
    *before = guest->size / 65536;
    if (delta > 16) return stub_error_new("too large");
    return stub_grow(guest, guest->size + delta * 65536) ? NULL : stub_error_new("cannot grow");
}

static int64_t *global_of(const wasmtime_context_t *context, const wasmtime_global_t *global) {
    stub_guest *guest = &store_of(context)->guest;
    must(global->store_id == guest->id && global->private1 < STUB_GLOBALS, "a global of another store, or none");
    return &guest->globals[global->private1];
}
static void global_get(wasmtime_context_t *context, const wasmtime_global_t *global, wasmtime_val_t *value) {
    value->kind = WASM_I64;
    value->of.i64 = *global_of(context, global);
}
static wasmtime_error_t *global_set(wasmtime_context_t *context, const wasmtime_global_t *global, const wasmtime_val_t *value) {
    if (value->kind != WASM_I64) return stub_error_new("of another type");
    *global_of(context, global) = value->of.i64;
    return NULL;
}

bool stub_call_import(stub_guest *guest, const stub_import *import, const int32_t *arguments, int32_t *result) {
    size_t count = import->parameters > import->results ? import->parameters : import->results;
    wasmtime_val_raw_t *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < import->parameters; i++) {
        memset(&values[i], 0xa5, sizeof values[i]);
        values[i].i32 = arguments[i];
    }
    wasmtime_caller_t caller = {guest->store};
    guest->trap = import->callback(import->data, &caller, values, count);
    *result = count ? values[0].i32 : 0;
    free(values);
    return !guest->trap;
}

bool stub_call(stub_guest *guest, const char *name, const int32_t *arguments, int32_t *result) {
    for (size_t i = 0; i < guest->imports_count; i++)
        if (!strcmp(guest->imports[i].name, name)) return stub_call_import(guest, &guest->imports[i], arguments, result);
    must(false, name);
    return false;
}

bool stub_trap(stub_guest *guest, const char *message) {
    guest->trap = stub_trap_new(message, strlen(message));
    return false;
}

bool stub_grow(stub_guest *guest, size_t size) {
    if (size < guest->size || !guest->memory) return false;
    uint8_t *memory = calloc(1, size);
    memcpy(memory, guest->memory, guest->size);
    free(guest->memory);
    guest->memory = memory;
    guest->size = size;
    return true;
}

bool stub_epoch(stub_guest *guest) {
    uint64_t delta = 0;
    uint8_t kind = 0xff;
    wasmtime_error_t *error = guest->store->on_deadline(store_context(guest->store), guest->store->deadline_data, &delta, &kind);
    if (!error) return must(kind == 0 && delta > 0, "a deadline that does not move"), true;
    stub_error_delete(error);
    return stub_trap(guest, "deadline");
}

void stub_engine_install(void) {
    sw_engine = (sw_engine_api){
        .wasmtime_engine_increment_epoch = increment_epoch,
        .wasmtime_store_new = store_new,
        .wasmtime_store_context = store_context,
        .wasmtime_store_limiter = store_limiter,
        .wasmtime_store_epoch_deadline_callback = store_deadline,
        .wasmtime_store_delete = store_delete,
        .wasmtime_context_get_data = context_get_data,
        .wasmtime_context_set_epoch_deadline = set_epoch_deadline,
        .wasmtime_context_set_fuel = set_fuel,
        .wasmtime_caller_context = caller_context,
        .wasmtime_caller_export_get = caller_export,
        .wasmtime_linker_new = linker_new,
        .wasmtime_linker_delete = linker_delete,
        .wasmtime_linker_define_func_unchecked = define,
        .wasmtime_linker_instantiate_pre = instantiate_pre,
        .wasmtime_instance_pre_instantiate = instantiate,
        .wasmtime_instance_pre_delete = pre_delete,
        .wasmtime_instance_export_get = instance_export,
        .wasmtime_func_call_unchecked = func_call,
        .wasmtime_memory_data = memory_data,
        .wasmtime_memory_data_size = memory_size,
        .wasmtime_memory_grow = memory_grow,
        .wasmtime_global_get = global_get,
        .wasmtime_global_set = global_set,
    };
    stub_values_install();
}
