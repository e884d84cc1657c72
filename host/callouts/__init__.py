"""Calls of plugins to other servers, carried out: which upstream is meant, and one exchange with it for each call.

It joins `host.plugin.callouts`, which knows what a guest may, and `host.upstream`, which knows how to ask a server.
"""

from host.callouts.client import Callouts
from host.callouts.directory import Directory

__all__ = ["Callouts", "Directory"]
