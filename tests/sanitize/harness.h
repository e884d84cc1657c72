/* What tests and fuzzers of the core share: chance that can be repeated, checks, and a world of guests and filters. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linker.h"
#include "memory.h"
#include "stream.h"
#include "stub_engine.h"

/* --- chance --- */
extern uint64_t chance_state;
uint32_t chance(uint32_t below); /* 0 for 0 */
static inline bool one_in(uint32_t n) { return chance(n) == 0; }
/* Numbers at which programs break: small ones, powers of two, the ends of `size` and of the type. */
uint32_t chance_number(uint32_t size);

/* --- checks: a failure names the place, the seed of the round and what the fuzzer did last, then ends the program --- */
extern const char *doing;
_Noreturn void fail_check(const char *file, int line, const char *what);
#define CHECK(condition) ((condition) ? (void)0 : fail_check(__FILE__, __LINE__, #condition))

/* --- guests --- */
typedef struct {
    const char *name, *shape, *parameters, *results;
    int kind;
    uint16_t index;
} import_row;
extern const import_row import_rows[];
extern const size_t import_rows_count;

/* How the guests of one world behave. */
typedef struct {
    bool passive;       /* they read and pause, and change nothing */
    unsigned traps;     /* one in so many actions is a trap; 0 = none */
    unsigned calls;     /* host calls of one callback, at most */
} manners;
extern manners world;

/* Memory of all random guests: texts that host calls can make something of are laid out here. */
enum { GUEST_MEMORY = 8192, GUEST_TEXTS = 128, GUEST_FREE = 6144 };
void lay_texts(stub_guest *guest);
/* A text of the memory: address and length. */
void choose_text(uint32_t *address, uint32_t *length);
int32_t choose_argument(stub_guest *guest, char kind, uint32_t *length_of_last);
bool play_at_random(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result);

sw_linker *new_linker(const wasmtime_module_t *module);
/* A VM of the module with its exports bound; NULL when there was no memory. */
sw_vm *new_vm(const sw_linker *linker, const wasmtime_module_t *module);
/* All callbacks played at random. */
extern const wasmtime_module_t random_module;
extern const stub_export random_exports[];

/* --- filters in Python, played: their stream by its owner number --- */
typedef int32_t (*native_player)(sw_stream *stream, uint16_t filter, int event, bool end_of_stream);
extern native_player play_native;
extern sw_stream *streams_by_owner[16];

/* --- the parts: each runs `rounds` rounds --- */
void test_directed(const char *wanted);
void fuzz_calls(unsigned rounds);
void fuzz_streams(unsigned rounds);
void fuzz_messages(unsigned rounds);
void fuzz_http2(unsigned rounds);
void fuzz_containers(unsigned rounds);
void fuzz_shared(unsigned rounds);
void fuzz_apisix(unsigned rounds);
