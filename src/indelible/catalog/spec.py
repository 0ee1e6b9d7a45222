"""What the catalog says of one action, and what is wrong with a catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

__all__ = ["ActionSpec", "CatalogError", "Category", "FieldSpec", "Operation", "Severity", "Wording"]

Operation = Literal["created", "updated", "deleted", "accessed"]
Category = Literal["auth", "access", "data", "config", "security"]

Severity = Literal["info", "notice", "warning", "critical"]
"""info: daily business. notice: worth seeing in a review. warning: someone should look at it today.
critical: someone should look at it now."""

FieldType = Literal["string", "integer", "number", "boolean", "timestamp", "list", "map"]

_ONE_LINE = r"^\S[^\x00-\x1f]*\Z"
Line = Annotated[str, Meta(min_length=1, max_length=400, pattern=_ONE_LINE)]
Sentence = Annotated[str, Meta(min_length=1, max_length=1000, pattern=_ONE_LINE)]


class FieldSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of an action's metadata, or one of its changes (then both sides have this type).

    `timestamp` is RFC 3339 text or a date; `list` holds strings or numbers; `map` is any JSON object.
    """

    type: FieldType
    description: Line
    required: bool = False
    values: tuple[str, ...] = ()


class Wording(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An action's texts in another language, which in TOML are a key of the action, `de`; what is absent is English."""

    title: Line | None = None
    sentence: Sentence | None = None
    failed: Sentence | None = None
    denied: Sentence | None = None


class ActionSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One action as the catalog declares it.

    `sentence` is a template (see `template`); `failed` and `denied` replace it for these outcomes.
    `outcome` is the outcome that the sentence tells by itself: "Sarah Chen failed to sign in" is `failure`.
    `example` is a fragment of an event: any of its members but the tenant, the action and the id.
    `default` is whether a new integration should log this action from the start.
    """

    name: str
    title: Line
    sentence: Sentence
    operation: Operation
    category: Category
    severity: Severity = "info"
    description: Annotated[str, Meta(max_length=1000)] = ""
    failed: Sentence | None = None
    denied: Sentence | None = None
    outcome: Literal["success", "failure", "denied"] = "success"
    metadata: dict[str, FieldSpec] = {}
    changes: dict[str, FieldSpec] = {}
    example: dict[str, Any] = {}
    controls: tuple[Line, ...] = ()
    default: bool = True


class CatalogError(ValueError):
    """The catalog can't be used. `problems` holds each as "FILE: ACTION: KEY: what is wrong and the fix"."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
