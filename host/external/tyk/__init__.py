"""Middleware of Tyk's: what an API does around its hooks, dispatchers that carry hooks out, and measuring."""
