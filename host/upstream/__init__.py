"""Upstreams: which node gets a request, connections to it, and what may be sent again. It knows nothing of plugins."""
