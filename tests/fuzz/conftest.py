"""Fuzz tests count on outcomes, not on time: a busy machine must not fail them."""

from hypothesis import HealthCheck, settings

settings.register_profile("sluiceway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluiceway")
