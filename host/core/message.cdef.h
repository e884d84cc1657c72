/* HTTP/1.1 message heads: see message.h. */
int sw_message_error_status(int error);
const char *sw_message_error_text(int error);
typedef struct sw_judge {
    uint32_t most_head_bytes;
    uint32_t most_target_bytes;
    uint32_t most_fields;
    bool trust_forwarded;
    int64_t content_length;
} sw_judge;
enum sw_head_flag {
    SW_FRAMING_NONE,
    SW_FRAMING_LENGTH,
    SW_FRAMING_CHUNKED,
    SW_FRAMING_CLOSE,
    SW_FRAMING_MASK,
    SW_KEEP_ALIVE,
    SW_EXPECT_CONTINUE,
    SW_UPGRADE,
    SW_HTTP_1_0,
    SW_HEAD_METHOD,
    SW_IDEMPOTENT,
    ...
};
int64_t sw_judge_request(sw_judge *judge, const char *data, size_t at, size_t length, sw_headers *headers);
int64_t sw_judge_response(sw_judge *judge, const char *data, size_t at, size_t length, int64_t request, sw_headers *headers);
int sw_judge_trailer(const sw_judge *judge, sw_headers *trailers, const char *name, size_t name_length, const char *value, size_t value_length);
bool sw_is_valid_field(const char *name, size_t name_length, const char *value, size_t value_length);
bool sw_is_valid_method(const char *method, size_t length);
bool sw_is_valid_path(const char *path, size_t length);
bool sw_is_valid_authority(const char *authority, size_t length);
int64_t sw_content_length(const char *text, size_t length);
typedef struct sw_client {
    char address[64];
    char port[8];
    uint8_t address_length;
    uint8_t port_length;
    bool tls;
} sw_client;
int64_t sw_write_request_head(const sw_headers *headers, char *out, size_t size, const sw_client *client, const char *host, size_t host_length, int64_t framing, int flags);
int64_t sw_write_response_head(const sw_headers *headers, char *out, size_t size, int64_t framing, int flags);
int64_t sw_write_trailers(const sw_headers *trailers, char *out, size_t size);
