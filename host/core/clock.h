/* The clock that bounds guest calls.
 *
 * A thread advances the engine's epoch every two milliseconds while guests run, and sleeps while none does (a wake-up
 * costs some microseconds, at twice the rate as much as a short callback would of each request). A guest whose
 * deadline has passed is judged by the CPU time of its thread, not by the wall: a worker that the system did not
 * schedule has not used its guest's time. Reading a thread's CPU clock is a system call, too dear for each guest call,
 * so the clock samples it at each tick, and a call only remembers the tick at which it began. */
#pragma once
#include <stdint.h>

#include "engine.h"

enum { SW_TICK_NS = 2000000, SW_MOST_TICKS = 4096 };

typedef struct {
    uint64_t tick;      /* the tick at which the call began */
    uint64_t cpu_ns;    /* the thread's CPU time then, where the thread is not the sampled one, or once it is known; else 0 */
} sw_clock_mark;

/* Has the thread advance this engine too, and starts it for the first; 0, or an errno. */
int sw_clock_start(wasm_engine_t *engine);
void sw_clock_stop(void);
/* The calling thread is the one whose CPU time is sampled: the event loop's. Once a process. */
void sw_clock_bind_thread(void);
uint64_t sw_clock_ticks(void);

/* Around each outermost guest call. */
sw_clock_mark sw_clock_enter(void);
void sw_clock_leave(void);
/* CPU nanoseconds that the calling thread has used since the mark; at most one tick more than it really did. To be asked
 * first within SW_MOST_TICKS of the mark: the samples are a ring. The mark then keeps its own. */
uint64_t sw_clock_used(sw_clock_mark *mark);

uint64_t sw_realtime_ns(void);
uint64_t sw_thread_cpu_ns(void);
uint64_t sw_monotonic_ns(void);
