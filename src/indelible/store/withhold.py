"""Leaving out of an event what its reader is not shown."""

from dataclasses import replace

import msgspec

from indelible.ledger.disclosure import open_disclosure
from indelible.store.sealing import Record
from indelible.store.view import ALL_PARTS, CONTEXT_PARTS, Part

__all__ = ["hidden_groups", "withhold"]


def hidden_groups(parts: frozenset[Part]) -> frozenset[str]:
    """The groups of disclosures of which whoever sees `parts` sees nothing."""
    whole: frozenset[str] = ALL_PARTS - CONTEXT_PARTS - parts
    return whole if parts & CONTEXT_PARTS else whole | {"context"}


def withhold(record: Record, parts: frozenset[Part]) -> Record:
    """The record without what is not in `parts`; `withheld` names that, whether the event had any of it or not.

    A disclosure is left out whole if anything in it is. What was altered is still said to be.
    """
    if not (hidden := ALL_PARTS - parts):
        return record
    event = record.event
    context = msgspec.structs.replace(event.context, **dict.fromkeys(hidden & CONTEXT_PARTS))
    # By the names in the disclosures, and not by the columns that they stood in: somebody may have moved them.
    groups = hidden_groups(parts) | ({"context"} if context != event.context else set())
    kept = {name: getattr(event, name) for name in ("changes", "metadata") if name not in groups}
    return replace(
        record,
        event=msgspec.structs.replace(
            event, changes=kept.get("changes", {}), metadata=kept.get("metadata", {}), context=context
        ),
        disclosures=tuple(d for d in record.disclosures if open_disclosure(d)[0] not in groups),
        erased={group: seq for group, seq in record.erased.items() if group not in hidden_groups(parts)},
        withheld=tuple(sorted(hidden)),
    )
