/* Metrics of one worker: counters, gauges and histograms by name, as 64-bit slots in a mapping.
 *
 * The mapping may be a file that the supervisor holds: it reads it whenever it is asked for metrics, and what was counted
 * stays when the worker is killed; the next worker goes on with it. host/metrics/layout.py reads the same layout.
 *
 * Slots are written from any thread without a lock; names are defined under one. It knows nothing of guests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { SW_COUNTER, SW_GAUGE, SW_HISTOGRAM, SW_METRIC_TYPES } sw_metric_type;

enum {
    SW_MOST_METRICS = 16384,       /* by all plugins together */
    SW_LONGEST_METRIC_NAME = 1024, /* bytes */
    SW_LONGEST_METRIC_OWNER = 256,
    SW_HISTOGRAM_BOUNDS = 19,      /* Envoy's default buckets */
    SW_HISTOGRAM_SLOTS = SW_HISTOGRAM_BOUNDS + 2, /* a count for each bucket, those beyond the last, and the sum */
};
extern const double sw_histogram_bounds[SW_HISTOGRAM_BOUNDS];

typedef struct sw_metrics sw_metrics;

size_t sw_metrics_size(void); /* of the file, in bytes */
/* `file`: a descriptor of a file of that size, or -1 for memory of the process's own. Counters and histograms that are in
 * the file go on; gauges, which tell of the worker that lives, begin at 0. NULL = no memory. */
sw_metrics *sw_metrics_new(int file);
void sw_metrics_retain(sw_metrics *metrics);
void sw_metrics_release(sw_metrics *metrics);

/* The index of the metric of this type and name, which is made if it is not there and its owner has less than `most`.
 * Names of plugins are one namespace (Envoy); those of no owner are the host's, a namespace of their own.
 * Beyond that, and where the mapping is full, it is one that takes everything and is shown to nobody: see below. */
uint32_t sw_metrics_define(sw_metrics *metrics, uint32_t type, const char *owner, size_t owner_length, const char *name,
                           size_t name_length, uint32_t most);
/* Whether the index stands for definitions that were refused. */
static inline bool sw_metrics_is_overflow(uint32_t index) { return index >= SW_MOST_METRICS; }
uint32_t sw_metrics_type(const sw_metrics *metrics, uint32_t index);
/* `index`: of sw_metrics_define. A counter or a gauge; a histogram takes a value as a sample. */
void sw_metrics_add(sw_metrics *metrics, uint32_t index, uint64_t value);
void sw_metrics_set(sw_metrics *metrics, uint32_t index, uint64_t value);
void sw_metrics_sample(sw_metrics *metrics, uint32_t index, uint64_t value);
uint64_t sw_metrics_value(const sw_metrics *metrics, uint32_t index);
/* The mapping, to be read by host/metrics/layout.py. */
const char *sw_metrics_bytes(const sw_metrics *metrics);
