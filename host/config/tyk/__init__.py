"""API definitions of Tyk's as configuration: each gives a route, the plugins of its middleware, and their order."""
