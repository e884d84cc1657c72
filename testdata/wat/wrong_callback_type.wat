;; Exports proxy_on_request_headers with 64-bit parameters, and proxy_on_configure as a global: a load error.
(module
  (memory (export "memory") 1)
  (global (export "proxy_on_configure") i32 (i32.const 1))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i64 i64 i64) (result i32) (i32.const 0)))
