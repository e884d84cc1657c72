"""`ext-plugin-pre-req`, `ext-plugin-post-req` and `ext-plugin-post-resp`: exchanges that a runner has a say in.

They must not know frames, nor how the runner is reached.
"""

from __future__ import annotations

import logging
from typing import Final

from abi.types import Action
from host.config.runner_values import Runner
from host.external.apisix import apply
from host.external.apisix.call import RunnerError
from host.external.apisix.client import RunnerClient
from host.external.apisix.codec import METHODS, MOST_PAYLOAD, InfoRequest, InfoType, Stop
from host.external.apisix.tokens import Configuration
from host.external.complaints import Complaints
from host.external.filter import ExternalFilter, RequestFilter, ResponseFilter, data_of, keep, reason_of
from host.external.message import HeldMessage
from host.filters.python import FilterContext

logger = logging.getLogger("sluiceway.runner")

MOST_BODY: Final = MOST_PAYLOAD - 64
"""Bytes of a body that fit into a frame, with what is around them."""

_NO_ADDRESS = bytes(4)
_WITHOUT_BODY = (b"204", b"304")


class RunnerFilter(ExternalFilter):
    """What the three have in common. They have no deadline: each step of an exchange with a runner has one."""

    max_body_size = MOST_BODY

    def __init__(
        self, name: str, client: RunnerClient, configuration: Configuration, *, allows_degradation: bool
    ) -> None:
        """`allows_degradation`: when the runner fails the message goes on as it is."""
        super().__init__()
        self.name = name
        self.client = client
        self.runner: Runner = client.runner
        self.plugins = configuration
        self.allows_degradation = allows_degradation
        self._passes = Complaints(name, logger, logging.WARNING)

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """Answer 503, or let the message go on."""
        if not self.allows_degradation:
            super().failed(message, error)
            return
        self._passes.tell(f"{self.name}: {reason_of(error)}: Plugin Runner is wrong, allow degradation")


class RunnerRequestFilter(RunnerFilter, RequestFilter):
    """Has requests judged: stopped, changed, or let go as they are."""

    async def request(self, message: HeldMessage) -> None:
        """Ask the runner, and do as it says. Raises HostErrors, and FrameError for what cannot be done."""
        context = message.context
        headers = context.request_headers
        if (method := headers.get(b":method")) not in METHODS:
            raise RunnerError(f"the protocol does not know the method {method!r}")

        async def answer(question: InfoRequest) -> bytes | None:
            if question.type == InfoType.VARIABLE:
                return context.variable(question.name.decode("utf-8", "replace"))
            if question.type == InfoType.REQUEST_BODY:
                return await message.body()
            logger.warning(
                "%s: the runner asks for what a request does not have: %d", self.name, question.type
            )
            return None

        address = context.variable("binary_remote_addr") or _NO_ADDRESS
        action = (await self.client.request(self.plugins, headers, address, answer)).action
        if action is None:
            return
        if isinstance(action, Stop):
            message.respond(*apply.answer_of(action), f"{self.name}_stop")
            return
        for_response = apply.checked_response_headers(action)
        apply.rewrite_request(headers, action, keeps_duplicates=self.runner.keeps_duplicates)
        if for_response:
            keep(context, for_response)
        if action.body:
            message.replace_body(action.body)

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Set the fields that the runner has asked for."""
        if changes := data_of(context):
            apply.change_response(context.response_headers, changes)
        return None


class RunnerResponseFilter(RunnerFilter, ResponseFilter):
    """Has upstreams' responses judged."""

    async def response(self, message: HeldMessage) -> None:
        """Ask the runner, and do as it says. Raises HostErrors, and FrameError for what cannot be done."""
        context = message.context
        headers = context.response_headers

        async def answer(question: InfoRequest) -> bytes | None:
            if question.type == InfoType.VARIABLE:
                return context.variable(question.name.decode("utf-8", "replace"))
            if question.type == InfoType.RESPONSE_BODY:
                return await message.body()
            logger.warning(
                "%s: the runner asks for what a response does not have: %d", self.name, question.type
            )
            return None

        reply = await self.client.response(self.plugins, headers, answer)
        apply.rewrite_response(headers, reply, replaces=self.runner.replaces_response_headers)
        is_bodiless = (
            context.request_headers.get(b":method") == b"HEAD" or headers.get(b":status") in _WITHOUT_BODY
        )
        if reply.body and not is_bodiless:
            message.replace_body(reply.body)
