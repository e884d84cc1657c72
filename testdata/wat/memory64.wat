;; Has a memory with 64-bit addresses, which the ABI has no place for: a load error.
(module
  (memory (export "memory") i64 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))
