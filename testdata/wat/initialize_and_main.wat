;; Has _initialize, which logs I, and main, which logs M: both are called, in this order.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (data (i32.const 0) "IM")
  (func (export "_initialize") (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
  (func (export "main") (param i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 1) (i32.const 1)))
    (i32.const 0))
)
