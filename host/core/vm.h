/* A guest: one instance of a module, its memory, its exports, its contexts, and how it is called.
 *
 * A VM is used by one thread at a time. When a call traps, the VM has failed: it keeps the reason and is never entered
 * again. It knows nothing of HTTP: streams hang on contexts by a pointer that only chain.c and the host calls follow. */
#pragma once
#include <stdatomic.h>

#include "buffer.h"
#include "clock.h"
#include "engine.h"
#include "generated/abi.h"
#include "headers.h"

struct sw_stream;
struct sw_delivery;
typedef struct sw_vm sw_vm;

/* A plugin context (the root, parent 0) or a stream context. */
typedef struct sw_context {
    sw_vm *vm;
    uint32_t id;
    struct sw_context *root;   /* itself for a plugin context */
    struct sw_stream *stream;  /* NULL for a plugin context */
    uint16_t filter;           /* index of its filter in the stream's chain */
    uint32_t references;       /* plugin contexts only: its owner in Python, and its streams */
    bool done_pending;         /* on_done answered false; proxy_done has not come yet */
    bool is_retired;           /* plugin contexts only: takes no more streams, and its owner waits for the last to leave */
    uint32_t tick_period;      /* milliseconds, 0 = none; plugin contexts only */
    bool tick_changed;
    sw_buffer configuration;   /* plugin contexts only, as are the two names */
    sw_buffer name, root_id;
    sw_headers declared;       /* properties by name: r = read-only, w = not; plugin contexts only */
    struct sw_context *previous, *next; /* the stream contexts of one VM */
} sw_context;

typedef struct {
    uint8_t what;       /* a sw_trace_kind */
    uint8_t count;      /* arguments in use */
    uint16_t index;     /* of the host call, WASI function or callback in the tables of `abi` */
    int32_t result;
    uint32_t context;
    uint32_t arguments[6];
    uint64_t time_ns;   /* monotonic */
} sw_trace_row;
enum { SW_TRACE_HOSTCALL, SW_TRACE_WASI, SW_TRACE_CALLBACK };

enum { SW_VM_LOADING, SW_VM_READY, SW_VM_FAILED };
enum { SW_MOST_PARAMETERS = 6 }; /* of a callback that is called */
/* What the guest may call now: everything, or only logging and WASI (start functions; the allocator). */
enum { SW_ANY_CALL, SW_START_CALLS, SW_ALLOCATOR_CALLS };

/* The host's counters of a plugin's VMs: calls into the guest and out of it, nanoseconds of CPU time, metrics refused. */
enum { SW_ACCOUNT_CALLS, SW_ACCOUNT_HOSTCALLS, SW_ACCOUNT_CPU, SW_ACCOUNT_REFUSED, SW_VM_ACCOUNTS };

struct sw_vm {
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_instance_t instance;
    wasmtime_memory_t memory;
    wasmtime_func_t callbacks[SW_CALLBACKS];
    uint8_t parameters[SW_CALLBACKS]; /* 1 + number of parameters; 0 = not exported */
    uint8_t state, allowed, log_level, abi_version;
    bool trace_on, exited;            /* exited: proxy_exit(0) in a start function, which is a return */
    int32_t exit_code;
    uint32_t depth;                   /* guest calls on the stack */
    atomic_uint references;           /* atomic: the last but one may be a finalizer's, which runs on any thread */
    uint32_t next_id;
    sw_context *called, *effective;
    sw_headers outgoing;              /* what a call sends, while it begins; the memory is kept for the next */
    sw_buffer outgoing_head;
    const struct sw_delivery *delivery; /* what the callback that runs brings along; NULL = nothing */
    sw_context **contexts;            /* open addressing by id */
    uint32_t contexts_size, contexts_used;
    sw_context *streams;              /* list of stream contexts */
    sw_clock_mark mark;
    uint64_t deadline_ns;             /* CPU time that a call may use */
    uint32_t deadline_ticks;
    uint64_t fuel;                    /* that a call may use; 0 = its engine meters none */
    bool is_watched;                  /* it is to be replaced when one of the next two is reached */
    uint64_t due_id;                  /* context id */
    size_t due_memory;                /* bytes */
    bool ticks_changed;               /* some plugin context's tick period, since it was last asked for */
    uint64_t calls, hostcalls;
    uint64_t used_hostcalls;          /* bit by row of abi.HOSTCALLS: those that the guest has called */
    const char *calling;              /* name of the outermost callback, for failures */
    sw_buffer failure;                /* why the VM failed, with the backtrace; empty otherwise */
    uint8_t failure_kind;
    sw_headers properties;            /* exact names: what the plugin reads anywhere, outside of exchanges too */
    sw_buffer configuration, vm_id, environment; /* environment: K=V, each ended by NUL */
    sw_trace_row *trace;
    uint32_t trace_size;
    uint64_t trace_count;
    struct sw_metrics *metrics;       /* where the guest counts; NULL = nowhere */
    sw_buffer defined;                /* uint32_t: the metrics that the guest has defined, in that order */
    uint32_t most_metrics, metrics_refused;
    uint32_t account[SW_VM_ACCOUNTS]; /* the host's counters of what the plugin's VMs do */
    uint64_t told[SW_VM_ACCOUNTS];    /* what of it has been counted there */
    uint64_t cpu_ns;                  /* CPU time in the guest, reckoned from the calls that were measured */
    uint32_t dice;
    uint32_t serial;                  /* what Python knows the VM by, in log rows */
    struct sw_shared_data *shared_data; /* those of its vm_id, where they are served in C; else NULL */
};
enum { SW_FAILURE_NONE, SW_FAILURE_TRAP, SW_FAILURE_DEADLINE, SW_FAILURE_EXIT, SW_FAILURE_RESTRICTED, SW_FAILURE_FUEL };

/* vm.c: life of a VM */
sw_vm *sw_vm_new(wasm_engine_t *engine, uint32_t serial, int64_t memory_limit);
void sw_vm_retain(sw_vm *vm);
void sw_vm_release(sw_vm *vm);
/* Runs the start section. 0, or -1 with the reason in `failure`. */
int sw_vm_instantiate(sw_vm *vm, const wasmtime_instance_pre_t *pre);
/* Notes an exported callback. `index` is its row in abi.CALLBACKS. */
int sw_vm_bind(sw_vm *vm, uint16_t index, const char *name, uint8_t parameters);
typedef struct { const char *name; uint16_t index; uint8_t parameters; } sw_binding;
void sw_vm_bind_all(sw_vm *vm, const sw_binding *bindings, size_t count);
bool sw_vm_has_memory(const sw_vm *vm);
/* Has the core say SW_ENDING when the VM has served so many more streams, or has so many bytes of memory; 0 = any. */
void sw_vm_watch(sw_vm *vm, uint64_t streams, size_t memory);
bool sw_vm_is_due(const sw_vm *vm);
void sw_vm_set_deadline(sw_vm *vm, uint64_t cpu_ns);
/* For VMs of an engine that consumes fuel, before anything runs. */
void sw_vm_set_fuel(sw_vm *vm, uint64_t fuel);
/* Gives the call that follows its fuel. */
void sw_vm_refuel(sw_vm *vm);

/* accounts.c: has the guest count there, under at most so many names of its plugin's, and the host its calls, in the
 * counters of `account`. */
void sw_vm_count_in(sw_vm *vm, struct sw_metrics *metrics, uint32_t most, const uint32_t *account);
/* Adds to the counters what has come since the last time. It is done once more when the VM goes. */
void sw_vm_tell_account(sw_vm *vm);

/* call.c: entering the guest */
/* Calls an exported callback under `context` (NULL: none). `result` may be NULL. 0, or -1: the VM has failed. */
int sw_vm_call(sw_vm *vm, uint16_t callback, sw_context *context, const uint32_t *arguments, int32_t *result);
/* Like sw_vm_call for a start function: a guest's exit with code 0 counts as a return. */
int sw_vm_start(sw_vm *vm, uint16_t callback);
void sw_vm_fail(sw_vm *vm, uint8_t kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool sw_vm_is_failed(const sw_vm *vm);

/* memory.c: the guest's memory, never touched without a check */
/* The host address of `length` bytes at `pointer`; NULL when any of them is outside. A length of 0 is an empty range. */
char *sw_guest(sw_vm *vm, uint32_t pointer, uint32_t length);
bool sw_guest_put_u32(sw_vm *vm, uint32_t pointer, uint32_t value);
bool sw_guest_put_u64(sw_vm *vm, uint32_t pointer, uint64_t value);
/* Room for `length` bytes from the guest's allocator, its address written to `data_out`. NULL with a status in `status`. */
char *sw_guest_allocate(sw_vm *vm, uint32_t length, uint32_t data_out, uint32_t length_out, int32_t *status);
/* Copies bytes into memory of the guest's allocator and writes address and length through the out-pointers. */
int32_t sw_guest_give(sw_vm *vm, const char *data, size_t length, uint32_t data_out, uint32_t length_out);

/* A guest has set a tick period since sw_attention last told of it. Set on any thread, where a VM may start. */
extern atomic_bool sw_ticks_changed;

/* calls_shared_data.c: the VM's shared data are these from now on. */
void sw_vm_share(sw_vm *vm, struct sw_shared_data *data);

/* context.c */
sw_context *sw_context_new_root(sw_vm *vm, const char *name, size_t name_length, const char *root_id, size_t root_id_length,
                                const char *configuration, size_t configuration_length);
void sw_context_delete_root(sw_context *context);
/* Gives the context an id and a place in the VM's table and list. false = out of memory. */
bool sw_context_enter(sw_context *context, sw_vm *vm);
void sw_context_leave(sw_context *context);
sw_context *sw_context_find(const sw_vm *vm, uint32_t id);

/* trace.c */
void sw_trace_add(sw_vm *vm, uint8_t what, uint16_t index, const wasmtime_val_raw_t *arguments, size_t count, int32_t result);
