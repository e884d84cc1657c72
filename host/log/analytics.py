"""Names that the analytics record of Tyk's is known by, below all who use them."""

from typing import Final

ANALYTICS: Final = "tyk"
"""The format of an access log that writes analytics records."""

EDITORS: Final = "analytics.editors"
"""A key of what filters in Python share: functions that take the record, a mapping, and change it."""
