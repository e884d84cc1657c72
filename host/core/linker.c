#include "linker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

struct sw_linker {
    wasmtime_linker_t *linker;
    wasmtime_instance_pre_t *pre;
    sw_buffer reason;
};

sw_linker *sw_linker_new(wasm_engine_t *engine) {
    sw_linker *linker = calloc(1, sizeof *linker);
    if (linker) linker->linker = sw_engine.wasmtime_linker_new(engine);
    return linker;
}

void sw_linker_delete(sw_linker *linker) {
    if (!linker) return;
    if (linker->pre) sw_engine.wasmtime_instance_pre_delete(linker->pre);
    sw_engine.wasmtime_linker_delete(linker->linker);
    sw_buffer_free(&linker->reason);
    free(linker);
}

static const char *reason(sw_linker *linker, wasmtime_error_t *error) {
    if (!error) return NULL;
    sw_buffer_clear(&linker->reason);
    sw_error_text(&linker->reason, error);
    sw_buffer_append(&linker->reason, "", 1);
    return sw_buffer_bytes(&linker->reason);
}

static void make_types(wasm_valtype_vec_t *types, const char *letters) {
    size_t count = strlen(letters);
    sw_engine.wasm_valtype_vec_new_uninitialized(types, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t kind = letters[i] == 'I' ? WASM_I64 : letters[i] == 'f' ? WASM_F32 : letters[i] == 'F' ? WASM_F64 : WASM_I32;
        types->data[i] = sw_engine.wasm_valtype_new(kind);
    }
}

const char *sw_linker_define(sw_linker *linker, const char *module, const char *name, int kind, uint16_t index,
                             const char *parameters, const char *results) {
    static const sw_unchecked_callback entries[] = {
        [SW_IMPORT_HOSTCALL] = sw_enter_hostcall,
        [SW_IMPORT_WASI] = sw_enter_wasi,
        [SW_IMPORT_CONSTANT] = sw_enter_constant,
        [SW_IMPORT_RESTRICTED_HOSTCALL] = sw_enter_restricted_hostcall,
        [SW_IMPORT_RESTRICTED_WASI] = sw_enter_restricted_wasi,
    };
    bool is_hostcall = kind == SW_IMPORT_HOSTCALL || kind == SW_IMPORT_RESTRICTED_HOSTCALL;
    if (index >= (is_hostcall ? SW_HOSTCALLS : kind == SW_IMPORT_CONSTANT ? UINT16_MAX : SW_WASI_FUNCTIONS))
        return "no such row";
    sw_import *import = calloc(1, sizeof *import);
    if (!import) return "out of memory";
    snprintf(import->name, sizeof import->name, "%s", name);
    import->index = index;
    import->parameters = (uint8_t)strlen(parameters);
    wasm_valtype_vec_t parameter_types, result_types;
    make_types(&parameter_types, parameters);
    make_types(&result_types, results);
    wasm_functype_t *type = sw_engine.wasm_functype_new(&parameter_types, &result_types);
    wasmtime_error_t *error = sw_engine.wasmtime_linker_define_func_unchecked(
        linker->linker, module, strlen(module), name, strlen(name), type, entries[kind], import, free);
    sw_engine.wasm_functype_delete(type);
    return reason(linker, error);
}

const char *sw_linker_finish(sw_linker *linker, const wasmtime_module_t *module) {
    return reason(linker, sw_engine.wasmtime_linker_instantiate_pre(linker->linker, module, &linker->pre));
}

const wasmtime_instance_pre_t *sw_linker_pre(const sw_linker *linker) { return linker->pre; }
