;; Imports the three calls of 0.1.0 that the specification gives no result, so; other guests import them with one.
(module
  (import "env" "proxy_continue_request" (func $continue_request))
  (import "env" "proxy_continue_response" (func $continue_response))
  (import "env" "proxy_clear_route_cache" (func $clear_route_cache))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_1_0"))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  ;; Pauses, and resumes at once.
  (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
    (call $clear_route_cache)
    (call $continue_request)
    (i32.const 1))
  (func (export "proxy_on_response_headers") (param i32 i32) (result i32)
    (call $continue_response)
    (i32.const 1)))
