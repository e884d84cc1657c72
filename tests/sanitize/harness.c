#include "harness.h"

uint64_t chance_state;
const char *doing = "nothing yet";
static uint64_t seed, round_seed;

uint32_t chance(uint32_t below) {
    chance_state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = chance_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below ? (uint32_t)((z >> 32) * below >> 32) : 0;
}

uint32_t chance_number(uint32_t size) {
    switch (chance(8)) {
    case 0: return chance(9);
    case 1: return size - chance(9);
    case 2: return size + chance(9);
    case 3: return UINT32_MAX - chance(9);
    case 4: return (1u << chance(32)) + chance(3) - 1;
    case 5: return 0;
    case 6: return chance(size);
    default: return chance(UINT32_MAX);
    }
}

_Noreturn void fail_check(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: not so: %s (%s; seed %llu)\n", file, line, what, doing, (unsigned long long)round_seed);
    abort();
}

static void run(const char *name, void (*part)(unsigned), unsigned rounds, const char *wanted) {
    if (wanted && strcmp(wanted, name)) return;
    for (unsigned i = 0; i < 16; i++) { /* each share can be repeated alone: harness PART ROUNDS SEED */
        chance_state = round_seed = seed + i;
        part(rounds / 16 + 1);
        if (wanted && rounds < 16) break;
    }
    printf("%s: %u rounds\n", name, rounds);
}

/* harness [PART [ROUNDS [SEED]]], or harness directed [FACT] */
int main(int count, char **arguments) {
    const char *wanted = count > 1 ? arguments[1] : NULL;
    unsigned rounds = count > 2 ? (unsigned)strtoul(arguments[2], NULL, 10) : 0;
    seed = count > 3 ? strtoull(arguments[3], NULL, 10) : 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    stub_engine_install();
    if (!wanted || !strcmp(wanted, "directed")) test_directed(count > 2 ? arguments[2] : NULL);
    run("calls", fuzz_calls, rounds ? rounds : 200000, wanted);
    run("streams", fuzz_streams, rounds ? rounds : 20000, wanted);
    run("messages", fuzz_messages, rounds ? rounds : 150000, wanted);
    run("http2", fuzz_http2, rounds ? rounds : 20000, wanted);
    run("containers", fuzz_containers, rounds ? rounds : 20000, wanted);
    run("shared", fuzz_shared, rounds ? rounds : 100000, wanted);
    run("apisix", fuzz_apisix, rounds ? rounds : 100000, wanted);
    CHECK(stub_alive == 0);
    printf("allocations refused: %lu\n", memory_refused);
    return 0;
}
