;; Has both _initialize, which logs I, and _start, which logs S: the first alone is called.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (data (i32.const 0) "IS")
  (func (export "_initialize") (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
  (func (export "_start") (drop (call $log (i32.const 2) (i32.const 1) (i32.const 1))))
)
