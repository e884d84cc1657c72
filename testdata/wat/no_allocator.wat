;; Has neither proxy_on_memory_allocate nor malloc: a load error.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1")))
