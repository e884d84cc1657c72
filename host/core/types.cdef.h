/* The opaque types of the core, named once for all other declarations. */
typedef struct sw_headers sw_headers;
typedef struct sw_buffer sw_buffer;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct sw_linker sw_linker;
typedef struct sw_vm sw_vm;
typedef struct sw_context sw_context;
typedef struct sw_filter sw_filter;
typedef struct sw_chain sw_chain;
typedef struct sw_stream sw_stream;
typedef struct sw_metrics sw_metrics;
