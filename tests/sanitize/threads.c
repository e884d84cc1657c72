#define _POSIX_C_SOURCE 200809L /* nanosleep */
/* What threads share: the clock, the store of log lines, a VM's references, the flag of new ticks. Runs under
 * ThreadSanitizer: one thread is the event loop, others start VMs beside it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "linker.h"
#include "logs.h"
#include "shared_data.h"
#include "stream.h"
#include "stub_engine.h"

enum { STARTERS = 3, VMS = 40, PAUSE_NS = 300000000 /* longer than the clock runs without guests */ };

static atomic_int epochs, running;
static sw_linker *linker;
static sw_vm *shared;
static sw_shared_data *data;

static void must(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "threads: not so: %s\n", what);
    abort();
}

static void call(stub_guest *guest, const char *name, int32_t a, int32_t b, int32_t c) {
    int32_t arguments[] = {a, b, c}, result;
    must(stub_call(guest, name, arguments, &result) && result == SW_OK, name);
}

static bool play(stub_guest *guest, const stub_export *self, const int32_t *arguments, int32_t *result) {
    (void)self, (void)arguments;
    *result = 0;
    call(guest, "proxy_log", SW_LOG_ERROR, 16, 8);
    call(guest, "proxy_set_tick_period_milliseconds", 7, 0, 0);
    for (int i = 0; i < 3; i++)
        if (!stub_epoch(guest)) return false;
    return true;
}

static const stub_export exports[] = {{"proxy_on_tick", 1, 0, play}};
static const wasmtime_module_t module = {exports, 1, true, 4096, NULL};

/* A counter that all threads add to: none of them may get lost. */
static atomic_uint added;

static void add_one(void) {
    for (;;) {
        sw_shared_value *value = sw_shared_data_find(data, "count", 5);
        uint32_t count = 0, cas = value ? value->cas : 0;
        if (value) memcpy(&count, value->bytes, sizeof count);
        sw_shared_value_release(value);
        count++;
        if (sw_shared_data_set(data, "count", 5, (const char *)&count, sizeof count, cas) == SW_OK) break;
    }
    atomic_fetch_add(&added, 1);
}

static void work(void) {
    add_one();
    static atomic_uint serial;
    sw_vm *vm = sw_vm_new((wasm_engine_t *)(void *)&epochs, atomic_fetch_add(&serial, 1), 1 << 20);
    must(vm && !sw_vm_instantiate(vm, sw_linker_pre(linker)), "an instance");
    must(!sw_vm_bind(vm, SW_PROXY_ON_TICK, "proxy_on_tick", 1), "an export");
    sw_context *root = sw_context_new_root(vm, "p", 1, "r", 1, "", 0);
    uint32_t arguments[6] = {1};
    for (int i = 0; i < 5; i++) must(!sw_vm_call(vm, SW_PROXY_ON_TICK, root, arguments, NULL), "a call");
    sw_context_delete_root(root);
    sw_vm_release(vm);
}

static void *start_vms(void *unused) {
    for (int i = 0; i < VMS; i++) {
        work();
        sw_vm_retain(shared);
        sw_vm_release(shared);
    }
    atomic_fetch_sub(&running, 1);
    return unused;
}

static void loop_once(void) {
    sw_log_row rows[64];
    const char *text;
    size_t length;
    uint64_t dropped;
    work();
    if (sw_attention() & SW_TICKS) sw_ticks_changed = false;
    while (sw_logs_take(rows, 64, &text, &length, &dropped)) {}
}

int main(void) {
    stub_engine_install();
    linker = sw_linker_new((wasm_engine_t *)(void *)&epochs);
    must(!sw_linker_define(linker, "env", "proxy_log", SW_IMPORT_HOSTCALL, SW_CALL_PROXY_LOG, "iii", "i"), "proxy_log");
    must(!sw_linker_define(linker, "env", "proxy_set_tick_period_milliseconds", SW_IMPORT_HOSTCALL,
                           SW_CALL_PROXY_SET_TICK_PERIOD_MILLISECONDS, "i", "i"), "ticks");
    must(!sw_linker_finish(linker, &module), "the linker");
    data = sw_shared_data_new(1 << 20, 0);
    must(data && !sw_shared_data_set(data, "count", 5, "\0\0\0", 4, 0), "shared data");
    shared = sw_vm_new((wasm_engine_t *)(void *)&epochs, 1000, 1 << 20);
    for (int round = 0; round < 3; round++) {
        must(!sw_clock_start((wasm_engine_t *)(void *)&epochs), "the clock");
        if (round == 0) sw_clock_bind_thread();
        pthread_t threads[STARTERS];
        atomic_store(&running, STARTERS);
        for (int i = 0; i < STARTERS; i++) must(!pthread_create(&threads[i], NULL, start_vms, NULL), "a thread");
        while (atomic_load(&running)) loop_once();
        for (int i = 0; i < STARTERS; i++) pthread_join(threads[i], NULL);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); /* the clock goes to sleep, and is woken */
        loop_once();
        if (round == 1) nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); /* stopped asleep */
        sw_clock_stop();
        loop_once(); /* guests may run on without it */
    }
    sw_vm_release(shared);
    sw_shared_value *count = sw_shared_data_find(data, "count", 5);
    uint32_t counted;
    memcpy(&counted, count->bytes, sizeof counted);
    must(counted == added, "each addition is in the count");
    sw_shared_value_release(count);
    sw_shared_data_release(data);
    sw_linker_delete(linker);
    must(stub_alive == 0, "nothing is left");
    puts("threads: done");
    return 0;
}
