/* Calls of guests to other servers: see calls_callouts.c. */
extern "Python+C" int32_t sw_http_call(uint32_t vm, uint32_t root, const char *upstream, size_t upstream_length, sw_headers *headers, const char *body, size_t body_length, sw_headers *trailers, uint32_t timeout, uint32_t *token);
