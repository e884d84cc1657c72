;; Grows its table in request_headers without end: what a host that counts memories alone would let through.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 65536)) (i32.const -1))))
    (i32.const 0)))
