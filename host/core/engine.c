#define _GNU_SOURCE
#include "engine.h"

#include <dlfcn.h>

sw_engine_api sw_engine;
bool sw_engine_maps_memories;

const char *sw_engine_load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define SW_LOOK_UP(result, name, parameters)                \
    *(void **)&sw_engine.name = dlsym(library, #name);      \
    if (!sw_engine.name) return #name;
    SW_ENGINE_FUNCTIONS(SW_LOOK_UP)
#undef SW_LOOK_UP
    sw_engine_maps_memories = true;
    return NULL;
}
