"""One plugin under test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from abi.limits import (
    MEMORY_MAX_BYTES,
    PLUGIN_METRICS_MAX,
    START_CPU_MILLISECONDS,
    STREAM_CALLBACK_CPU_MILLISECONDS,
)
from abi.types import LogLevel
from host.config import NodeConfig
from host.plugin.breaker import CircuitBreaker
from host.plugin.counts import Counts
from host.plugin.plugin import FailurePolicy, Isolation, Plugin
from host.plugin.properties import node_properties
from host.plugin.settings import CalloutSettings, RecycleLimits
from host.testing.chain import TRACE_ROWS, ChainHost, WasmPlugin
from host.testing.modules import Configuration, Wasm, encode_configuration
from host.testing.shared import SharedData, SharedQueue
from host.wasm.vm import GuestFailed, VmSettings, WasmVM


class PluginHost(ChainHost):
    """Runs a plugin against exchanges::

    with PluginHost("plugin.wasm", configuration={"key": "value"}) as plugin:
        stream = plugin.http_stream()
        action = stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        assert action is Action.CONTINUE
        stream.close()
        assert "what the plugin logs" in plugin.logs(LogLevel.INFO)
    """

    def __init__(
        self,
        wasm: Wasm,
        configuration: Configuration = None,
        *,
        name: str = "",
        root_id: str = "",
        vm_id: str = "",
        vm_configuration: Configuration = None,
        environment: Mapping[str, str] | None = None,
        log_level: LogLevel = LogLevel.TRACE,
        memory_limit: int = MEMORY_MAX_BYTES,
        start_deadline: int = START_CPU_MILLISECONDS,
        callback_deadline: int = STREAM_CALLBACK_CPU_MILLISECONDS,
        callback_fuel: int = 0,
        allowed_capabilities: Iterable[str] = (),
        failure_policy: FailurePolicy = FailurePolicy.FAIL_RELOAD,
        keep_spare: bool = False,
        reload_pause: float = 1.0,
        allow_on_headers_stop_iteration: bool = False,
        decode_bodies: bool = False,
        callouts: CalloutSettings | None = None,
        isolation: Isolation = Isolation.NONE,
        snapshot: bool = False,
        recycle: RecycleLimits | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        trace_rows: int = TRACE_ROWS,
        max_metrics: int = PLUGIN_METRICS_MAX,
        node: NodeConfig | None = None,
        **chain: Any,
    ) -> None:
        """Load and start the plugin.

        `wasm`: a file, its bytes, or a `host.wasm.module.Module`. Configurations: text is passed byte for byte,
        anything else as compact JSON. Deadlines are milliseconds of CPU time, `memory_limit` is in bytes. `trace_rows`:
        how many calls are kept for `trace`. `callouts`: what the plugin may call beyond `upstreams`. `max_metrics`: how
        many names of metrics it may define. `snapshot`: further VMs begin as copies of the first. `node`: what
        it reads under `xds.node`.
        `chain`: the other arguments of `ChainHost`.

        Raises PluginLoadError and PluginStartError; notes on the error have what the plugin logged.
        """
        vm = VmSettings(
            vm_id=vm_id,
            configuration=encode_configuration(vm_configuration),
            environment=environment or {},
            log_level=log_level,
            memory_limit=memory_limit,
            start_deadline=start_deadline,
            callback_deadline=callback_deadline,
            callback_fuel=callback_fuel,
            allowed_capabilities=frozenset(allowed_capabilities),
            trace_rows=trace_rows,
            max_metrics=max_metrics,
            properties=node_properties(node.id, node.cluster, node.metadata) if node is not None else b"",
        )
        only = WasmPlugin(
            wasm,
            configuration,
            name,
            root_id,
            failure_policy,
            vm,
            keep_spare,
            reload_pause,
            allow_on_headers_stop_iteration,
            decode_bodies=decode_bodies,
            callouts=callouts or CalloutSettings(),
            isolation=isolation,
            snapshot=snapshot,
            recycle=recycle if recycle is not None else RecycleLimits(),
            circuit_breaker=circuit_breaker if circuit_breaker is not None else CircuitBreaker(),
        )
        super().__init__([only], **chain)

    def __enter__(self) -> PluginHost:
        return self

    @property
    def plugin(self) -> Plugin:
        """The plugin as the gateway has it."""
        return next(iter(self.plugins.values()))

    @property
    def vm(self) -> WasmVM:
        """The VM that new streams go to. Raises LookupError while the plugin is down."""
        vm = self.plugin.vm
        if vm is None:
            raise LookupError(f"the plugin {self.plugin.settings.name} is down")
        return vm

    @property
    def shared_data(self) -> SharedData:
        """The shared data of the plugin's vm_id: `plugin.shared_data[b"key"] = b"value"`."""
        return self.shared_data_of(self.plugin.settings.vm.vm_id)

    def shared_queue(self, name: bytes) -> SharedQueue:
        """Return the queue of this name of the plugin's vm_id."""
        return self.shared_queue_of(self.plugin.settings.vm.vm_id, name)

    @property
    def is_up(self) -> bool:
        """Whether there is a VM for new streams."""
        return self.plugin.supply.is_up

    @property
    def failures(self) -> int:
        """How many VMs have failed."""
        return self.plugin.failures

    @property
    def counts(self) -> Counts:
        """What has happened to the plugin's VMs so far."""
        return self.plugin.counts

    @property
    def last_failure(self) -> GuestFailed | None:
        """Why the last one failed: the callback, the cause, the guest's frames."""
        return self.plugin.last_failure

    @property
    def memory_size(self) -> int:
        """Bytes of the guest's memory now."""
        return self.vm.memory_size

    def read_memory(self, address: int, length: int) -> bytes:
        """Return guest memory. Raises IndexError when any of it is outside."""
        return self.vm.read_memory(address, length)
