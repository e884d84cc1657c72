/* Frames of APISIX plugin runners: see apisix.h. */
enum { SW_APISIX_STOP, SW_APISIX_REWRITE, ... };
const char *sw_apisix_fault_text(int fault);
typedef struct {
    uint32_t id;
    uint32_t number;
    uint32_t is_error;
    uint32_t status;
    uint32_t path_at, path_length;
    uint32_t body_at, body_length;
    uint32_t headers, args, response_headers;
    uint32_t entries[...];
} sw_apisix_message;
int sw_apisix_read(int type, const char *payload, size_t length, sw_apisix_message *message);
typedef struct {
    const char *frame;
    size_t frame_length;
    ...;
} sw_apisix_writer;
sw_apisix_writer *sw_apisix_writer_new(void);
void sw_apisix_writer_delete(sw_apisix_writer *writer);
void sw_apisix_begin_conf(sw_apisix_writer *writer);
void sw_apisix_add_conf(sw_apisix_writer *writer, const char *name, size_t name_length, const char *value, size_t value_length);
int sw_apisix_write_conf(sw_apisix_writer *writer, const char *key, size_t key_length);
typedef struct {
    uint32_t id, token;
    const char *address;
    size_t address_length;
    bool has_bare_arguments;
} sw_apisix_call;
int sw_apisix_write_request_call(sw_apisix_writer *writer, const sw_headers *headers, const sw_apisix_call *call);
int sw_apisix_write_response_call(sw_apisix_writer *writer, const sw_headers *headers, uint32_t id, uint32_t token);
int sw_apisix_write_extra_info(sw_apisix_writer *writer, const char *result, size_t length);
