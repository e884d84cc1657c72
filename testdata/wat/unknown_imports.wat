;; Imports what no host of plugins has, a function, a global, a table and a memory: a load error that lists all of them.
(module
  (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
  (import "env" "runtime.ticks" (func (result f64)))
  (import "wasi_snapshot_preview2" "poll" (func (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_teleport" (func (param i32) (result i32)))
  (import "gojs" "syscall/js.valueGet" (func (param i32)))
  (import "env" "__stack_pointer" (global (mut i32)))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (import "env" "memory" (memory 1))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))
