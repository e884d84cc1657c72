"""The Admin API in the process that knows what is to be served: its keys, its answers, and its port if it has one."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

from host.admin.access import Keys
from host.admin.api import AdminApi, Apply
from host.admin.messages import AdminAnswer, AdminRequest, Ask
from host.admin.resources import Proposal, Resources
from host.admin.server import AdminServer

logger = logging.getLogger("sluiceway.admin")


class AdminService:
    """Answers as soon as it is started."""

    def __init__(
        self,
        resources: Resources,
        first: Proposal,
        bound: socket.socket | None,
        apply: Apply,
        changing: asyncio.Lock,
    ) -> None:
        """`first`: what `resources` begin with. `bound`: where it is served, None where it shares the gateway's port.

        `apply`, `changing`: as `AdminApi` has them.
        """
        self._allow = first.config.admin.allow if first.config.admin is not None else ()
        self._keys = Keys(first.keys)
        self._api = AdminApi(resources, self._keys, apply, changing, time.time)
        self._server = AdminServer(bound) if bound is not None else None
        self.resources = resources
        resources.settle(first)

    async def start(self, ask: Ask) -> None:
        """Answer from now on; `ask` is for the port of its own."""
        if self._server is None:
            logger.info("Admin API: on the gateway's own port")
            return
        await self._server.start(ask, self._allow)
        host, port = self._server.address
        logger.info("Admin API: on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def answer(self, request: AdminRequest) -> AdminAnswer:
        """Return the answer to a request of the Admin API; it never raises."""
        return await self._api.handle(request)

    def settle(self, proposal: Proposal) -> None:
        """The files as they were read again are served."""
        self.resources.settle(proposal)
        if proposal.keys:
            self._keys.take(proposal.keys)

    async def close(self) -> None:
        """Stop; what is asked gets a second to be answered. Idempotent."""
        if self._server is not None:
            await self._server.close(1.0)
