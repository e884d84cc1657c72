/* Host calls about metrics, with Envoy's statuses. All of it is done here: a guest may count at every request.
 *
 * An id is the place among the metrics that this guest has defined, from 1 on, and in its last two bits the type (Envoy). */
#include <stdio.h>

#include "hostcalls.h"
#include "logs.h"
#include "metrics.h"

enum { TYPE_BITS = 2, TYPE_MASK = 3 };

/* A guest that makes names of what clients send must not stop for it: what it counts beyond its limit is not shown. */
static void tell_refused(sw_vm *vm) {
    if (vm->metrics_refused++) return;
    char text[128];
    int length = snprintf(text, sizeof text, "proxy_define_metric: more than %u metrics; further ones are not shown", vm->most_metrics);
    sw_logs_add(vm, SW_LOG_WARN, text, (size_t)length);
}

static const uint32_t *defined_of(const sw_vm *vm) { return (const uint32_t *)(const void *)sw_buffer_bytes(&vm->defined); }

/* From 1 on; 0 = out of memory. A metric keeps its place when it is defined again: a guest may do so at every request. */
static uint32_t place_among_defined(sw_vm *vm, uint32_t index) {
    uint32_t count = (uint32_t)(vm->defined.length / sizeof index);
    for (uint32_t i = 0; i < count; i++)
        if (defined_of(vm)[i] == index) return i + 1;
    return sw_buffer_append(&vm->defined, (const char *)&index, sizeof index) ? count + 1 : 0;
}

SW_HOSTCALL(proxy_define_metric) {
    uint32_t type = sw_argument(a, 0), length = sw_argument(a, 2);
    const char *name = sw_guest(vm, sw_argument(a, 1), length);
    if (!name || !sw_guest(vm, sw_argument(a, 3), 4)) return SW_INVALID_MEMORY_ACCESS;
    if (type >= SW_METRIC_TYPES || length > SW_LONGEST_METRIC_NAME) return SW_BAD_ARGUMENT;
    if (!vm->metrics || !vm->effective) return SW_INTERNAL_FAILURE;
    const sw_buffer *plugin = &vm->effective->root->name;
    const char *owner = plugin->length ? sw_buffer_bytes(plugin) : "-"; /* without an owner it would be the host's */
    uint32_t index = sw_metrics_define(vm->metrics, type, owner, plugin->length ? plugin->length : 1, name, length, vm->most_metrics);
    if (sw_metrics_is_overflow(index)) tell_refused(vm);
    uint32_t place = place_among_defined(vm, index);
    if (!place) return SW_INTERNAL_FAILURE;
    sw_guest_put_u32(vm, sw_argument(a, 3), place << TYPE_BITS | type);
    return SW_OK;
}

/* The index of a metric that this guest has defined under this id; -1 = none. */
static int64_t find(const sw_vm *vm, uint32_t id) {
    uint32_t place = id >> TYPE_BITS;
    if (place == 0 || place > vm->defined.length / sizeof(uint32_t)) return -1;
    uint32_t index = defined_of(vm)[place - 1];
    if (sw_metrics_type(vm->metrics, index) != (id & TYPE_MASK)) return -1;
    return index;
}

SW_HOSTCALL(proxy_increment_metric) {
    uint32_t id = sw_argument(a, 0), type = id & TYPE_MASK;
    if (type > SW_GAUGE) return SW_BAD_ARGUMENT;
    int64_t index = find(vm, id), delta = a[1].i64;
    if (index < 0) return SW_NOT_FOUND;
    if (type == SW_COUNTER && delta <= 0) return SW_BAD_ARGUMENT;
    sw_metrics_add(vm->metrics, (uint32_t)index, (uint64_t)delta);
    return SW_OK;
}

SW_HOSTCALL(proxy_record_metric) {
    uint32_t id = sw_argument(a, 0), type = id & TYPE_MASK;
    int64_t index = find(vm, id), value = a[1].i64;
    if (index < 0) return SW_NOT_FOUND;
    if (type == SW_GAUGE) {
        sw_metrics_set(vm->metrics, (uint32_t)index, (uint64_t)value);
    } else if (value < 0) {
        return SW_BAD_ARGUMENT; /* a counter would go back, a sum would wrap */
    } else if (type == SW_COUNTER) {
        sw_metrics_add(vm->metrics, (uint32_t)index, (uint64_t)value);
    } else {
        sw_metrics_sample(vm->metrics, (uint32_t)index, (uint64_t)value);
    }
    return SW_OK;
}

SW_HOSTCALL(proxy_get_metric) {
    uint32_t id = sw_argument(a, 0);
    if (!sw_guest(vm, sw_argument(a, 1), 8)) return SW_INVALID_MEMORY_ACCESS;
    if ((id & TYPE_MASK) > SW_GAUGE) return SW_BAD_ARGUMENT;
    int64_t index = find(vm, id);
    if (index < 0) return SW_NOT_FOUND;
    sw_guest_put_u64(vm, sw_argument(a, 1), sw_metrics_value(vm->metrics, (uint32_t)index));
    return SW_OK;
}
