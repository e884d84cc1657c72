"""Metrics: counted in shared memory, one mapping a worker, added up when they are asked for.

It knows neither plugins nor HTTP exchanges: those count through `MetricsTable` and through host calls.
"""
