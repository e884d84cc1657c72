#include "vm.h"

#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "metrics.h"

enum { MOST_TABLE_ELEMENTS = 1 << 20, NO_LIMIT = -1 };

/* The guest's time is up, or the worker was not scheduled: CPU time tells which. */
static wasmtime_error_t *on_epoch_deadline(const wasmtime_context_t *context, void *data, uint64_t *delta, uint8_t *kind) {
    (void)context;
    sw_vm *vm = data;
    uint64_t used = sw_clock_used(&vm->mark);
    *kind = 0; /* WASMTIME_UPDATE_DEADLINE_CONTINUE */
    if (used < vm->deadline_ns) {
        *delta = (vm->deadline_ns - used) / SW_TICK_NS + 1;
        return NULL;
    }
    sw_vm_fail(vm, SW_FAILURE_DEADLINE, "deadline of %.0f ms CPU time exceeded", (double)vm->deadline_ns / 1e6);
    return sw_engine.wasmtime_error_new("deadline exceeded");
}

sw_vm *sw_vm_new(wasm_engine_t *engine, uint32_t serial, int64_t memory_limit) {
    sw_vm *vm = calloc(1, sizeof *vm);
    if (!vm) return NULL;
    vm->store = sw_engine.wasmtime_store_new(engine, vm, NULL);
    if (!vm->store) {
        free(vm);
        return NULL;
    }
    vm->context = sw_engine.wasmtime_store_context(vm->store);
    sw_engine.wasmtime_store_limiter(vm->store, memory_limit, MOST_TABLE_ELEMENTS, 1, NO_LIMIT, 1);
    sw_engine.wasmtime_store_epoch_deadline_callback(vm->store, on_epoch_deadline, vm, NULL);
    vm->references = 1;
    vm->next_id = 1; /* 0 is the VM itself */
    vm->serial = serial;
    vm->log_level = 2;
    sw_vm_set_deadline(vm, 5000000000u);
    return vm;
}

void sw_vm_retain(sw_vm *vm) { atomic_fetch_add_explicit(&vm->references, 1, memory_order_relaxed); }

void sw_vm_release(sw_vm *vm) {
    if (!vm || atomic_fetch_sub_explicit(&vm->references, 1, memory_order_acq_rel) != 1) return;
    sw_engine.wasmtime_store_delete(vm->store);
    sw_buffer_free(&vm->failure);
    sw_buffer_free(&vm->configuration);
    sw_buffer_free(&vm->vm_id);
    sw_buffer_free(&vm->environment);
    sw_vm_tell_account(vm);
    sw_metrics_release(vm->metrics);
    sw_headers_free(&vm->properties);
    sw_headers_free(&vm->outgoing);
    sw_buffer_free(&vm->outgoing_head);
    sw_buffer_free(&vm->defined);
    free(vm->contexts);
    free(vm->trace);
    sw_vm_share(vm, NULL);
    free(vm);
}

void sw_vm_set_deadline(sw_vm *vm, uint64_t cpu_ns) {
    vm->deadline_ns = cpu_ns;
    uint64_t ticks = cpu_ns / SW_TICK_NS + 1; /* a long deadline is looked at more than once */
    vm->deadline_ticks = ticks < SW_MOST_TICKS ? (uint32_t)ticks : SW_MOST_TICKS;
}

void sw_vm_set_fuel(sw_vm *vm, uint64_t fuel) { vm->fuel = fuel; }

void sw_vm_refuel(sw_vm *vm) {
    wasmtime_error_t *error = sw_engine.wasmtime_context_set_fuel(vm->context, vm->fuel);
    if (error) sw_engine.wasmtime_error_delete(error); /* the call will trap: there was none */
}

int sw_vm_instantiate(sw_vm *vm, const wasmtime_instance_pre_t *pre) {
    wasm_trap_t *trap = NULL;
    vm->calling = "start section";
    vm->allowed = SW_START_CALLS;
    vm->mark = sw_clock_enter();
    sw_engine.wasmtime_context_set_epoch_deadline(vm->context, vm->deadline_ticks);
    if (vm->fuel) sw_vm_refuel(vm);
    wasmtime_error_t *error =
        sw_engine.wasmtime_instance_pre_instantiate(pre, vm->context, &vm->instance, &trap);
    sw_clock_leave();
    vm->allowed = SW_ANY_CALL;
    if (error || trap) {
        sw_vm_fail_with(vm, error, trap);
        return -1;
    }
    wasmtime_extern_t memory;
    if (sw_engine.wasmtime_instance_export_get(vm->context, &vm->instance, "memory", 6, &memory) &&
        memory.kind == WASMTIME_EXTERN_MEMORY)
        vm->memory = memory.of.memory;
    return 0;
}

void sw_vm_watch(sw_vm *vm, uint64_t streams, size_t memory) {
    vm->is_watched = streams || memory;
    vm->due_id = streams ? vm->next_id + streams : UINT64_MAX;
    vm->due_memory = memory ? memory : SIZE_MAX;
}

bool sw_vm_is_due(const sw_vm *vm) {
    if (!vm->is_watched) return false;
    if (vm->next_id >= vm->due_id) return true;
    return sw_vm_has_memory(vm) && sw_engine.wasmtime_memory_data_size(vm->context, &vm->memory) >= vm->due_memory;
}

bool sw_vm_has_memory(const sw_vm *vm) { return vm->memory.store_id != 0; }

int sw_vm_bind(sw_vm *vm, uint16_t index, const char *name, uint8_t parameters) {
    wasmtime_extern_t item;
    if (index >= SW_CALLBACKS || parameters > SW_MOST_PARAMETERS ||
        !sw_engine.wasmtime_instance_export_get(vm->context, &vm->instance, name, strlen(name), &item) ||
        item.kind != WASMTIME_EXTERN_FUNC)
        return -1;
    vm->callbacks[index] = item.of.func;
    vm->parameters[index] = (uint8_t)(parameters + 1);
    return 0;
}

void sw_vm_bind_all(sw_vm *vm, const sw_binding *bindings, size_t count) {
    for (size_t i = 0; i < count; i++) sw_vm_bind(vm, bindings[i].index, bindings[i].name, bindings[i].parameters);
}
