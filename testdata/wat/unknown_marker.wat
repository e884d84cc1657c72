;; Exports the marker of a version that does not exist: a load error.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_9_0"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))
