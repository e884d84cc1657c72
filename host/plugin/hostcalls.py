"""The subjects of host calls that are carried out in Python: importing them is what makes the core reach them."""

from host.plugin import callouts, shared_queue

__all__ = ["callouts", "shared_queue"]
