"""The wire: HTTP/1.1 towards clients, on asyncio transports. It knows nothing of plugins, wasm, routes or config."""
