/* What is Python's of the gRPC calls of guests. The bytes are the guest's and good during the call only; `root` is the
 * plugin context's id on the VM with serial `vm`. Each returns a Status and never raises. */
#pragma once
#include <stdbool.h>

#include "headers.h"

typedef struct {
    const char *upstream, *service, *method, *message;
    size_t upstream_length, service_length, method_length, message_length;
    sw_headers *metadata; /* Python's from here on, whatever is returned */
    bool is_call;         /* one message each way, else a stream */
    uint32_t timeout;     /* milliseconds, 0 = the longest there may be; of a call */
} sw_grpc_request;

/* Begins a call or stream; with OK its number is in *token. */
int32_t sw_grpc_open(uint32_t vm, uint32_t root, const sw_grpc_request *request, uint32_t *token);
int32_t sw_grpc_send(uint32_t vm, uint32_t root, uint32_t token, const char *message, size_t length, bool end);
/* Says that no more messages come, or, of a call or if `cancel`, ends it. */
int32_t sw_grpc_end(uint32_t vm, uint32_t root, uint32_t token, bool cancel);
