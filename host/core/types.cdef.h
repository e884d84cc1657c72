/* The opaque types of the core, named once for all other declarations. */
typedef struct sw_headers sw_headers;
typedef struct sw_buffer sw_buffer;
