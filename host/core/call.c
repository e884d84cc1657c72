#include "errors.h"
#include "vm.h"

bool sw_vm_is_failed(const sw_vm *vm) { return vm->state == SW_VM_FAILED; }

/* The thread's CPU time costs a system call: one of some calls, at random, is measured for all. Starts are long and
 * rare; each is measured. */
enum { MEASURED_OF = 256 };

static uint64_t weight_of_measure(sw_vm *vm) {
    if (!vm->metrics) return 0;
    if (vm->calls < MEASURED_OF) return 1;
    vm->dice = vm->dice * 1664525u + 1013904223u;
    return vm->dice >> 24 ? 0 : MEASURED_OF;
}

static int enter(sw_vm *vm, uint16_t callback, wasmtime_val_raw_t *values, size_t count) {
    bool is_outermost = vm->depth == 0;
    uint64_t weight = 0, began = 0;
    if (is_outermost) {
        if ((weight = weight_of_measure(vm))) began = sw_thread_cpu_ns();
        vm->mark = sw_clock_enter();
        sw_engine.wasmtime_context_set_epoch_deadline(vm->context, vm->deadline_ticks);
        if (vm->fuel) sw_vm_refuel(vm);
    }
    vm->depth++;
    vm->calls++;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = sw_engine.wasmtime_func_call_unchecked(vm->context, &vm->callbacks[callback], values,
                                                                     count ? count : 1, &trap);
    vm->depth--;
    if (is_outermost) sw_clock_leave();
    if (weight) vm->cpu_ns += weight * (sw_thread_cpu_ns() - began);
    if (!error && !trap) return 0;
    sw_vm_fail_with(vm, error, trap);
    return -1;
}

int sw_vm_call(sw_vm *vm, uint16_t callback, sw_context *context, const uint32_t *arguments, int32_t *result) {
    if (sw_vm_is_failed(vm)) return -1;
    size_t count = vm->parameters[callback];
    if (!count) return 0;
    count--;
    wasmtime_val_raw_t values[SW_MOST_PARAMETERS] = {0};
    for (size_t i = 0; i < count; i++) values[i].i32 = (int32_t)arguments[i];
    sw_context *called = vm->called, *effective = vm->effective;
    const char *calling = vm->calling;
    vm->called = vm->effective = context;
    vm->calling = sw_callback_names[callback];
    int failed = enter(vm, callback, values, count);
    if (vm->trace_on) {
        wasmtime_val_raw_t shown[SW_MOST_PARAMETERS] = {0};
        for (size_t i = 0; i < count; i++) shown[i].i32 = (int32_t)arguments[i];
        vm->effective = context; /* a row of a callback is its own context's, whatever the guest made effective */
        sw_trace_add(vm, SW_TRACE_CALLBACK, callback, shown, count, failed ? failed : values[0].i32);
    }
    vm->called = called;
    vm->effective = effective;
    vm->calling = calling;
    if (result) *result = values[0].i32;
    return failed;
}

int sw_vm_start(sw_vm *vm, uint16_t callback) {
    static const uint32_t no_arguments[SW_MOST_PARAMETERS];
    vm->allowed = SW_START_CALLS;
    vm->exited = false;
    int failed = sw_vm_call(vm, callback, NULL, no_arguments, NULL);
    vm->allowed = SW_ANY_CALL;
    if (failed && vm->exited && vm->exit_code == 0) { /* TinyGo 0.35 ends _start with proc_exit(0): a return */
        sw_buffer_clear(&vm->failure);
        vm->failure_kind = SW_FAILURE_NONE;
        vm->state = SW_VM_LOADING;
        return 0;
    }
    return failed;
}
