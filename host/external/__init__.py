"""Plugins that run in other processes: APISIX's runners, Kong's plugin servers, Tyk's dispatchers.

What all kinds have in common lies here; each kind has a room of its own below. An exchange waits for them as it waits
for a paused plugin, and the event loop does not. It must not know wire protocols of HTTP, nor how configurations are
read.
"""
