/* SipHash-1-3: a hash under a secret seed, as clients may choose what plugins make keys of. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t sw_siphash(const uint64_t seed[2], const char *key, size_t length);
