#include "errors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "logs.h"

/* As many frames as Envoy shows; names are the guest's to choose, and may be long. */
enum { MOST_FRAMES = 20, MOST_LINES = 100, MOST_BYTES = 16 * 1024 };

static void append_format(sw_buffer *text, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0) sw_buffer_append(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* The engine's text is "error while executing at wasm backtrace:", a line or more for each frame, an empty line,
 * "Caused by:", and the cause as the last line. A frame is "  N: 0xADDRESS - NAME"; functions that were inlined into
 * it follow as "- NAME", and where the module has debug sections, each is followed by "at FILE:LINE:COLUMN". */
static const char opening[] = "error while executing at wasm backtrace:";

typedef struct { const char *at, *end; } text_range;

/* The next line without the spaces around it; false at the end. */
static bool next_line(text_range *rest, text_range *line) {
    if (rest->at == rest->end) return false;
    const char *stop = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    *line = (text_range){rest->at, stop ? stop : rest->end};
    rest->at = stop ? stop + 1 : rest->end;
    while (line->at < line->end && *line->at == ' ') line->at++;
    while (line->at < line->end && line->end[-1] == ' ') line->end--;
    return true;
}

static bool begins(text_range text, const char *with) {
    size_t length = strlen(with);
    return (size_t)(text.end - text.at) >= length && !memcmp(text.at, with, length);
}

static void append_name(sw_buffer *text, text_range name) {
    static const char unknown[] = "<unknown>!<wasm function "; /* the number, and a closing bracket */
    if (begins(name, unknown)) {
        name.at += sizeof unknown - 1;
        sw_buffer_append(text, "function ", 9);
        if (name.at < name.end) name.end--;
    } else {
        const char *module = memchr(name.at, '!', (size_t)(name.end - name.at));
        if (module) name.at = module + 1; /* the plugin's name says more */
    }
    sw_buffer_append(text, name.at, (size_t)(name.end - name.at));
}

static void append_frame_line(sw_buffer *text, text_range line, uint32_t *frames) {
    if (begins(line, "at ")) {
        sw_buffer_append(text, " ", 1);
        sw_buffer_append(text, line.at, (size_t)(line.end - line.at));
    } else if (begins(line, "- ")) {
        sw_buffer_append(text, "\n     ", 6);
        append_name(text, (text_range){line.at + 2, line.end});
    } else {
        const char *dash = line.at;
        while (dash + 2 < line.end && memcmp(dash, " - ", 3)) dash++;
        append_format(text, "\n  %u: ", (*frames)++);
        append_name(text, (text_range){dash + 2 < line.end ? dash + 3 : line.at, line.end});
    }
}

static void append_cause(sw_buffer *text, text_range message) {
    text_range line, last = message;
    if (!begins(message, opening)) {
        if (next_line(&message, &last)) sw_buffer_append(text, last.at, (size_t)(last.end - last.at));
        return;
    }
    while (next_line(&message, &line))
        if (line.at < line.end) last = line;
    sw_buffer_append(text, last.at, (size_t)(last.end - last.at));
}

static void append_frames(sw_buffer *text, text_range message) {
    text_range line;
    uint32_t frames = 0;
    if (!begins(message, opening) || !next_line(&message, &line)) return;
    if (message.end - message.at > MOST_BYTES) message.end = message.at + MOST_BYTES;
    for (int lines = 0; lines < MOST_LINES && frames < MOST_FRAMES; lines++) {
        if (!next_line(&message, &line) || line.at == line.end) return;
        append_frame_line(text, line, &frames);
    }
}

static text_range range_of(const wasm_byte_vec_t *message) {
    const char *stop = message->size ? memchr(message->data, 0, message->size) : NULL;
    return (text_range){message->data, stop ? stop : message->data + message->size};
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
    if (trap)
        sw_engine.wasm_trap_message(trap, &message);
    else
        sw_engine.wasmtime_error_message(error, &message);
    uint8_t code = 0;
    if (trap && sw_engine.wasmtime_trap_code(trap, &code) && code == WASMTIME_TRAP_CODE_OUT_OF_FUEL)
        sw_vm_fail(vm, SW_FAILURE_FUEL, "fuel of %" PRIu64 " exhausted", vm->fuel);
    if (!vm->failure_kind) {
        sw_vm_fail(vm, SW_FAILURE_TRAP, "%s", "");
        append_cause(&vm->failure, range_of(&message));
    }
    append_frames(&vm->failure, range_of(&message));
    sw_engine.wasm_byte_vec_delete(&message);
    if (trap) sw_engine.wasm_trap_delete(trap);
    if (error) sw_engine.wasmtime_error_delete(error);
}
