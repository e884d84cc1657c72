/* Engine errors and traps as text. */
#pragma once
#include "vm.h"

/* Marks the VM as failed for this error or trap (either may be NULL) and deletes both. */
void sw_vm_fail_with(sw_vm *vm, wasmtime_error_t *error, wasm_trap_t *trap);
/* Appends an error's message and deletes the error. */
void sw_error_text(sw_buffer *text, wasmtime_error_t *error);
