/* Host calls about the VM itself: log, time, ticks, contexts, the end of a plugin. */
#include "delivery.h"
#include "hostcalls.h"
#include "logs.h"

SW_HOSTCALL(proxy_log) {
    uint32_t level = sw_argument(a, 0), length = sw_argument(a, 2);
    if (level > SW_LOG_CRITICAL) return SW_BAD_ARGUMENT;
    const char *text = sw_guest(vm, sw_argument(a, 1), length);
    if (!text) return SW_INVALID_MEMORY_ACCESS;
    if (level >= vm->log_level) sw_logs_add(vm, level, text, length);
    return SW_OK;
}

SW_HOSTCALL(proxy_get_log_level) {
    return sw_guest_put_u32(vm, sw_argument(a, 0), vm->log_level) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

SW_HOSTCALL(proxy_get_current_time_nanoseconds) {
    return sw_guest_put_u64(vm, sw_argument(a, 0), sw_realtime_ns()) ? SW_OK : SW_INVALID_MEMORY_ACCESS;
}

/* For the plugin context of whichever context is effective; the last call of a callback counts. */
SW_HOSTCALL(proxy_set_tick_period_milliseconds) {
    if (!vm->effective) return SW_BAD_ARGUMENT;
    sw_context *root = vm->effective->root;
    root->tick_period = sw_argument(a, 0);
    root->tick_changed = true;
    vm->ticks_changed = true;
    sw_ticks_changed = true;
    return SW_OK;
}

SW_HOSTCALL(proxy_set_effective_context) {
    sw_context *context = sw_context_find(vm, sw_argument(a, 0));
    if (!context) return SW_BAD_ARGUMENT;
    vm->effective = context;
    return SW_OK;
}

SW_HOSTCALL(proxy_done) {
    (void)a;
    if (!vm->effective || !vm->effective->done_pending) return SW_NOT_FOUND;
    vm->effective->done_pending = false;
    return SW_OK;
}

/* The status of the call whose callback runs; 0 and no text outside of one. */
SW_HOSTCALL(proxy_get_status) {
    static const sw_delivery nothing;
    const sw_delivery *delivery = vm->delivery ? vm->delivery : &nothing;
    if (!sw_guest_put_u32(vm, sw_argument(a, 0), delivery->status)) return SW_INVALID_MEMORY_ACCESS;
    const sw_buffer *message = &delivery->message;
    return sw_guest_give(vm, sw_buffer_bytes(message), message->length, sw_argument(a, 1), sw_argument(a, 2));
}

/* 0.1.0 only: the plugin's configuration inside on_configure, the VM's otherwise. */
SW_HOSTCALL(proxy_get_configuration) {
    const sw_buffer *text = &vm->configuration;
    if (vm->effective && vm->calling == sw_callback_names[SW_PROXY_ON_CONFIGURE]) text = &vm->effective->configuration;
    return sw_guest_give(vm, sw_buffer_bytes(text), text->length, sw_argument(a, 0), sw_argument(a, 1));
}

/* 0.1.0 only. A route is chosen before its filters run, and kept: there is no cache of it. */
SW_HOSTCALL(proxy_clear_route_cache) {
    (void)vm, (void)a;
    return SW_OK;
}

/* Emscripten tells of grown memory; the base is read anew at each access anyway. */
SW_HOSTCALL(emscripten_notify_memory_growth) {
    (void)vm, (void)a;
    return 0;
}

SW_HOSTCALL(pthread_equal) {
    (void)vm;
    return a[0].i32 == a[1].i32;
}
