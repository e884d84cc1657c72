#define _GNU_SOURCE
#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum { IDLE_TICKS = 100, MOST_ENGINES = 4, SAMPLES = 2 * SW_MOST_TICKS };

/* Asleep: no guest runs, no tick comes. Waking: someone has posted the semaphore, the first tick has not come yet, and
 * the last sample may be seconds old. */
enum { AWAKE, ASLEEP, WAKING };

static struct {
    pthread_t thread;
    bool running, has_semaphore;
    atomic_bool stop;
    atomic_int state;
    sem_t wake;
    wasm_engine_t *engines[MOST_ENGINES];
    atomic_uint engines_used;
    atomic_ullong tick, entered, left;
    pthread_t sampled;
    clockid_t sampled_clock;
    atomic_bool has_sampled;
    atomic_ullong samples[SAMPLES]; /* CPU time of the sampled thread at each tick */
} clock_;

static uint64_t read_clock(clockid_t id) {
    struct timespec now;
    if (clock_gettime(id, &now)) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sw_realtime_ns(void) { return read_clock(CLOCK_REALTIME); }
uint64_t sw_monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }
uint64_t sw_thread_cpu_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }
uint64_t sw_clock_ticks(void) { return atomic_load(&clock_.tick); }

static void sample(uint64_t tick) {
    if (atomic_load(&clock_.has_sampled))
        atomic_store_explicit(&clock_.samples[tick % SAMPLES], read_clock(clock_.sampled_clock), memory_order_relaxed);
}

static bool wake(void) {
    int asleep = ASLEEP;
    return atomic_compare_exchange_strong(&clock_.state, &asleep, WAKING);
}

/* Sleeps until a guest call begins. The order (say that we sleep, then look once more) leaves no call unseen. */
static void sleep_until_woken(void) {
    atomic_store(&clock_.state, ASLEEP);
    bool is_wanted = atomic_load(&clock_.entered) != atomic_load(&clock_.left) || atomic_load(&clock_.stop);
    if (is_wanted && wake()) return;
    while (sem_wait(&clock_.wake) && errno == EINTR) {}
}

static void *run(void *unused) {
    (void)unused;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    uint64_t seen = 0;
    unsigned idle = 0;
    while (!atomic_load(&clock_.stop)) {
        next.tv_nsec += SW_TICK_NS;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        uint64_t tick = atomic_load(&clock_.tick) + 1;
        sample(tick);
        atomic_store(&clock_.tick, tick);
        atomic_store(&clock_.state, AWAKE);
        for (unsigned i = 0; i < atomic_load(&clock_.engines_used); i++)
            sw_engine.wasmtime_engine_increment_epoch(clock_.engines[i]);
        uint64_t entered = atomic_load(&clock_.entered);
        idle = entered == seen && entered == atomic_load(&clock_.left) ? idle + 1 : 0;
        seen = entered;
        if (idle > IDLE_TICKS) {
            sleep_until_woken();
            idle = 0;
            clock_gettime(CLOCK_MONOTONIC, &next);
        }
    }
    return NULL;
}

int sw_clock_start(wasm_engine_t *engine) {
    unsigned used = clock_.running ? atomic_load(&clock_.engines_used) : 0;
    if (used == MOST_ENGINES) return EBUSY;
    clock_.engines[used] = engine;
    atomic_store(&clock_.engines_used, used + 1); /* behind the pointer: the thread may be running */
    if (clock_.running) return 0;
    atomic_store(&clock_.stop, false);
    if (!clock_.has_semaphore) sem_init(&clock_.wake, 0, 0); /* never destroyed: a late guest call may still post it */
    clock_.has_semaphore = true;
    int error = pthread_create(&clock_.thread, NULL, run, NULL);
    clock_.running = !error;
    return error;
}

void sw_clock_stop(void) {
    if (!clock_.running) return;
    atomic_store(&clock_.stop, true);
    if (wake()) sem_post(&clock_.wake);
    pthread_join(clock_.thread, NULL);
    atomic_store(&clock_.state, AWAKE); /* no one posts any more */
    clock_.running = false;
}

void sw_clock_bind_thread(void) {
    clock_.sampled = pthread_self();
    if (pthread_getcpuclockid(clock_.sampled, &clock_.sampled_clock)) return;
    atomic_store(&clock_.has_sampled, true);
    sample(atomic_load(&clock_.tick));
}

static bool is_sampled_thread(void) {
    return atomic_load_explicit(&clock_.has_sampled, memory_order_acquire) &&
           pthread_equal(pthread_self(), clock_.sampled);
}

sw_clock_mark sw_clock_enter(void) {
    atomic_fetch_add(&clock_.entered, 1);
    bool is_sampled = is_sampled_thread();
    if (atomic_load(&clock_.state) != AWAKE) {
        if (is_sampled) sample(atomic_load(&clock_.tick));
        if (wake()) sem_post(&clock_.wake);
    }
    sw_clock_mark mark = {atomic_load(&clock_.tick), 0};
    if (!is_sampled) mark.cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
    return mark;
}

void sw_clock_leave(void) { atomic_fetch_add_explicit(&clock_.left, 1, memory_order_relaxed); }

/* The sample behind the call's beginning, not the one before it: that one is as old as this thread has been kept waiting,
 * and what ran meanwhile would be the call's. So a call may get a tick too much, and none too little. */
uint64_t sw_clock_used(sw_clock_mark *mark) {
    if (!mark->cpu_ns) mark->cpu_ns = atomic_load_explicit(&clock_.samples[(mark->tick + 1) % SAMPLES], memory_order_relaxed);
    uint64_t now = read_clock(CLOCK_THREAD_CPUTIME_ID);
    return now > mark->cpu_ns ? now - mark->cpu_ns : 0;
}
