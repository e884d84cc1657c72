"""`sluiceway run`: serve a configuration, or one plugin in front of one upstream with no configuration at all."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from host.config import Config, Listen, Node, PluginUse, Route, Upstream, WasmPlugin

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_EPILOG = """\
examples:
  sluiceway run config.yaml
  sluiceway run config.yaml --listen 127.0.0.1:9080 --workers 1
  sluiceway run plugin.wasm --upstream http://127.0.0.1:8080 --conf '{"headers": []}'

signals: SIGTERM and SIGINT finish the requests in flight and end; SIGHUP reads the configuration anew,
as a change of apisix.yaml does, or with --watch one of any file.
"""

LOOPBACK = Listen("127.0.0.1", 9080)
"""Where a plugin is served that was given with no configuration: a trial is nobody else's business."""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run",
        help="serve a configuration or a single plugin",
        description="Serve CONFIG (one YAML file that holds all, or config.yaml with apisix.yaml beside it), "
        "or PLUGIN.wasm in front of --upstream.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="CONFIG|PLUGIN.wasm", type=Path)
    parser.add_argument(
        "--listen", metavar="HOST:PORT", type=listen, help="instead of apisix.node_listen; port 0: any"
    )
    parser.add_argument(
        "--workers", metavar="N", type=workers, help="processes that serve, instead of workers"
    )
    parser.add_argument(
        "--upstream", metavar="URL", type=upstream, help="with PLUGIN.wasm: where requests go"
    )
    parser.add_argument(
        "--conf", metavar="TEXT", help="with PLUGIN.wasm: its configuration, passed byte for byte"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="reload when a file changes that the configuration names; apisix.yaml is watched always",
    )
    parser.set_defaults(command=lambda options: _run(parser, options))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    target: Path = options.target
    source: Path | Config = target
    if target.suffix == ".wasm":
        if options.upstream is None:
            parser.error(f"{target} is a plugin: say where requests go with --upstream URL")
        source = plugin_config(target, options.upstream, options.conf)
    elif options.upstream is not None or options.conf is not None:
        parser.error("--upstream and --conf go with PLUGIN.wasm; a configuration names its own")
    # The gateway brings wasmtime and uvloop with it: no other command waits for them.
    from host.supervisor import serve

    return serve(source, listen=options.listen, workers=options.workers, watch=options.watch)


def plugin_config(file: Path, node: Node, conf: str | None) -> Config:
    """Return the configuration of one plugin on all requests to one node; it is named after its file."""
    name = file.stem
    return Config(
        listen=(LOOPBACK,),
        workers=1,
        plugins=(WasmPlugin(name=name, file=file.absolute()),),
        routes=(
            Route(
                id="1",
                uris=("/*",),
                upstream=Upstream(id="1", nodes=(node,)),
                plugins=(PluginUse(name=name, configuration=os.fsencode(conf or ""), scope="routes/1"),),
                enable_websocket=True,
            ),
        ),
    )


def listen(text: str) -> Listen:
    """Return the address of HOST:PORT or [IPv6]:PORT. Raises ArgumentTypeError."""
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT such as 127.0.0.1:9080, got {text!r}")
    if ":" in host and "[" not in text:
        raise argparse.ArgumentTypeError(
            f"expected brackets around an IPv6 address, as in [::1]:80, got {text!r}"
        )
    return Listen(host, int(port))


def workers(text: str) -> int:
    """Return a number of processes from 1 to 1024. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1024):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1024, got {text!r}")
    return int(text)


def upstream(text: str) -> Node:
    """Return the node of http://HOST[:PORT]. Raises ArgumentTypeError."""
    try:
        url = urlsplit(text if "//" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected http://HOST:PORT, got {text!r}: {error}") from None
    if url.scheme != "http":
        raise argparse.ArgumentTypeError(
            f"expected http://HOST:PORT, got {text!r}: {url.scheme} is not served"
        )
    if (
        not host
        or port == 0
        or url.username is not None
        or url.path not in ("", "/")
        or url.query
        or url.fragment
    ):
        raise argparse.ArgumentTypeError(f"expected http://HOST:PORT with nothing behind it, got {text!r}")
    return Node(host, port or 80)
