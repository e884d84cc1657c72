;; Exports the marker of the specification's draft: a load error.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_vnext"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))
