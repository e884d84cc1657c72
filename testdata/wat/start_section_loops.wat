;; Never comes out of its start section: an error at the start, after the time allowed.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func $start (loop $for_ever (br $for_ever)))
  (start $start)
)
