;; Sends the path of each request through the shared queue "paths" of its own vm_id, which it registers when it is
;; configured, and logs it in on_queue_ready: one item a call, as the example of the Go SDK does.
(module
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "paths:path")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (i32.eqz (call $register (i32.const 0) (i32.const 5) (i32.const 16))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $header (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 20) (i32.const 24)))
      (then
        (if (call $enqueue (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.load (i32.const 24)))
          (then (unreachable)))))
    (i32.const 0))
  (func (export "proxy_on_queue_ready") (param i32 i32)
    (if (i32.eqz (call $dequeue (local.get 1) (i32.const 20) (i32.const 24)))
      (then (drop (call $log (i32.const 2) (i32.load (i32.const 20)) (i32.load (i32.const 24))))))))
