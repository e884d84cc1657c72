"""A chain of filters under test: plugins and filters in Python, with services driven by hand."""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from abi.types import LogLevel
from host.chain import BodyLimits, Filter, FilterChain
from host.errors import PluginError
from host.filters.connection import ConnectionFilter, ConnectionFilterAdapter
from host.filters.python import PythonFilter, PythonFilterAdapter
from host.filters.wasm import WasmFilter
from host.peer import ConnectionInfo
from host.plugin.breaker import CircuitBreaker
from host.plugin.foreign import ForeignFunction
from host.plugin.plugin import FailurePolicy, Isolation, Key, Plugin, PluginSettings
from host.plugin.settings import CalloutSettings, RecycleLimits
from host.plugin.supplies import Supplies
from host.store import Stores
from host.testing.calls import HostedCall
from host.testing.connection import HostedConnection
from host.testing.grpc import HostedGrpcCall
from host.testing.metrics import Metrics
from host.testing.modules import Configuration, Wasm, default_name, encode_configuration, load_module
from host.testing.services import HostEvent, ManualServices, PluginLine
from host.testing.shared import SharedData, SharedQueue
from host.testing.stream import HostedStream
from host.wasm.vm import TraceRow, VmSettings, WasmVM

TRACE_ROWS = 16384
_CLIENT, _GATEWAY = "203.0.113.7:50000", "192.0.2.1:9080"  # RFC 5737: addresses for documentation


@dataclass(frozen=True, slots=True)
class WasmPlugin:
    """A plugin in a chain. The gateway's own settings, but that the log level is the lowest: tests want to see all.

    Two of the same name are one plugin, each with its configuration, as two routes do that use a plugin. An
    `access_logger` sees proxy_on_log alone.
    """

    wasm: Wasm
    configuration: Configuration = None
    name: str = ""
    root_id: str = ""
    failure_policy: FailurePolicy = FailurePolicy.FAIL_RELOAD
    vm: VmSettings = field(
        default_factory=lambda: VmSettings(log_level=LogLevel.TRACE, trace_rows=TRACE_ROWS)
    )
    keep_spare: bool = False
    reload_pause: float = 1.0
    allow_on_headers_stop_iteration: bool = False
    access_logger: bool = False
    decode_bodies: bool = False
    callouts: CalloutSettings = field(default_factory=CalloutSettings)
    isolation: Isolation = Isolation.NONE
    snapshot: bool = False
    recycle: RecycleLimits = field(default_factory=RecycleLimits)
    circuit_breaker: CircuitBreaker = field(default_factory=CircuitBreaker)

    def settings(self) -> PluginSettings:
        """Return what the plugin room is given."""
        return PluginSettings(
            name=self.name or default_name(self.wasm),
            root_id=self.root_id,
            policy=self.failure_policy,
            vm=self.vm,
            keep_spare=self.keep_spare,
            reload_pause=self.reload_pause,
            allow_on_headers_stop_iteration=self.allow_on_headers_stop_iteration,
            decode_bodies=self.decode_bodies,
            callouts=self.callouts,
            isolation=self.isolation,
            recycle=self.recycle,
            circuit_breaker=self.circuit_breaker,
        )


class ChainHost:
    """Runs exchanges through filters, in the order given. Use it in a `with` statement, or call `close`.

    What the gateway does on another thread (building VMs) is done behind the event that asked for it, or, with
    `background_on_demand`, when `run_background` is called.
    """

    def __init__(
        self,
        filters: Sequence[WasmPlugin | PythonFilter | ConnectionFilter],
        *,
        reverse_response: bool = False,
        hold_response_head: bool = True,
        limits: BodyLimits | None = None,
        properties: Mapping[bytes, bytes] | None = None,
        background_on_demand: bool = False,
        stores: Stores | None = None,
        upstreams: Collection[str] | None = None,
        foreign_functions: Mapping[str, ForeignFunction] | None = None,
    ) -> None:
        """Load and start all plugins; the other arguments are those of `host.chain.FilterChain`.

        `stores`: shared data and queues to begin with, or to share with other hosts; empty ones if None. `upstreams`:
        the names of the upstreams that plugins can call; None: any name is one. `foreign_functions`: further ones by
        name, as a gateway has them by its configuration.

        Raises PluginLoadError and PluginStartError; notes on the error have what the plugin logged.
        """
        self._services = ManualServices(stores)
        self._services.upstreams = upstreams
        self._services.foreign_functions.configured.update(foreign_functions or {})
        after = weakref.WeakMethod(self._after)  # guests hold their services: they must not hold this
        self._services.after = lambda: None if (call := after()) is None else call()
        self._supplies = Supplies()
        self._on_demand = background_on_demand
        self._requests = itertools.count(1)
        self.plugins: dict[str, Plugin] = {}
        self._vms: deque[WasmVM] = deque(maxlen=8)
        self._filters: list[Filter] = []
        self._open: list[HostedStream | HostedConnection] = []
        try:
            for item in filters:
                self._filters.append(self._filter(item))
        except PluginError as error:
            for line in self._services.lines:
                error.add_note(f"{line.plugin}: {line.level.name}: {line.message}")
            self.close()
            raise
        self.chain = FilterChain(
            self._filters,
            reverse_response=reverse_response,
            hold_response_head=hold_response_head,
            limits=limits,
            properties=properties,
        )
        self._after()

    def _filter(self, item: WasmPlugin | PythonFilter | ConnectionFilter) -> Filter:
        if isinstance(item, PythonFilter):
            return PythonFilterAdapter(item)
        if isinstance(item, ConnectionFilter):
            return ConnectionFilterAdapter(item)
        settings = item.settings()
        plugin = self.plugins.get(settings.name)
        if plugin is None:
            module = load_module(
                item.wasm,
                settings.name,
                metered=settings.vm.callback_fuel > 0,
                for_snapshots=item.snapshot,
            )
            plugin = Plugin(settings, module, self._services, self._supplies)
            self.plugins[settings.name] = plugin
        scope = str(len(self._filters))  # the same configuration twice is two contexts, as on two routes
        return WasmFilter(plugin, Key(encode_configuration(item.configuration), scope, item.access_logger))

    def __enter__(self) -> ChainHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the open streams, then the plugins. Idempotent."""
        for stream in self._open:
            stream.close()
        self._open.clear()
        for plugin in self.plugins.values():
            plugin.close()

    def http_stream(
        self,
        *,
        client: ConnectionInfo | None = None,
        upstream: ConnectionInfo | None = None,
        request_id: str = "",
    ) -> HostedStream:
        """Begin an exchange. `upstream` is the node that answers; requests are numbered where no id is given."""
        self._sort_out(ConnectionFilterAdapter)
        stream = HostedStream(
            self.chain,
            self._after,
            request_id=request_id or f"request-{next(self._requests)}",
            client=client if client is not None else ConnectionInfo(_CLIENT, _GATEWAY),
            upstream=upstream,
        )
        self._open.append(stream)
        return stream

    def connection(
        self,
        *,
        client: ConnectionInfo | None = None,
        upstream: ConnectionInfo | None = None,
        request_id: str = "",
    ) -> HostedConnection:
        """Begin a TCP connection, whose first event is `new_connection`. `upstream` is the node that it will get."""
        self._sort_out(PythonFilterAdapter)
        connection = HostedConnection(
            self.chain,
            self._after,
            request_id=request_id or f"connection-{next(self._requests)}",
            client=client if client is not None else ConnectionInfo(_CLIENT, _GATEWAY),
            upstream=upstream,
        )
        self._open.append(connection)
        return connection

    def _sort_out(self, unfit: type[PythonFilterAdapter | ConnectionFilterAdapter]) -> None:
        """Forget what has been closed. Raises TypeError where a filter is for streams of the other kind."""
        if any(isinstance(filter_, unfit) for filter_ in self._filters):
            raise TypeError("a PythonFilter takes HTTP streams, a ConnectionFilter connections")
        self._open = [stream for stream in self._open if stream.is_open]

    # --- time

    @property
    def now(self) -> float:
        """Seconds that have passed on the hosts' clock."""
        return self._services.now()

    def advance(self, seconds: float) -> None:
        """Let time pass: ticks and pauses before reloads come due, each at its time."""
        until = self._services.now() + seconds
        while self._services.run_due(until):
            self._after()
        self._after()

    def run_background(self) -> int:
        """Do what waits for another thread; returns how many pieces of work that were."""
        count = self._services.run_background()
        self._note_vms()
        return count

    def _after(self) -> None:
        self._services.run_soon()
        self._note_vms()
        if not self._on_demand:
            self.run_background()
            self._services.run_soon()

    def _note_vms(self) -> None:
        for plugin in self.plugins.values():
            for vm in plugin.supply.vms:
                if vm not in self._vms:
                    self._vms.append(vm)

    # --- what plugins share

    def shared_data_of(self, vm_id: str) -> SharedData:
        """Return the shared data of a vm_id."""
        return SharedData(self._services.memory.space(vm_id))

    def shared_queue_of(self, vm_id: str, name: bytes) -> SharedQueue:
        """Return the queue of this name that plugins of a vm_id share; it is there from now on."""
        return SharedQueue(self._services.stores, self._services.memory, vm_id, name, self._after)

    # --- what can be seen

    @property
    def lines(self) -> list[PluginLine]:
        """All lines that plugins have logged, oldest first."""
        return self._services.lines

    def logs(self, level: LogLevel | None = None, plugin: str | None = None) -> list[str]:
        """Return the messages that plugins have logged: all, or those of one level, of one plugin."""
        return [
            line.message
            for line in self._services.lines
            if level in (None, line.level) and plugin in (None, line.plugin)
        ]

    @property
    def calls(self) -> list[HostedCall]:
        """The calls of plugins that wait for an outcome, oldest first: `respond` to them, or let them `fail`."""
        return list(self._services.calls)

    @property
    def grpc_calls(self) -> list[HostedGrpcCall]:
        """The gRPC calls and streams of plugins that are open, oldest first: the test plays their server."""
        return list(self._services.grpc_calls)

    @property
    def events(self) -> list[HostEvent]:
        """What the host had to say about its plugins."""
        return self._services.events

    @property
    def metrics(self) -> Metrics:
        """What plugins have counted, by name."""
        return Metrics(self._services.metrics.read)

    def trace(self, name: str | None = None) -> list[TraceRow]:
        """Return the calls between host and guests, VM by VM: all, or those of one host call or callback."""
        return [row for vm in self._vms for row in vm.trace() if name in (None, row.name)]
