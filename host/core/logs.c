#include "logs.h"

#include <pthread.h>
#include <stdatomic.h>

#include "stream.h"

/* A flood is cut here and counted: Python takes the lines after each callback, so only one callback can fill it. */
enum { MOST_ROWS = 4096, MOST_TEXT = 1 << 20, LONGEST_LINE = 64 * 1024 };

static struct {
    pthread_mutex_t lock;
    sw_buffer rows, text, taken; /* rows: sw_log_row */
    uint64_t dropped;
    atomic_bool pending; /* looked at behind each event, without the lock */
} logs = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sw_logs_add(sw_vm *vm, uint32_t level, const char *text, size_t length) {
    if (length > LONGEST_LINE) length = LONGEST_LINE;
    sw_context *context = vm->effective;
    sw_log_row row = {.vm = vm->serial, .level = level, .length = (uint32_t)length};
    if (context) {
        row.context = context->id;
        row.root = context->root->id;
        row.stream = context->stream ? context->stream->owner + 1 : 0;
    }
    pthread_mutex_lock(&logs.lock);
    bool has_room = logs.rows.length < MOST_ROWS * sizeof row && logs.text.length + length <= MOST_TEXT;
    if (has_room && sw_buffer_reserve(&logs.rows, sizeof row) && sw_buffer_append(&logs.text, text, length)) {
        sw_buffer_append(&logs.rows, (const char *)&row, sizeof row); /* there is room: a text never lacks its row */
        atomic_store_explicit(&logs.pending, true, memory_order_relaxed);
    } else {
        logs.dropped++;
    }
    pthread_mutex_unlock(&logs.lock);
}

bool sw_logs_pending(void) { return atomic_load_explicit(&logs.pending, memory_order_relaxed); }

size_t sw_logs_take(sw_log_row *rows, size_t most, const char **text, size_t *text_length, uint64_t *dropped) {
    pthread_mutex_lock(&logs.lock);
    const sw_log_row *waiting = (const sw_log_row *)(const void *)sw_buffer_bytes(&logs.rows);
    size_t count = logs.rows.length / sizeof *rows, bytes = 0;
    if (count > most) count = most;
    for (size_t i = 0; i < count; i++) {
        rows[i] = waiting[i];
        bytes += waiting[i].length;
    }
    sw_buffer_clear(&logs.taken);
    if (!sw_buffer_append(&logs.taken, sw_buffer_bytes(&logs.text), bytes)) count = bytes = 0; /* later, with more memory */
    sw_buffer_splice(&logs.rows, 0, count * sizeof *rows, NULL, 0);
    sw_buffer_splice(&logs.text, 0, bytes, NULL, 0);
    atomic_store_explicit(&logs.pending, logs.rows.length != 0, memory_order_relaxed);
    *text = sw_buffer_bytes(&logs.taken);
    *text_length = bytes;
    *dropped = logs.dropped;
    pthread_mutex_unlock(&logs.lock);
    return count;
}
