"""The Admin API: APISIX's way to change routes while the gateway serves.

`filter` takes requests, on a port of its own (`server`) or beside the routes; `api` answers them, by what `resources`
holds. What a change means for those who serve is the supervisor's: it is handed in.
"""
