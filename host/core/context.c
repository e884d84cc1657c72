#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { FIRST_TABLE = 64 };

atomic_bool sw_ticks_changed;

static uint32_t place_of(const sw_vm *vm, uint32_t id) {
    uint32_t mask = vm->contexts_size - 1, at = id & mask; /* ids grow one by one: their low bits spread well */
    while (vm->contexts[at] && vm->contexts[at]->id != id) at = (at + 1) & mask;
    return at;
}

static bool make_room(sw_vm *vm) {
    if (vm->contexts_used * 2 < vm->contexts_size) return true;
    uint32_t old_size = vm->contexts_size;
    sw_context **old = vm->contexts;
    uint32_t size = old_size ? old_size * 2 : FIRST_TABLE;
    sw_context **table = calloc(size, sizeof *table);
    if (!table) return false;
    vm->contexts = table;
    vm->contexts_size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i]) table[place_of(vm, old[i]->id)] = old[i];
    free(old);
    return true;
}

sw_context *sw_context_find(const sw_vm *vm, uint32_t id) {
    return vm->contexts_size ? vm->contexts[place_of(vm, id)] : NULL;
}

bool sw_context_enter(sw_context *context, sw_vm *vm) {
    if (!make_room(vm)) return false;
    context->vm = vm;
    do {
        context->id = vm->next_id++;
    } while (context->id == 0 || sw_context_find(vm, context->id)); /* ids come round after 2^32 streams */
    vm->contexts[place_of(vm, context->id)] = context;
    vm->contexts_used++;
    if (context->stream) {
        context->root->references++;
        context->previous = NULL;
        context->next = vm->streams;
        if (vm->streams) vm->streams->previous = context;
        vm->streams = context;
    }
    sw_vm_retain(vm);
    return true;
}

/* Open addressing keeps runs without gaps: what follows the freed place is put in anew. */
static void forget(sw_vm *vm, uint32_t id) {
    uint32_t mask = vm->contexts_size - 1, at = place_of(vm, id);
    vm->contexts[at] = NULL;
    vm->contexts_used--;
    for (uint32_t next = (at + 1) & mask; vm->contexts[next]; next = (next + 1) & mask) {
        sw_context *moved = vm->contexts[next];
        vm->contexts[next] = NULL;
        vm->contexts[place_of(vm, moved->id)] = moved;
    }
}

/* Its streams read a plugin context's names and configuration to their end, even when its owner has let go of it. */
static void release_root(sw_context *root) {
    if (--root->references) return;
    sw_buffer_free(&root->name);
    sw_buffer_free(&root->root_id);
    sw_buffer_free(&root->configuration);
    sw_headers_free(&root->declared);
    free(root);
}

void sw_context_leave(sw_context *context) {
    sw_vm *vm = context->vm;
    if (!vm) return;
    forget(vm, context->id);
    if (context->stream) {
        if (context->previous)
            context->previous->next = context->next;
        else
            vm->streams = context->next;
        if (context->next) context->next->previous = context->previous;
    }
    if (vm->effective == context) vm->effective = NULL;
    context->vm = NULL;
    if (context->stream) release_root(context->root);
    sw_vm_release(vm);
}

sw_context *sw_context_new_root(sw_vm *vm, const char *name, size_t name_length, const char *root_id, size_t root_id_length,
                                const char *configuration, size_t configuration_length) {
    sw_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->root = context;
    context->references = 1;
    if (sw_buffer_append(&context->name, name, name_length) &&
        sw_buffer_append(&context->root_id, root_id, root_id_length) &&
        sw_buffer_append(&context->configuration, configuration, configuration_length) && sw_context_enter(context, vm))
        return context;
    sw_context_delete_root(context);
    return NULL;
}

void sw_context_delete_root(sw_context *context) {
    if (!context) return;
    sw_context_leave(context);
    release_root(context);
}
