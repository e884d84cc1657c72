;; A module with two factories, as those of the C++ SDK have: a plugin context with the root id "one" or "two" gives the
;; responses of its streams the field x-factory: one | two, any other lets them pass. x-count, in hexadecimal, counts the
;; requests that this instance has seen, whoever they belong to.
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "plugin_root_id")
  (data (i32.const 16) "x-factory")
  (data (i32.const 32) "x-count00000000")
  (data (i32.const 64) "onetwo")
  (global $count (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))

  ;; 0, 1 or 2 for the context's factory, in a table of the last 256 contexts.
  (func $place (param $context i32) (result i32)
    (i32.add (i32.const 1024) (i32.and (local.get $context) (i32.const 255))))

  (func $factory_of_root (result i32)
    (if (call $property (i32.const 0) (i32.const 14) (i32.const 128) (i32.const 132))
      (then (return (i32.const 0))))
    (if (i32.ne (i32.load (i32.const 132)) (i32.const 3)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u (i32.load (i32.const 128))) (i32.const 111)) (then (return (i32.const 1))))
    (if (i32.eq (i32.load8_u (i32.load (i32.const 128))) (i32.const 116)) (then (return (i32.const 2))))
    (i32.const 0))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32)
    (i32.store8 (call $place (local.get $context))
      (if (result i32) (local.get $parent)
        (then (i32.load8_u (call $place (local.get $parent))))
        (else (call $factory_of_root)))))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
    (local $at i32) (local $value i32) (local $digit i32) (local $factory i32)
    (local.set $at (i32.const 47))
    (local.set $value (global.get $count))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $digit (i32.and (local.get $value) (i32.const 15)))
      (i32.store8 (local.get $at)
        (i32.add (local.get $digit)
          (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
      (local.set $value (i32.shr_u (local.get $value) (i32.const 4)))
      (br_if $next (i32.gt_u (local.get $at) (i32.const 39))))
    (drop (call $add (i32.const 2) (i32.const 32) (i32.const 7) (i32.const 39) (i32.const 8)))
    (local.set $factory (i32.load8_u (call $place (local.get $context))))
    (if (local.get $factory)
      (then
        (drop (call $add (i32.const 2) (i32.const 16) (i32.const 9)
          (i32.add (i32.const 61) (i32.mul (local.get $factory) (i32.const 3))) (i32.const 3)))))
    (i32.const 0)))
