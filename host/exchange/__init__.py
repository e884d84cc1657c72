"""One request from its client to an upstream and back: the two protocols and the filter chain joined."""

from host.exchange.access_log import AccessLog
from host.exchange.exchange import Exchange, Match
from host.exchange.route import Route

__all__ = ["AccessLog", "Exchange", "Match", "Route"]
