"""nginx as a peer and as the cheapest origin: configurations, and whether the machine has it."""

from __future__ import annotations

import shutil
from pathlib import Path

BINARY = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MODULES = Path("/usr/lib/nginx/modules")
LUA_MODULES = (MODULES / "ndk_http_module.so", MODULES / "ngx_http_lua_module.so")

_FRAME = """\
{modules}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{http}
}}
"""


def origin(directory: Path, port: int) -> str:
    """Return the configuration of an origin that answers everything with 200 and the 12 bytes `hello world\\n`."""
    http = f'  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello world\\n"; }} }}'
    return _FRAME.format(modules="", directory=directory, http=http)


def gateway(directory: Path, port: int, origin_port: int, *, lua_header_filter: str | None = None) -> str:
    """Return the configuration of a reverse proxy with pooled upstream connections; at will a Lua header filter."""
    modules = "".join(f"load_module {module};\n" for module in LUA_MODULES) if lua_header_filter else ""
    lua = f"header_filter_by_lua_block {{ {lua_header_filter} }}" if lua_header_filter else ""
    http = f"""\
  upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {lua}
    }}
  }}"""
    return _FRAME.format(modules=modules, directory=directory, http=http)


def command(configuration: Path) -> list[str]:
    """Return the command that serves `configuration` in the foreground."""
    return [str(BINARY), "-p", str(configuration.parent), "-c", str(configuration)]
