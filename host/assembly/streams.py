"""The stream routes of a configuration, and the certificates of its TLS listeners."""

from __future__ import annotations

from abi.pairs import join_path
from host.assembly.chains import CONNECTIONS, Chains
from host.assembly.plugins import Plugins
from host.assembly.upstreams import Upstreams
from host.chain import FilterChain
from host.config import Certificate, Config
from host.config import StreamRoute as StreamRouteConfig
from host.config import Upstream as UpstreamConfig
from host.errors import Problem
from host.filters.connection import ConnectionFilterAdapter, Unconnected
from host.tcp.route import Rule, StreamRoute, StreamRouter
from host.tcp.server import Rules
from host.tcp.upstream import StreamUpstream
from host.tls.certificates import Certificates
from host.tls.contexts import ServerTls, TlsError, client_tls, server_tls


class StreamRoutes:
    """Makes what connections are judged by. Must not be used on a configuration whose plugins are not loaded."""

    def __init__(self, plugins: Plugins, chains: Chains, upstreams: Upstreams) -> None:
        self.unavailable: list[str] = []
        self.problems: list[Problem] = []
        self._plugins = plugins
        self._chains = chains
        self._upstreams = upstreams

    def rules(self, config: Config) -> Rules:
        """Return the routes, where plugins did not come up as ones that close every connection, and certificates."""
        certificates = [(entry.snis, self._server(entry)) for entry in config.certificates]
        usable = [(names, tls) for names, tls in certificates if tls is not None]
        return Rules(
            StreamRouter([self._rule(route) for route in config.stream_routes]), Certificates(usable)
        )

    def _server(self, entry: Certificate) -> ServerTls | None:
        try:
            return server_tls(
                entry.cert,
                entry.key,
                client_ca=entry.client_ca,
                depth=entry.client_depth,
                protocols=entry.protocols,
            )
        except TlsError as error:
            self.problems.append(Problem("", None, f"ssls/{entry.id}", str(error)))
            return None

    def _rule(self, config: StreamRouteConfig) -> Rule:
        uses = [(use, False) for use in config.plugins]
        chain = self._chains.make(uses, CONNECTIONS, properties=_properties(config))
        if chain is None:
            self.unavailable.append(config.id)
            chain = FilterChain([ConnectionFilterAdapter(Unconnected())])
        upstream = self._upstream(config.upstream) if config.upstream is not None else None
        route = StreamRoute(config.id, chain, upstream)
        return Rule(route, config.server_addr, config.server_port, config.remote_addr, config.sni)

    def _upstream(self, config: UpstreamConfig) -> StreamUpstream:
        tls = None
        if config.scheme == "tls":
            try:
                tls = client_tls(verify=config.tls.verify, trusted=config.tls.trusted_certificate)
            except TlsError as error:
                self.problems.append(Problem("", None, config.id, str(error)))
                tls = client_tls(verify=True)  # which fails with the nodes, rather than to trust them all
        return StreamUpstream(
            self._upstreams.of(config),
            connect_timeout=config.timeout.connect,
            idle_timeout=config.timeout.read,
            tls=tls,
            server_name=config.upstream_host if config.pass_host == "rewrite" else "",
        )


def _properties(config: StreamRouteConfig) -> dict[bytes, bytes]:
    """What plugins can read of the route, under Envoy's names."""
    name = (config.name or config.id).encode()
    cluster = config.upstream.id.encode() if config.upstream is not None else b""
    return {
        join_path([b"xds", b"route_name"]): name,
        b"route_name": name,
        join_path([b"xds", b"cluster_name"]): cluster,
        b"cluster_name": cluster,
    }
