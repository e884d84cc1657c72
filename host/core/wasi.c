/* The WASI functions that are served: what runtimes and C libraries of guests need to start, write, tell the time and
 * draw random numbers. There are no files, no sockets, no arguments; the environment is the configured one.
 * The others answer a fixed errno (abi/wasi.py). */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "hostcalls.h"
#include "logs.h"

enum { STDOUT = 1, STDERR = 2, MOST_RANDOM = 64 * 1024, MOST_LINE = 64 * 1024 };
enum { CLOCK_REALTIME_ID = 0, CLOCK_MONOTONIC_ID = 1 };
enum { CHARACTER_DEVICE = 2, RIGHT_FD_WRITE = 64 };

static bool is_output(uint32_t fd) { return fd == STDOUT || fd == STDERR; }

static int32_t put_u32(sw_vm *vm, uint32_t pointer, uint32_t value) {
    return sw_guest_put_u32(vm, pointer, value) ? SW_ERRNO_SUCCESS : SW_ERRNO_FAULT;
}

static uint32_t get_u32(const char *place) {
    uint32_t value;
    memcpy(&value, place, sizeof value);
    return value;
}

/* Standard output is a log line at INFO, standard error one at ERROR, without its last line break. */
static SW_HOSTCALL(fd_write) {
    uint32_t fd = sw_argument(a, 0), vectors = sw_argument(a, 1), count = sw_argument(a, 2);
    if (!is_output(fd)) return SW_ERRNO_BADF;
    if (count > MOST_LINE || !sw_guest(vm, vectors, count * 8) || !sw_guest(vm, sw_argument(a, 3), 4)) return SW_ERRNO_FAULT;
    sw_buffer line = {0};
    uint64_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *vector = sw_guest(vm, vectors + 8 * i, 8);
        uint32_t length = get_u32(vector + 4);
        const char *bytes = sw_guest(vm, get_u32(vector), length);
        if (!bytes) {
            sw_buffer_free(&line);
            return SW_ERRNO_FAULT;
        }
        size_t room = MOST_LINE - line.length;
        sw_buffer_append(&line, bytes, length < room ? length : room);
        written += length;
    }
    size_t length = line.length;
    if (length && sw_buffer_bytes(&line)[length - 1] == '\n') length--;
    uint32_t level = fd == STDOUT ? SW_LOG_INFO : SW_LOG_ERROR;
    if (level >= vm->log_level) sw_logs_add(vm, level, sw_buffer_bytes(&line), length);
    sw_buffer_free(&line);
    return put_u32(vm, sw_argument(a, 3), (uint32_t)written);
}

static SW_HOSTCALL(args_sizes_get) {
    return put_u32(vm, sw_argument(a, 0), 0) ? SW_ERRNO_FAULT : put_u32(vm, sw_argument(a, 1), 0);
}

static SW_HOSTCALL(args_get) {
    (void)vm, (void)a;
    return SW_ERRNO_SUCCESS;
}

static uint32_t count_variables(const sw_buffer *environment) {
    uint32_t count = 0;
    for (size_t i = 0; i < environment->length; i++) count += sw_buffer_bytes(environment)[i] == 0;
    return count;
}

static SW_HOSTCALL(environ_sizes_get) {
    if (put_u32(vm, sw_argument(a, 0), count_variables(&vm->environment))) return SW_ERRNO_FAULT;
    return put_u32(vm, sw_argument(a, 1), (uint32_t)vm->environment.length);
}

static SW_HOSTCALL(environ_get) {
    const sw_buffer *environment = &vm->environment;
    uint32_t pointers = sw_argument(a, 0), text = sw_argument(a, 1), count = count_variables(environment);
    char *place = sw_guest(vm, text, (uint32_t)environment->length);
    if (!place || !sw_guest(vm, pointers, count * 4)) return SW_ERRNO_FAULT;
    if (environment->length) memcpy(place, sw_buffer_bytes(environment), environment->length);
    bool begins = true;
    for (uint32_t i = 0, variable = 0; i < environment->length; i++) {
        if (begins) sw_guest_put_u32(vm, pointers + 4 * variable++, text + i);
        begins = sw_buffer_bytes(environment)[i] == 0;
    }
    return SW_ERRNO_SUCCESS;
}

static SW_HOSTCALL(clock_time_get) {
    uint32_t id = sw_argument(a, 0);
    if (id != CLOCK_REALTIME_ID && id != CLOCK_MONOTONIC_ID) return SW_ERRNO_NOTSUP;
    uint64_t now = id == CLOCK_REALTIME_ID ? sw_realtime_ns() : sw_monotonic_ns();
    return sw_guest_put_u64(vm, sw_argument(a, 2), now) ? SW_ERRNO_SUCCESS : SW_ERRNO_FAULT;
}

static SW_HOSTCALL(clock_res_get) {
    uint32_t id = sw_argument(a, 0);
    if (id != CLOCK_REALTIME_ID && id != CLOCK_MONOTONIC_ID) return SW_ERRNO_NOTSUP;
    return sw_guest_put_u64(vm, sw_argument(a, 1), 1) ? SW_ERRNO_SUCCESS : SW_ERRNO_FAULT;
}

static SW_HOSTCALL(random_get) {
    uint32_t length = sw_argument(a, 1);
    if (length > MOST_RANDOM) return SW_ERRNO_INVAL;
    char *place = sw_guest(vm, sw_argument(a, 0), length);
    if (!place) return SW_ERRNO_FAULT;
    while (length) {
        ssize_t got = getrandom(place, length, 0);
        if (got < 0 && errno == EINTR) continue; /* a signal: longer requests can be cut short */
        if (got <= 0) return SW_ERRNO_NOTSUP;
        place += got;
        length -= (uint32_t)got;
    }
    return SW_ERRNO_SUCCESS;
}

static SW_HOSTCALL(sched_yield) {
    (void)vm, (void)a;
    return SW_ERRNO_SUCCESS;
}

/* Nothing ever happens, and no guest may wait: Go's runtime takes no event for an answer. */
static SW_HOSTCALL(poll_oneoff) { return put_u32(vm, sw_argument(a, 3), 0); }

/* A start function may end with code 0 (TinyGo 0.35): call.c takes that for a return. Any other exit ends the guest. */
static SW_HOSTCALL(proc_exit) {
    vm->exited = true;
    vm->exit_code = a[0].i32;
    sw_vm_fail(vm, SW_FAILURE_EXIT, "the guest exited with code %d", vm->exit_code);
    return 0;
}

static SW_HOSTCALL(fd_fdstat_get) {
    if (!is_output(sw_argument(a, 0))) return SW_ERRNO_BADF;
    char stat[24] = {CHARACTER_DEVICE};
    stat[8] = RIGHT_FD_WRITE;
    char *place = sw_guest(vm, sw_argument(a, 1), sizeof stat);
    if (place) memcpy(place, stat, sizeof stat);
    return place ? SW_ERRNO_SUCCESS : SW_ERRNO_FAULT;
}

/* Advice about, and flushing of, the standard streams has no effect. */
static SW_HOSTCALL(accept_for_output) {
    (void)vm;
    return is_output(sw_argument(a, 0)) ? SW_ERRNO_SUCCESS : SW_ERRNO_BADF;
}

#define ROW(name, function) [SW_WASI_##name] = function
const sw_hostcall sw_wasi_table[SW_WASI_FUNCTIONS] = {
    ROW(FD_WRITE, fd_write),
    ROW(ARGS_GET, args_get),
    ROW(ARGS_SIZES_GET, args_sizes_get),
    ROW(ENVIRON_GET, environ_get),
    ROW(ENVIRON_SIZES_GET, environ_sizes_get),
    ROW(CLOCK_TIME_GET, clock_time_get),
    ROW(CLOCK_RES_GET, clock_res_get),
    ROW(RANDOM_GET, random_get),
    ROW(SCHED_YIELD, sched_yield),
    ROW(POLL_ONEOFF, poll_oneoff),
    ROW(PROC_EXIT, proc_exit),
    ROW(FD_FDSTAT_GET, fd_fdstat_get),
    ROW(FD_ADVISE, accept_for_output),
    ROW(FD_ALLOCATE, accept_for_output),
    ROW(FD_DATASYNC, accept_for_output),
    ROW(FD_SYNC, accept_for_output),
};
#undef ROW
