"""Reads query parameters, and collects what is wrong with them, so that one answer names all of it."""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from indelible.event import is_tenant_id
from indelible.ledger.checkpoint import MAX_SIZE, decimal
from indelible.server.conditions import did_you_mean, fault
from indelible.server.moments import moment
from indelible.server.parameters import DEFAULT_LIMIT, MAX_LIMIT, Given, Parameter, named
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.qualifiers import likely_parameter

__all__ = ["Reader"]


class Reader:
    """Of what was `given`, the parameters that are `known`.

    Every method returns something whatever was given; `finish` raises what they found to be wrong. `bound` is the
    tenant of whoever is bound to one, who may leave the parameter out.
    """

    def __init__(self, given: Given, known: Sequence[Parameter], bound: str | None = None) -> None:
        self._bound = bound
        self._known = known
        self._values: dict[str, list[str]] = {}
        self._errors: list[ErrorDetail] = []
        for name, value in given:
            if (own := self._own(name)) is not None:
                self._values.setdefault(own, []).append(value)

    def finish(self) -> None:
        """Raises `Problem` 422, which lists every parameter that is wrong."""
        if self._errors:
            detail = "; ".join(f"{e.parameter} {e.detail}" for e in self._errors)
            raise Problem(422, "invalid_parameter", detail, self._errors)

    def wrong(self, parameter: str, detail: str) -> None:
        """The detail goes on after the parameter's name: `must be …`, `is …`."""
        error = ErrorDetail(detail, parameter=parameter)
        if error not in self._errors:
            self._errors.append(error)

    def given(self) -> dict[str, tuple[str, ...]]:
        """As it came, right or wrong: each by its own name, with the minus if it has one, in the order of the first."""
        return {name: tuple(values) for name, values in self._values.items()}

    def all(self, name: str) -> tuple[str, ...]:
        """As given, whether right or wrong."""
        return tuple(self._values.get(name, ()))

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def single(self, name: str) -> str | None:
        """Of a parameter that is not to be repeated."""
        values = self._values.get(name, [])
        if len(values) > 1:
            self.wrong(name, "must be given once")
        return values[0] if values else None

    def words(self, parameter: Parameter, name: str | None = None) -> tuple[str, ...]:
        """The values of a repeatable one; under `name` where that is not its own, as with a minus or a prefix."""
        name = name or parameter.name
        values = self.all(name)
        for value in values:
            if said := fault(parameter, value):
                self.wrong(name, said)
        return values

    def tenant(self) -> str:
        """As it was given; nothing where it is missing."""
        value = self.single("tenant_id")
        if value is None:
            if self._bound is not None:
                return self._bound
            self.wrong("tenant_id", "is required: a query is always one tenant's")
            return ""
        if not is_tenant_id(value):
            self.wrong("tenant_id", "must be 1 to 128 letters, digits or . _ : @ ~ + -")
        return value

    def moment(self, name: str, now: datetime) -> datetime | None:
        value = self.single(name)
        try:
            return None if value is None else moment(value, now)
        except ValueError as error:
            self.wrong(name, str(error))
            return None

    def limit(self, *, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
        value = self.single("limit")
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= most:
            self.wrong("limit", f"must be a whole number from 1 to {most}")
            return default
        return int(value)

    def flag(self, name: str) -> bool:
        """Of one that is false if absent."""
        value = self.single(name)
        if value not in (None, "true", "false"):
            self.wrong(name, "must be true or false")
        return value == "true"

    def size(self, name: str, *, required: bool = False) -> int | None:
        value = self.single(name)
        try:
            size = decimal(value) if value is not None else None
        except ValueError:
            size = 0
        if size == 0 or (required and name not in self._values):
            self.wrong(name, f"{'is required: it ' if size is None else ''}must be a whole number from 1 to {MAX_SIZE}")
        return size

    def numbers(self, name: str, *, most: int) -> frozenset[int]:
        """Of a parameter that is given up to `most` times."""
        values = self.all(name)
        if not 0 < len(values) <= most:
            self.wrong(name, f"must be given at least once, and at most {most} times")
            return frozenset()
        try:
            return frozenset(map(decimal, values))
        except ValueError:
            self.wrong(name, f"must be a whole number from 0 to {MAX_SIZE}")
            return frozenset()

    def uuid(self, name: str, value: str) -> UUID:
        try:
            return msgspec.convert(value, UUID)
        except msgspec.ValidationError:
            self.wrong(name, "must be a UUID")
            return UUID(int=0)

    def _own(self, given: str) -> str | None:
        """The name that a parameter has here, whichever of its names it was given under."""
        sign, name = ("-", given[1:]) if given.startswith("-") else ("", given)
        parameter = named(name, self._known)
        if parameter is None:
            self.wrong(given, self._unknown(sign, name))
            return None
        if sign and not parameter.excludable:
            able = [p.name for p in self._known if p.excludable]
            one_of = f"; {', '.join(able)} can" if able else ""
            self.wrong(given, f"is not known here: {parameter.name} cannot be excluded{one_of}")
            return None
        own = name if parameter.prefix else parameter.name
        if parameter.prefix and fault(parameter, own):
            self.wrong(given, "must have at most 256 characters, none of them NUL")
            return None
        return sign + own

    def _unknown(self, sign: str, name: str) -> str:
        known = [alias for p in self._known for alias in (p.name, *p.aliases) if not p.prefix]
        prefixes = [p.name for p in self._known if p.prefix]
        head, _, rest = name.partition(".")
        hint = did_you_mean(name, known, sign)
        if (prefix := did_you_mean(head, prefixes, sign)) and (rest or not hint):
            hint = prefix.replace("?", f".{rest or 'FIELD'}?")
        if meant := likely_parameter(name, [p.name for p in self._known], sign):
            hint = f"; did you mean {meant}?"
        there_are = ", ".join(p.name if not p.prefix else f"{p.name}.FIELD" for p in self._known) or "none"
        return f"is not known here{hint or f'; there are {there_are}'}"
