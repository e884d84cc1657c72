"""Fuzz tests count on outcomes, not on time: a busy machine must not fail them."""

from hypothesis import settings

settings.register_profile("sluiceway", deadline=None)
settings.load_profile("sluiceway")
