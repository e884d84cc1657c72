/* Chains and exchanges: see stream.h. */
typedef struct {
    char address[64], local_address[64];
    uint16_t address_length, local_address_length;
    int64_t port, local_port;
    uint64_t id;
    const sw_headers *properties;
} sw_peer;

sw_filter *sw_filter_new_wasm(bool fail_open, bool writes_bodies);
sw_filter *sw_filter_new_native(uint32_t events);
void sw_filter_only_log(sw_filter *filter);
void sw_filter_only_reads(sw_filter *filter);
void sw_filter_stop_head_alone(sw_filter *filter, bool alone);
void sw_filter_limit_bodies(sw_filter *filter, size_t request_limit, size_t response_limit);
void sw_filter_take_bodies(sw_filter *filter, bool of_requests, bool of_responses);
void sw_filter_delete(sw_filter *filter);
void sw_filter_bind(sw_filter *filter, sw_context *root);
sw_chain *sw_chain_new(sw_filter **filters, size_t count, bool reverse_response, bool hold_response_head, size_t request_limit, size_t response_limit, const char *properties, size_t properties_length);
void sw_chain_delete(sw_chain *chain);
int sw_chain_body_bits(const sw_chain *chain);

sw_stream *sw_stream_new(void);
void sw_stream_delete(sw_stream *stream);
sw_headers *sw_stream_map(sw_stream *stream, int type);
int sw_stream_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client);
uint32_t sw_stream_close(sw_stream *stream);
void sw_stream_lease(sw_stream *stream, uint16_t place, sw_context *root);
void sw_stream_reset(sw_stream *stream, const char *details);
void sw_stream_set_upstream(sw_stream *stream, const sw_peer *upstream);
void sw_stream_set_protocol(sw_stream *stream, int protocol);
uint32_t sw_stream_on_headers(sw_stream *stream, int side, bool end_of_stream);
uint32_t sw_stream_on_body(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream);
uint32_t sw_stream_on_trailers(sw_stream *stream, int side);
uint32_t sw_stream_settle(sw_stream *stream);
uint32_t sw_stream_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length, const char *body, size_t body_length, const char *details, size_t details_length);
const char *sw_stream_take_body(sw_stream *stream, int side, size_t *length);
const char *sw_stream_property(const sw_stream *stream, const char *path, size_t path_length, size_t *length);
bool sw_stream_is_local(const sw_stream *stream);
bool sw_stream_is_paused(const sw_stream *stream, int side);
const char *sw_stream_details(const sw_stream *stream, size_t *length);

/* TCP connections: see connection.h. */
int sw_connection_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client);
uint32_t sw_connection_on_new(sw_stream *stream);
uint32_t sw_connection_on_data(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream);
uint32_t sw_connection_on_close(sw_stream *stream, int side, uint32_t peer);
int sw_native_close(sw_stream *stream);

/* For filters in Python: what a host call is to a guest. Statuses are those of the ABI. */
const char *sw_native_body(const sw_stream *stream, uint16_t filter, int side, size_t *length);
int sw_native_set_body(sw_stream *stream, uint16_t filter, int side, size_t at, size_t replaced, const char *data, size_t length);
int sw_native_resume(sw_stream *stream, uint16_t filter, int side);
int sw_native_watch_body(sw_stream *stream, uint16_t filter, int side);
int sw_native_reset(sw_stream *stream);
int sw_native_local_response(sw_stream *stream, uint32_t status, const char *pairs, size_t pairs_length, const char *body, size_t body_length, const char *details, size_t details_length);
int sw_native_set_state(sw_stream *stream, const char *path, size_t path_length, const char *value, size_t length);

extern "Python+C" int32_t sw_call_native_filter(uint32_t owner, uint32_t filter, uint32_t event, uint64_t length, int32_t end_of_stream);
