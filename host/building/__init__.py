"""The building of plugins from Go sources: those of Proxy-Wasm, and those that were written for APISIX's Go runner, for
Kong's go-pdk or for Tyk, which compile against stand-ins for those systems' packages (the modules in `go-modules`).

It runs Go and knows nothing of the gateway: what it makes is a `.wasm` file.
"""
