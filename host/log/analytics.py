"""The name under which an exchange keeps who edits its analytics record before it is written.

It stands here, below all who use it: those who leave editors, and the access log that calls them.
"""

from typing import Final

EDITORS: Final = "analytics.editors"
"""A key of what filters in Python share: functions that take the record, a mapping, and change it."""
