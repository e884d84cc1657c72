/* The core's allocator: fails now and then while a test says so. */
#include <stdlib.h>

#include "memory.h"

unsigned memory_fails_one_in;
unsigned long memory_failures, memory_refused;
static unsigned long state = 88172645463325252ul;

static int fails(void) {
    if (!memory_fails_one_in) return 0;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if (state % memory_fails_one_in) return 0;
    memory_failures++;
    memory_refused++;
    return 1;
}

void *harness_malloc(size_t size) { return fails() ? NULL : malloc(size); }
void *harness_calloc(size_t count, size_t size) { return fails() ? NULL : calloc(count, size); }
void *harness_realloc(void *block, size_t size) { return fails() ? NULL : realloc(block, size); }
