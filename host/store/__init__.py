"""Shared data and queues: what plugins of one vm_id keep in common, in one process, one machine, or many.

One interface, three stores behind it; `Stores` chooses by vm_id. It knows nothing of guests, of plugins or of
configuration files.
"""

from host.store.interface import Down, Limits, Refused, Space, Store
from host.store.memory import MemorySpace, MemoryStore
from host.store.stores import Stores

__all__ = ["Down", "Limits", "MemorySpace", "MemoryStore", "Refused", "Space", "Store", "Stores"]
