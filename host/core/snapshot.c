#define _GNU_SOURCE
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SYSTEM_PAGE = 4096, WASM_PAGE = 65536, MOST_GLOBALS = 1024 };

struct sw_snapshot {
    int file;     /* the memory; pages of zeros are holes */
    size_t size, kept;
    uint32_t count;
    wasmtime_val_t *globals;
    sw_buffer defined; /* see sw_vm.defined */
};

static bool find_global(const sw_vm *vm, uint32_t number, wasmtime_global_t *global) {
    char name[40];
    int length = snprintf(name, sizeof name, SW_GLOBAL_EXPORT, (unsigned)number);
    wasmtime_extern_t item;
    if (!sw_engine.wasmtime_instance_export_get(vm->context, &vm->instance, name, (size_t)length, &item) ||
        item.kind != WASMTIME_EXTERN_GLOBAL)
        return false;
    *global = item.of.global;
    return true;
}

static bool take_globals(sw_snapshot *snapshot, sw_vm *vm, uint32_t count) {
    snapshot->globals = calloc(count ? count : 1, sizeof *snapshot->globals);
    if (!snapshot->globals) return false;
    for (; snapshot->count < count; snapshot->count++) {
        wasmtime_global_t global;
        wasmtime_val_t *value = &snapshot->globals[snapshot->count];
        if (!find_global(vm, snapshot->count, &global)) return false;
        sw_engine.wasmtime_global_get(vm->context, &global, value);
        if (value->kind > WASM_F64) return false; /* references would have to be rooted; the exporter lets none through */
    }
    return true;
}

static bool is_zero(const char *page, size_t length) { return !page[0] && !memcmp(page, page + 1, length - 1); }

static bool write_all(int file, const char *data, size_t length, size_t at) {
    while (length) {
        ssize_t written = pwrite(file, data, length, (off_t)at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written, at += (size_t)written, length -= (size_t)written;
    }
    return true;
}

static bool take_memory(sw_snapshot *snapshot, sw_vm *vm) {
    const char *base = (const char *)sw_engine.wasmtime_memory_data(vm->context, &vm->memory);
    snapshot->size = sw_engine.wasmtime_memory_data_size(vm->context, &vm->memory);
    snapshot->file = memfd_create("sluiceway-snapshot", MFD_CLOEXEC);
    if (snapshot->file < 0 || ftruncate(snapshot->file, (off_t)snapshot->size)) return false;
    for (size_t at = 0; at < snapshot->size; at += SYSTEM_PAGE) {
        size_t left = snapshot->size - at, length = left < SYSTEM_PAGE ? left : SYSTEM_PAGE;
        if (is_zero(base + at, length)) continue;
        if (!write_all(snapshot->file, base + at, length, at)) return false;
        snapshot->kept += length;
    }
    return true;
}

sw_snapshot *sw_snapshot_take(sw_vm *vm, uint32_t globals) {
    if (!sw_vm_has_memory(vm) || globals > MOST_GLOBALS) return NULL;
    sw_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot) return NULL;
    snapshot->file = -1;
    if (take_memory(snapshot, vm) && take_globals(snapshot, vm, globals) &&
        sw_buffer_append(&snapshot->defined, sw_buffer_bytes(&vm->defined), vm->defined.length))
        return snapshot;
    sw_snapshot_delete(snapshot);
    return NULL;
}

void sw_snapshot_delete(sw_snapshot *snapshot) {
    if (!snapshot) return;
    if (snapshot->file >= 0) close(snapshot->file);
    free(snapshot->globals);
    sw_buffer_free(&snapshot->defined);
    free(snapshot);
}

static bool read_all(int file, char *data, size_t length) {
    for (size_t at = 0; at < length;) {
        ssize_t count = pread(file, data + at, length - at, (off_t)at);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        at += (size_t)count;
    }
    return true;
}

/* The engine reserves address space for a memory and gives all of it back by one munmap: what is mapped over a part of
 * it goes with it. A memory that is no mapping (a stub engine's, or a later engine's) is copied to. */
static bool apply_memory(const sw_snapshot *snapshot, sw_vm *vm) {
    size_t size = sw_engine.wasmtime_memory_data_size(vm->context, &vm->memory);
    if (size > snapshot->size) return false;
    if (size < snapshot->size) {
        uint64_t before;
        wasmtime_error_t *error = sw_engine.wasmtime_memory_grow(vm->context, &vm->memory,
                                                                 (snapshot->size - size) / WASM_PAGE, &before);
        if (error) {
            sw_engine.wasmtime_error_delete(error);
            return false;
        }
    }
    char *base = (char *)sw_engine.wasmtime_memory_data(vm->context, &vm->memory);
    if (!sw_engine_maps_memories || (uintptr_t)base % SYSTEM_PAGE || snapshot->size % SYSTEM_PAGE)
        return read_all(snapshot->file, base, snapshot->size);
    return mmap(base, snapshot->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, snapshot->file, 0) == base;
}

int sw_snapshot_apply(const sw_snapshot *snapshot, sw_vm *vm) {
    if (!sw_vm_has_memory(vm) || !apply_memory(snapshot, vm)) return -1;
    for (uint32_t i = 0; i < snapshot->count; i++) {
        wasmtime_global_t global;
        if (!find_global(vm, i, &global)) return -1;
        wasmtime_error_t *error = sw_engine.wasmtime_global_set(vm->context, &global, &snapshot->globals[i]);
        if (error) {
            sw_engine.wasmtime_error_delete(error);
            return -1;
        }
    }
    sw_buffer_clear(&vm->defined);
    return sw_buffer_append(&vm->defined, sw_buffer_bytes(&snapshot->defined), snapshot->defined.length) ? 0 : -1;
}

size_t sw_snapshot_size(const sw_snapshot *snapshot, size_t *kept) {
    *kept = snapshot->kept;
    return snapshot->size;
}

uint32_t sw_vm_next_id(const sw_vm *vm) { return vm->next_id; }
void sw_vm_set_next_id(sw_vm *vm, uint32_t id) { vm->next_id = id; }
uint64_t sw_vm_used_hostcalls(const sw_vm *vm) { return vm->used_hostcalls; }
uint32_t sw_context_tick_period(const sw_context *context) { return context->tick_period; }
void sw_context_set_tick_period(sw_context *context, uint32_t milliseconds) {
    context->tick_period = milliseconds;
    context->tick_changed = true;
    context->vm->ticks_changed = true;
    sw_ticks_changed = true;
}
