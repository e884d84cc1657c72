;; Imports what old modules of Emscripten do: notices of memory growth, pthread_equal, and WASI under its first name.
;; It traps in proxy_on_context_create when one of them does not answer as it should.
(module
  (import "env" "emscripten_notify_memory_growth" (func $notify (param i32)))
  (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32)))
  (import "wasi_unstable" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_unstable" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_1_0"))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "_start")
    (if (call $args (i32.const 64) (i32.const 68)) (then (unreachable)))
    (if (call $environ (i32.const 64) (i32.const 68)) (then (unreachable))))
  (func (export "proxy_on_context_create") (param i32 i32)
    (drop (memory.grow (i32.const 1)))
    (call $notify (i32.const 0))
    (if (i32.eqz (call $equal (i32.const 7) (i32.const 7))) (then (unreachable)))
    (if (call $equal (i32.const 7) (i32.const 8)) (then (unreachable)))))
