/* See memory.c. */
#pragma once
#include <stddef.h>

/* 0: none fails; n: one in n does, by chance. */
extern unsigned memory_fails_one_in;
extern unsigned long memory_failures, memory_refused; /* the first is set back by who counts */
void *harness_malloc(size_t size);
void *harness_calloc(size_t count, size_t size);
void *harness_realloc(void *block, size_t size);
