"""What a vendor's application installs: it builds events and delivers each exactly once.

`plain` and `events` make the event, `answers` reads what the service says, `attempts` decides on another try,
`core` puts them together without doing any I/O, and `sync` and `aio` are its two drivers.
"""

from indelible.client.aio import AsyncAuditLog
from indelible.client.answers import Receipt
from indelible.client.batch import BatchResult, Refused
from indelible.client.errors import (
    AuthenticationError,
    BatchRefusedError,
    ConfigurationError,
    ConflictError,
    IndelibleError,
    InvalidEventError,
    ServerError,
    UnavailableError,
)
from indelible.client.events import new_event
from indelible.client.sync import AuditLog

__all__ = [
    "AsyncAuditLog",
    "AuditLog",
    "AuthenticationError",
    "BatchRefusedError",
    "BatchResult",
    "ConfigurationError",
    "ConflictError",
    "IndelibleError",
    "InvalidEventError",
    "Receipt",
    "Refused",
    "ServerError",
    "UnavailableError",
    "new_event",
]
