#include "siphash.h"

#include <string.h>

static uint64_t turn(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static void mix(uint64_t v[4]) {
    v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
    v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
}

uint64_t sw_siphash(const uint64_t seed[2], const char *key, size_t length) {
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                     seed[1] ^ 0x7465646279746573u};
    size_t whole = length & ~(size_t)7;
    uint64_t word;
    for (size_t at = 0; at < whole; at += 8) {
        memcpy(&word, key + at, 8);
        v[3] ^= word, mix(v), v[0] ^= word;
    }
    word = 0;
    if (length > whole) memcpy(&word, key + whole, length - whole);
    word |= (uint64_t)length << 56;
    v[3] ^= word, mix(v), v[0] ^= word;
    v[2] ^= 0xff, mix(v), mix(v), mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
