"""The subjects of host calls that are carried out in Python: importing them is what makes the core reach them."""

from host.plugin import (
    callouts,
    foreign_builtin,
    foreign_crypto,
    foreign_shared,
    grpc,
    shared_queue,
)

__all__ = ["callouts", "foreign_builtin", "foreign_crypto", "foreign_shared", "grpc", "shared_queue"]
