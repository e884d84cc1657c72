"""The engine room: modules, their compile cache, and VMs. The only importer of wasmtime.

It knows the ABI's tables and the C core; it must not know configuration files, HTTP or plugins' policies.
"""
