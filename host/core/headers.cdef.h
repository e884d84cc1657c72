/* Header maps: see headers.h. */
sw_headers *sw_headers_new(void);
void sw_headers_delete(sw_headers *headers);
void sw_headers_clear(sw_headers *headers);
size_t sw_headers_count(const sw_headers *headers);
int64_t sw_headers_find(const sw_headers *headers, const char *name, size_t name_length, size_t from);
int sw_headers_add(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length);
int sw_headers_set(sw_headers *headers, const char *name, size_t name_length, const char *value, size_t value_length);
size_t sw_headers_remove(sw_headers *headers, const char *name, size_t name_length);
const char *sw_headers_name(const sw_headers *headers, size_t index, size_t *length);
const char *sw_headers_value(const sw_headers *headers, size_t index, size_t *length);
size_t sw_headers_pairs_size(const sw_headers *headers);
void sw_headers_pairs_write(const sw_headers *headers, char *out);
int sw_headers_set_pairs(sw_headers *headers, const char *pairs, size_t length);
