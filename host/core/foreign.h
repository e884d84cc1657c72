/* What a guest calls by a name of its own: functions of the host's that the ABI knows nothing of. */
#pragma once
#include "vm.h"

/* cffi makes it. `stream`: the owner of the context's stream, -1 = none. It appends to `result`, and returns a status. */
int32_t sw_call_foreign_function(uint32_t vm, uint32_t root, uint32_t context, int64_t stream, const char *name,
                                 size_t name_length, const char *arguments, size_t arguments_length, sw_buffer *result);

/* The context of this id, NULL when it is gone. */
sw_context *sw_vm_find_context(const sw_vm *vm, uint32_t id);
/* Declares a property of the plugin's: one that is read-only can be set once. 0, 1: it was declared; -1: out of memory. */
int sw_context_declare(sw_context *root, const char *name, size_t length, bool read_only);
bool sw_context_may_set(const sw_context *root, const char *name, size_t length, bool is_set);
