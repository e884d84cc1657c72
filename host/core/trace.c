#include "vm.h"

void sw_trace_add(sw_vm *vm, uint8_t what, uint16_t index, const wasmtime_val_raw_t *arguments, size_t count, int32_t result) {
    sw_trace_row *row = &vm->trace[vm->trace_count++ % vm->trace_size];
    row->what = what;
    row->index = index;
    row->count = (uint8_t)(count < 6 ? count : 6);
    for (size_t i = 0; i < row->count; i++) row->arguments[i] = (uint32_t)arguments[i].i32;
    row->result = result;
    row->context = vm->effective ? vm->effective->id : 0;
    row->time_ns = sw_monotonic_ns();
}
