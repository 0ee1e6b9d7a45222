"""What the verification of an evidence file found, for machines and for people."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from indelible.ledger import base64url
from indelible.ledger.canonical import Json

__all__ = ["MAX_FINDINGS", "Counts", "Erasure", "Finding", "Kind", "Report"]

MAX_FINDINGS = 1000
"""Findings kept; further ones are counted."""

_SHOWN = 20
"""Findings in the text; the JSON has all that are kept."""

Kind = Literal["contradicted", "not proven"]


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
    filter: dict[str, Json] | None = None
    older_size: int | None = None
    """Of the earlier checkpoint that the caller gave."""
    older_proven: bool = False
    complete_until: str | None = None
    counts: Counts = field(default_factory=Counts)
    erasures: list[Erasure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    contradicted: int = 0
    not_proven: int = 0

    def find(self, kind: Kind, step: int, seq: int | None, what: str) -> None:
        if kind == "contradicted":
            self.contradicted += 1
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
            return (
                "This file contradicts itself, the checkpoint or an earlier one. "
                "What it shows must not be taken for what was recorded."
            )
        if self.verdict == "not proven":
            return "Something that is needed to prove this file is missing. Nothing in it is proven as a whole."
        parts = [
            f"{self._range()} of the ledger {self.origin} are exactly those that its key signed at a size of "
            f"{self.size:,} entries: none was altered, moved, added or left out.",
            *self._exceptions(),
        ]
        if self.older_proven:
            parts.append(f"The ledger continues the one of {self.older_size:,} entries of the earlier checkpoint.")
        if self.complete_until is None:
            parts.append("No entry is shown, so nothing is said of when they were recorded.")
        else:
            parts.append(f"Complete up to {self.complete_until}; nothing is claimed after it.")
        return " ".join(parts)

    def _range(self) -> str:
        if self.start is None or self.stop is None:
            return "No entries"
        return f"Entries {self.start:,} to {self.stop - 1:,}"

    def _exceptions(self) -> list[str]:
        parts = []
        counts = self.counts
        if self.filter is not None:
            parts.append(f"{counts.shown:,} of them match the filter and are shown with what they disclose.")
        if counts.hidden:
            parts.append(
                f"{counts.hidden:,} of them are hidden: that none of these matches the filter is not proven, "
                "and was accepted."
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
            "filter": self.filter,
            "after": None if self.older_size is None else {"size": self.older_size, "proven": self.older_proven},
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
                f"ledger       {self.origin}",
                *([] if self.tenant_id is None else [f"tenant       {_plain(self.tenant_id)}"]),
                *[f"signed by    {vkey}" for vkey in self.signed_by],
            ]
        if self.start is not None:
            counts = self.counts
            lines += [
                f"entries      {self.start:,} to {(self.stop or 0) - 1:,} of {self.size:,}: {counts.shown:,} shown, "
                f"{counts.bare:,} outside of the filter, {counts.hidden:,} hidden",
                f"disclosures  {counts.disclosed:,} shown, {counts.erased:,} erased, {counts.withheld:,} withheld",
            ]
        lines += [
            f"erasure      recorded by entry {each.seq} at {each.recorded_at}: {each.disclosures:,} disclosures here"
            for each in self.erasures[:_SHOWN]
        ]
        if (more := len(self.erasures) - _SHOWN) > 0:
            lines.append(f"             and {more:,} more")
        for each in self.findings[:_SHOWN]:
            where = "file" if each.seq is None else f"entry {each.seq}"
            lines.append(f"{each.kind}, {where} (step {each.step}): {each.what}")
        if (more := self.contradicted + self.not_proven - _SHOWN) > 0:
            lines.append(f"and {more:,} more")
        return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """What somebody else may have written, without the characters that a terminal obeys."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])
