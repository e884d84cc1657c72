/* gRPC calls of guests: see grpc.h and calls_grpc.c. */
typedef struct {
    const char *upstream, *service, *method, *message;
    size_t upstream_length, service_length, method_length, message_length;
    sw_headers *metadata;
    bool is_call;
    uint32_t timeout;
} sw_grpc_request;
extern "Python+C" int32_t sw_grpc_open(uint32_t vm, uint32_t root, const sw_grpc_request *request, uint32_t *token);
extern "Python+C" int32_t sw_grpc_send(uint32_t vm, uint32_t root, uint32_t token, const char *message, size_t length, bool end);
extern "Python+C" int32_t sw_grpc_end(uint32_t vm, uint32_t root, uint32_t token, bool cancel);
