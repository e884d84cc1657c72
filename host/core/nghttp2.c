#include "nghttp2.h"

#include <dlfcn.h>

sw_nghttp2_api sw_nghttp2;

const char *sw_nghttp2_load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define SW_LOOK_UP(result, name, parameters)            \
    *(void **)&sw_nghttp2.name = dlsym(library, #name); \
    if (!sw_nghttp2.name) return #name;
    SW_NGHTTP2_FUNCTIONS(SW_LOOK_UP)
#undef SW_LOOK_UP
    return NULL;
}
