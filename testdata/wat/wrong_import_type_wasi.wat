;; Imports fd_write with an i64 in it: a load error that names it and both types.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))
