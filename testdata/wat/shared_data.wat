;; Adds one to a number of 8 bytes under the shared key "count", a thousand times in each tick: read, then set with the cas
;; that was read, again where another was faster. A key that is absent is set with a cas that no key has.
(module
  (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func $add_one (result i32)
    (if (call $get (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 20) (i32.const 24))
      (then
        (i64.store (i32.const 4096) (i64.const 0))
        (i32.store (i32.const 24) (i32.const -1))))
    (i64.store (i32.const 4096) (i64.add (i64.load (i32.const 4096)) (i64.const 1)))
    (call $set (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const 8) (i32.load (i32.const 24))))
  (func (export "proxy_on_tick") (param i32)
    (local $left i32)
    (local.set $left (i32.const 1000))
    (loop $next
      (br_if $next (call $add_one))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))))
