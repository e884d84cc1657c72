"""The configuration's schema: which keys there are, what each may hold and what it is for.

Models of pydantic, used to validate and to make the JSON Schema and nothing else: their values are read once, by
`host.config.resolve`, which makes `host.config.model` of them. Only what reads YAML imports this package.
"""

from host.config.schema.base import FORMS, Strict
from host.config.schema.gateway import Gateway
from host.config.schema.whole import Resource, Resources, Whole

__all__ = ["FORMS", "Gateway", "Resource", "Resources", "Strict", "Whole"]
