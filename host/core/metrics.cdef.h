/* Metrics: see metrics.h. */
enum { SW_COUNTER, SW_GAUGE, SW_HISTOGRAM, SW_MOST_METRICS, SW_LONGEST_METRIC_NAME, SW_HISTOGRAM_BOUNDS, ... };
size_t sw_metrics_size(void);
sw_metrics *sw_metrics_new(int file);
void sw_metrics_release(sw_metrics *metrics);
uint32_t sw_metrics_define(sw_metrics *metrics, uint32_t type, const char *owner, size_t owner_length, const char *name, size_t name_length, uint32_t most);
void sw_metrics_add(sw_metrics *metrics, uint32_t index, uint64_t value);
void sw_metrics_set(sw_metrics *metrics, uint32_t index, uint64_t value);
void sw_metrics_sample(sw_metrics *metrics, uint32_t index, uint64_t value);
uint64_t sw_metrics_value(const sw_metrics *metrics, uint32_t index);
const char *sw_metrics_bytes(const sw_metrics *metrics);
void sw_chain_count_in(sw_chain *chain, sw_metrics *metrics, const uint32_t *requests, uint32_t durations);
void sw_vm_count_in(sw_vm *vm, sw_metrics *metrics, uint32_t most, const uint32_t *account);
void sw_vm_tell_account(sw_vm *vm);
