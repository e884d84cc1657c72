;; Imports a host call of another dialect. It loads all the same, and the call answers UNIMPLEMENTED, 12: logged.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_redis_init" (func $redis (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_future_i64" (func $future (param i64 f64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "status 00")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func $report (param $status i32)
    (i32.store8 (i32.const 7) (i32.add (i32.const 48) (i32.div_u (local.get $status) (i32.const 10))))
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (i32.rem_u (local.get $status) (i32.const 10))))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 9))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $report
      (call $redis
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
    (call $report (call $future (i64.const 0) (f64.const 0)))
    (i32.const 0)))
