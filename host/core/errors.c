#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "logs.h"

enum { MOST_FRAMES = 20 }; /* as many as Envoy shows */

static void append_format(sw_buffer *text, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0) sw_buffer_append(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static void append_frames(sw_buffer *text, const wasm_frame_vec_t *frames) {
    for (size_t i = 0; i < frames->size && i < MOST_FRAMES; i++) {
        const wasm_byte_vec_t *name = sw_engine.wasmtime_frame_func_name(frames->data[i]);
        if (name && name->size)
            append_format(text, "\n  %zu: %.*s", i, (int)name->size, name->data);
        else
            append_format(text, "\n  %zu: function %u", i, sw_engine.wasm_frame_func_index(frames->data[i]));
    }
    if (frames->size > MOST_FRAMES) append_format(text, "\n  … %zu more", frames->size - MOST_FRAMES);
}

/* The engine's messages carry its own backtrace after a line break: ours follows instead. */
static void append_first_line(sw_buffer *text, const wasm_byte_vec_t *message) {
    size_t length = 0;
    while (length < message->size && message->data[length] && message->data[length] != '\n') length++;
    static const char opening[] = "error while executing at wasm backtrace:";
    if (length >= sizeof opening - 1 && !memcmp(message->data, opening, sizeof opening - 1)) {
        /* the cause is the last paragraph */
        const char *cause = memchr(message->data, 0, message->size);
        size_t end = cause ? (size_t)(cause - message->data) : message->size;
        while (end && message->data[end - 1] == '\n') end--;
        size_t begin = end;
        while (begin && message->data[begin - 1] != '\n') begin--;
        while (begin < end && message->data[begin] == ' ') begin++;
        sw_buffer_append(text, message->data + begin, end - begin);
        return;
    }
    sw_buffer_append(text, message->data, length);
}

void sw_error_text(sw_buffer *text, wasmtime_error_t *error) {
    wasm_byte_vec_t message;
    sw_engine.wasmtime_error_message(error, &message);
    sw_buffer_append(text, message.data, message.size);
    sw_engine.wasm_byte_vec_delete(&message);
    sw_engine.wasmtime_error_delete(error);
}

void sw_vm_fail(sw_vm *vm, uint8_t kind, const char *format, ...) {
    if (vm->failure_kind) return; /* the first reason counts: what follows is its consequence */
    vm->failure_kind = kind;
    vm->state = SW_VM_FAILED;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    sw_buffer_clear(&vm->failure);
    append_format(&vm->failure, "%s: %.*s", vm->calling ? vm->calling : "host", length > 0 ? length : 0, line);
}

void sw_vm_fail_with(sw_vm *vm, wasmtime_error_t *error, wasm_trap_t *trap) {
    wasm_byte_vec_t message = {0};
    wasm_frame_vec_t frames = {0};
    if (trap) {
        sw_engine.wasm_trap_message(trap, &message);
        sw_engine.wasm_trap_trace(trap, &frames);
    } else {
        sw_engine.wasmtime_error_message(error, &message);
        sw_engine.wasmtime_error_wasm_trace(error, &frames);
    }
    if (!vm->failure_kind) {
        sw_vm_fail(vm, SW_FAILURE_TRAP, "%s", "");
        append_first_line(&vm->failure, &message);
    }
    append_frames(&vm->failure, &frames);
    sw_engine.wasm_byte_vec_delete(&message);
    sw_engine.wasm_frame_vec_delete(&frames);
    if (trap) sw_engine.wasm_trap_delete(trap);
    if (error) sw_engine.wasmtime_error_delete(error);
}
