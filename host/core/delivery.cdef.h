/* What callbacks bring along: see delivery.h. */
typedef struct sw_delivery sw_delivery;

sw_delivery *sw_delivery_new(void);
void sw_delivery_delete(sw_delivery *delivery);
sw_headers *sw_delivery_map(sw_delivery *delivery, uint32_t type);
int sw_delivery_append(sw_delivery *delivery, uint32_t type, const char *data, size_t length);
int sw_delivery_set_status(sw_delivery *delivery, uint32_t status, const char *message, size_t length);
size_t sw_delivery_length(const sw_delivery *delivery, uint32_t type);
int sw_vm_deliver(sw_vm *vm, uint16_t callback, sw_context *context, const sw_delivery *delivery, const uint32_t *arguments);
