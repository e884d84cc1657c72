"""Structured logs on standard error, and the writing of lines to any descriptor.

A line is for people (`text`) or a JSON object (`json`); both are made here and nowhere else. What plugins and peers say
is untrusted: nothing that is not printable reaches the stream, and nothing can begin a line of its own. Writing is a
thread's work, so that a standard error that nobody reads, or that is closed, stops no request: what does not fit in
the queue is dropped and counted. Nothing here raises into its caller.
"""

from host.log.file import LogFile
from host.log.lines import MAX_MESSAGE_SIZE, PLUGIN_LEVELS, Format, Handler, Log, PluginLine, setup
from host.log.writer import MAX_QUEUED_BYTES, Writer

__all__ = [
    "MAX_MESSAGE_SIZE",
    "MAX_QUEUED_BYTES",
    "PLUGIN_LEVELS",
    "Format",
    "Handler",
    "Log",
    "LogFile",
    "PluginLine",
    "Writer",
    "setup",
]
