"""All cases, in the order of the records."""

from __future__ import annotations

from tests.peers.conformance.cases import HTTP_CASES, Case
from tests.peers.conformance.grpc_cases import GRPC_CASES
from tests.peers.conformance.tcp_cases import TCP_CASES, TcpCase

AnyCase = Case | TcpCase

CASES: tuple[AnyCase, ...] = (*HTTP_CASES, *GRPC_CASES, *TCP_CASES)
