"""Kong's plugin servers: processes with plugins in Go, Python or JavaScript, spoken to by MessagePack-RPC or
Protocol Buffers.

Two dialects of one conversation (an event is handled, and the plugin asks for what the PDK gives) in front of one table
of the PDK's methods, which work on the state that every other kind of filter sees.
"""
