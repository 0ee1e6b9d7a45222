"""Indelible: the audit log a B2B SaaS puts into its product."""

from importlib import import_module

# Type checkers know the name; importing `typing` for it would be most of what `import indelible` costs.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from indelible.client import AsyncAuditLog as AsyncAuditLog
    from indelible.client import AuditLog as AuditLog
    from indelible.client import AuthenticationError as AuthenticationError
    from indelible.client import BatchRefusedError as BatchRefusedError
    from indelible.client import BatchResult as BatchResult
    from indelible.client import ConfigurationError as ConfigurationError
    from indelible.client import ConflictError as ConflictError
    from indelible.client import IndelibleError as IndelibleError
    from indelible.client import InvalidEventError as InvalidEventError
    from indelible.client import Receipt as Receipt
    from indelible.client import Refused as Refused
    from indelible.client import ServerError as ServerError
    from indelible.client import UnavailableError as UnavailableError
    from indelible.client import new_event as new_event
    from indelible.event import Actor as Actor
    from indelible.event import Change as Change
    from indelible.event import Context as Context
    from indelible.event import Event as Event
    from indelible.event import Impersonator as Impersonator
    from indelible.event import Target as Target

__version__ = "0.1.0"

# Each name is imported when it is first used: `import indelible` stays free for programs that may not log.
_EVENT = ("Actor", "Change", "Context", "Event", "Impersonator", "Target")
_CLIENT = (
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
)

__all__ = ["__version__", *_CLIENT, *_EVENT]  # noqa: PLE0604 - the tuples hold strings


def __getattr__(name: str) -> object:
    if name in _CLIENT:
        value: object = getattr(import_module("indelible.client"), name)
    elif name in _EVENT:
        value = getattr(import_module("indelible.event"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
