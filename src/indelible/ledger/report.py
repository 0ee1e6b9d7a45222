"""What the verification of an evidence file found, for machines and for people."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from indelible.ledger import base64url
from indelible.ledger.canonical import Json
from indelible.ledger.filter import Filter

__all__ = ["MAX_FINDINGS", "Counts", "Erasure", "Finding", "Kind", "Report", "counted"]

MAX_FINDINGS = 1000
"""Findings kept; further ones are counted."""

_SHOWN = 20
"""Findings in the text; the JSON has all that are kept."""

Kind = Literal["contradicted", "not proven"]

_FOLLOW = "its entries do not follow one from another"
_UNSIGNED = "its entries are not those that were signed"
_FALSE = {
    2: "there are entries in it that no ledger has",
    3: _FOLLOW,
    4: _FOLLOW,
    5: _FOLLOW,
    6: "personal parts in it are not those that were recorded",
    7: _UNSIGNED,
    21: "its checkpoint is not one that was signed",
    23: "an erasure record in it is not the ledger's",
    24: "what it shows is not what its filter asks for",
    25: "its entry 0 is not that of this ledger",
    26: _UNSIGNED,
    27: "the ledger does not continue the earlier checkpoint",
}
"""What a contradiction says of the file, by its step."""


class Finding(NamedTuple):
    kind: Kind
    """`contradicted`: not true of an honest ledger. `not proven`: what is needed to know is not there."""
    step: int
    """Of docs/format.md."""
    seq: int | None
    """The entry it shows at; None for the file as a whole."""
    what: str


@dataclass(slots=True)
class Counts:
    """Entries of the range, and disclosures of those that are shown."""

    shown: int = 0
    bare: int = 0
    hidden: int = 0
    disclosed: int = 0
    erased: int = 0
    withheld: int = 0


@dataclass(slots=True)
class Erasure:
    """An entry that records an erasure, and how many disclosures are missing here because of it."""

    seq: int
    recorded_at: str
    disclosures: int = 0


@dataclass(slots=True)
class Report:
    """Everything but what was found is None where the file did not get as far as to prove who says so."""

    origin: str | None = None
    tenant_id: str | None = None
    """As entry 0 says, where it is shown."""
    start: int | None = None
    stop: int | None = None
    size: int | None = None
    root: bytes | None = None
    signed_by: tuple[str, ...] = ()
    """The vkeys, out of those that the caller trusts."""
    filter: Filter | None = None
    older_size: int | None = None
    """Of the earlier checkpoint that the caller gave."""
    older_proven: bool = False
    complete_from: str | None = None
    """When the first entry was recorded of which more than the hash is given."""
    complete_until: str | None = None
    """And the last one."""
    counts: Counts = field(default_factory=Counts)
    erasures: list[Erasure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    contradicted: int = 0
    not_proven: int = 0
    _contradicted_steps: set[int] = field(default_factory=set, init=False)

    def find(self, kind: Kind, step: int, seq: int | None, what: str) -> None:
        if kind == "contradicted":
            self.contradicted += 1
            self._contradicted_steps.add(step)
        else:
            self.not_proven += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, step, seq, _plain(what)))

    @property
    def verdict(self) -> Literal["proven", "contradicted", "not proven"]:
        if self.contradicted:
            return "contradicted"
        return "not proven" if self.not_proven else "proven"

    @property
    def exit_code(self) -> int:
        return {"proven": 0, "contradicted": 1, "not proven": 2}[self.verdict]

    @property
    def statement(self) -> str:
        """What the verdict means, in sentences."""
        if self.verdict == "contradicted":
            # In the order of the steps, each once.
            false = dict.fromkeys(_FALSE[step] for step in sorted(self._contradicted_steps))
            return (
                f"This is not what an honest ledger gives: {'; '.join(false)}. "
                "What the file shows must not be taken for what was recorded."
            )
        if self.verdict == "not proven":
            return "Something that is needed to prove this file is missing. Nothing in it is proven as a whole."
        parts = [self._range(), *self._exceptions()]
        if self.older_proven:
            older = counted(self.older_size or 0, "entry", "entries")
            parts.append(f"The ledger continues the one of {older} of the earlier checkpoint.")
        return " ".join([*parts, self._times()])

    def _range(self) -> str:
        start, last = self.start or 0, (self.stop or 0) - 1
        by = f"its key signed at a size of {counted(self.size or 0, 'entry', 'entries')}"
        if start == last:
            which = f"Entry {start:,} of the ledger {self.origin}"
            return f"{which} is exactly the one that {by}: it was not altered or moved."
        return (
            f"Entries {start:,} to {last:,} of the ledger {self.origin} are exactly those that {by}: none was altered, "
            "moved, added or left out."
        )

    def _times(self) -> str:
        if self.complete_from is None or self.complete_until is None:
            return "No entry is shown, so nothing is said of when they were recorded."
        if self.start == 0:
            return f"Complete from the ledger's beginning up to {self.complete_until}; nothing is claimed after it."
        return (
            f"Complete from {self.complete_from} up to {self.complete_until}; entries before number {self.start:,} are "
            "not this file's subject, and nothing is claimed after its last one."
        )

    def _exceptions(self) -> list[str]:
        parts = []
        counts = self.counts
        if self.filter is not None:
            match, are, their = ("matches", "is", "its") if counts.shown == 1 else ("match", "are", "their")
            parts.append(
                f"{counts.shown:,} of them {match} the filter ({self.filter}) and {are} shown with {their} personal "
                "parts. Compare this filter with what you asked for."
            )
        if counts.hidden:
            are, differ = ("is", "this one does not match") if counts.hidden == 1 else ("are", "none of these matches")
            parts.append(
                f"{counts.hidden:,} of them {are} hidden: that {differ} the filter is not proven, and was accepted."
            )
        if counts.erased:
            parts.append(f"Personal parts that were erased, as the ledger itself records: {counts.erased:,}.")
        if counts.withheld:
            parts.append(f"Personal parts that are withheld from this file, which was accepted: {counts.withheld:,}.")
        return parts

    def to_json(self) -> dict[str, Json]:
        counts = self.counts
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "statement": self.statement,
            "origin": self.origin,
            "tenant_id": self.tenant_id,
            "from": self.start,
            "to": self.stop,
            "size": self.size,
            "root": None if self.root is None else base64url.encode(self.root),
            "signed_by": list(self.signed_by),
            "filter": None if self.filter is None else self.filter.to_json(),
            "after": None if self.older_size is None else {"size": self.older_size, "proven": self.older_proven},
            "complete_from": self.complete_from,
            "complete_until": self.complete_until,
            "entries": {"shown": counts.shown, "bare": counts.bare, "hidden": counts.hidden},
            "disclosures": {"ok": counts.disclosed, "erased": counts.erased, "withheld": counts.withheld},
            "erasures": [
                {"seq": each.seq, "recorded_at": each.recorded_at, "disclosures": each.disclosures}
                for each in self.erasures
            ],
            "contradicted": self.contradicted,
            "not_proven": self.not_proven,
            "findings": [
                {"kind": each.kind, "step": each.step, "seq": each.seq, "what": each.what} for each in self.findings
            ],
        }

    def __str__(self) -> str:
        """The report for people. A verdict comes first."""
        lines = [self.verdict.upper(), "", self.statement, ""]
        if self.origin is not None:
            lines += [
                _line("ledger", self.origin),
                *([] if self.tenant_id is None else [_line("tenant", _plain(self.tenant_id))]),
                *[_line("signed by", vkey) for vkey in self.signed_by],
            ]
        if self.start is not None:
            lines += self._contents()
        lines += [
            _line(
                "erasure",
                f"recorded by entry {each.seq} at {each.recorded_at}: "
                f"{counted(each.disclosures, 'personal part', 'personal parts')} here",
            )
            for each in self.erasures[:_SHOWN]
        ]
        if (more := len(self.erasures) - _SHOWN) > 0:
            lines.append(_line("", f"and {more:,} more"))
        for each in self.findings[:_SHOWN]:
            where = "file" if each.seq is None else f"entry {each.seq}"
            lines.append(f"{each.kind}, {where} (step {each.step}): {each.what}")
        if (more := self.contradicted + self.not_proven - _SHOWN) > 0:
            lines.append(f"and {more:,} more")
        return "\n".join(lines) + "\n"

    def _contents(self) -> list[str]:
        counts = self.counts
        shown = f"{self.start:,} to {(self.stop or 0) - 1:,} of {self.size:,}: {counts.shown:,} shown"
        filters = []
        if self.filter is not None:
            filters = [_line("filter", str(self.filter))]
            shown += f", {counts.bare:,} outside of the filter, {counts.hidden:,} hidden"
        elif counts.bare or counts.hidden:
            shown += f", {counts.bare:,} without personal parts, {counts.hidden:,} hidden"
        parts = f"{counts.disclosed:,} shown, {counts.erased:,} erased, {counts.withheld:,} withheld"
        return [*filters, _line("entries", shown), _line("personal parts", parts)]


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _line(name: str, value: str) -> str:
    return f"{name:<14}  {value}"


def _plain(text: str) -> str:
    """What somebody else may have written, without the characters that a terminal obeys."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])
