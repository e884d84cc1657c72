"""Proxy-Wasm semantics: plugins, their contexts, what happens when a guest fails.

It knows `host.wasm` and `abi`; it must not know sockets, event loops or configuration files. What it cannot do itself
(timers, work off the loop, a place for log lines) it asks of `Services`.
"""
