"""APISIX plugin runners: external plugins that speak the ext-plugin protocol over a unix socket."""
