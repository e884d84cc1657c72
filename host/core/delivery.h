/* What a callback of a plugin context brings along: the response of a call, the message of a gRPC stream, the arguments
 * of a foreign function, and the status that proxy_get_status tells.
 *
 * It belongs to whoever delivers it, may be filled over any time, and is the guest's to read during that callback only. */
#pragma once
#include "headers.h"
#include "stream.h"
#include "vm.h"

enum { SW_DELIVERY_MAPS = 4, SW_DELIVERY_BUFFERS = 3 };

typedef struct sw_delivery {
    sw_headers maps[SW_DELIVERY_MAPS];          /* map types 4 to 7 */
    sw_buffer buffers[SW_DELIVERY_BUFFERS];     /* buffer types 4, 5 and 8 */
    bool has_map[SW_DELIVERY_MAPS], has_buffer[SW_DELIVERY_BUFFERS];
    uint32_t status;
    sw_buffer message;
} sw_delivery;

sw_delivery *sw_delivery_new(void);
void sw_delivery_delete(sw_delivery *delivery);
/* Empties it: nothing is there any more. Its memory is kept for the next use unless it is large. */
void sw_delivery_clear(sw_delivery *delivery);
/* The map of this type to be filled, which is there from now on; NULL for a type that no delivery has. */
sw_headers *sw_delivery_map(sw_delivery *delivery, uint32_t type);
/* Appends to the buffer of this type, which is there from now on, with no bytes too. 0, or -1: no such type, no memory. */
int sw_delivery_append(sw_delivery *delivery, uint32_t type, const char *data, size_t length);
/* What proxy_get_status tells. 0, or -1: out of memory. */
int sw_delivery_set_status(sw_delivery *delivery, uint32_t status, const char *message, size_t length);
/* Bytes in the buffer of this type; 0 where it is not there. */
size_t sw_delivery_length(const sw_delivery *delivery, uint32_t type);

/* sw_vm_call for a callback that brings something along. `arguments`: SW_MOST_PARAMETERS of them. */
int sw_vm_deliver(sw_vm *vm, uint16_t callback, sw_context *context, const sw_delivery *delivery, const uint32_t *arguments);

/* Calls proxy_on_http_call_response of a plugin context with what is in the delivery, which is empty afterwards. One with a
 * status other than 0 is that of a call that has failed, and counts as empty. There is a body, with no bytes too. Returns
 * flags of what has to be seen to, as events of streams do. */
uint32_t sw_deliver_http_call(sw_context *root, sw_delivery *delivery, uint32_t token);

/* For the host calls: what is there now; NULL otherwise. */
const sw_headers *sw_delivered_map(const sw_vm *vm, uint32_t type);
const sw_buffer *sw_delivered_buffer(const sw_vm *vm, uint32_t type);
