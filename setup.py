"""The native core's build: pyproject.toml has no key for cffi_modules nor for the stable-ABI tag of the wheel."""

from setuptools import setup

setup(
    cffi_modules=["host/core/build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
