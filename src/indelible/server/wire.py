"""What the API answers with, as it goes over the wire."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from indelible.catalog import Catalog
from indelible.event import Actor, Change, Context, Outcome, Source, Target
from indelible.ledger.disclosure import text
from indelible.ledger.entry import micros, millis
from indelible.server.problems import ProblemDetails
from indelible.store.append import Receipt
from indelible.store.sealing import Prepared, Record, leaf_text
from indelible.store.view import Part

__all__ = ["Accepted", "BatchAnswer", "LoggedEvent", "Refused", "SealedEvent", "Timeline", "sentence", "shown"]

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, UTC")]
Hash = Annotated[str, Meta(description="SHA-256, base64url without padding", examples=[leaf_text(bytes(32))])]
Seq = Annotated[int, Meta(ge=0, description="Its number in the tenant's ledger, from 0 on, without gaps")]


class Accepted(Struct):
    """The event is durable and in the ledger. Keep the answer: it says where, and under which hash."""

    status: Annotated[int, Meta(description="201, or 200 where an earlier attempt had been stored")]
    id: UUID
    tenant_id: str
    seq: Seq
    recorded_at: Time
    leaf_hash: Hash
    registered: Annotated[bool, Meta(description="Whether the catalog knows the action")]

    @classmethod
    def of(cls, prepared: Prepared, receipt: Receipt) -> "Accepted":
        return cls(
            status=201 if receipt.created else 200,
            id=receipt.id,
            tenant_id=prepared.event.tenant_id,
            seq=receipt.seq,
            recorded_at=micros(receipt.recorded_at),
            leaf_hash=leaf_text(receipt.leaf_hash),
            registered=prepared.category is not None,
        )


class Refused(Struct):
    """This event is not in the ledger; `error.status` 429 and 503 alone are worth another try."""

    status: int
    error: ProblemDetails


class BatchAnswer(Struct):
    """One item for each event, in the order they were sent."""

    data: Annotated[
        list[Any],
        Meta(
            extra_json_schema={
                "items": {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Accepted", "Refused")]}
            }
        ),
    ]
    accepted: int
    refused: int


class LoggedEvent(Struct, omit_defaults=True, kw_only=True):
    """An event as it was sent, and what the ledger and the catalog say of it."""

    id: UUID
    tenant_id: str
    seq: Seq
    action: str
    sentence: Annotated[str, Meta(description="What happened, for people, from what was sealed")]
    occurred_at: Time
    recorded_at: Time
    actor: Actor
    targets: list[Target]
    outcome: Outcome
    source: Source
    category: str | None
    operation: str | None
    severity: str | None
    registered: bool
    changes: dict[str, Change] = {}
    context: Context = Context()
    metadata: dict[str, Any] = {}
    leaf_hash: Hash
    altered: Annotated[
        list[str], Meta(description='What no longer fits its hash: "entry", or a group that is then left out')
    ] = []
    erased: Annotated[
        dict[str, int],
        Meta(description="Groups that were erased on request, each with the `seq` of the entry that recorded it"),
    ] = {}
    withheld: Annotated[
        list[Part],
        Meta(description="What of an event this reader is not shown, whether this one has any of it or not"),
    ] = []

    @classmethod
    def of(cls, record: Record, catalog: Catalog) -> "LoggedEvent":
        return cls(**_fields(record, catalog))


class SealedEvent(LoggedEvent, kw_only=True):
    """An event with the exact bytes that are hashed."""

    entry: Annotated[str, Meta(description="SHA-256 of a zero byte and this, in UTF-8, is the leaf hash")]
    disclosures: Annotated[
        list[str],
        Meta(description="SD-JWT disclosures (RFC 9901), base64url; those that hold anything withheld are not here"),
    ]

    @classmethod
    def of(cls, record: Record, catalog: Catalog) -> "SealedEvent":
        return cls(
            **_fields(record, catalog),
            entry=record.entry.decode(errors="replace"),
            disclosures=[text(d) for d in record.disclosures],
        )


def shown(record: Record, catalog: Catalog, *, sealed: bool) -> LoggedEvent:
    """The event as lists have it, or with the bytes that are hashed."""
    return (SealedEvent if sealed else LoggedEvent).of(record, catalog)


class Understood(Struct, omit_defaults=True):
    """How the search box was read."""

    items: Annotated[list[str], Meta(description="What is looked for, as it was written: words, phrases, qualifiers")]
    ignored: Annotated[list[str], Meta(description="Words that count for nothing, as only a question needs them")] = []
    since: Annotated[Time | None, Meta(description="The time that it names")] = None
    until: Annotated[Time | None, Meta(description="Likewise")] = None


class Timeline(Struct, omit_defaults=True):
    data: list[LoggedEvent]
    next_cursor: Annotated[str | None, Meta(description="For the next, older page; null where there is none")]
    prev_cursor: Annotated[
        str | None,
        Meta(description="For what is newer than this page, also if it is not there yet; null on an empty one"),
    ]
    partial: Annotated[
        bool, Meta(description="The time was up before the page was full: go on with the same cursor as otherwise")
    ] = False
    understood: Annotated[Understood | None, Meta(description="Where there is a q")] = None


def sentence(record: Record, catalog: Catalog) -> str:
    """What happened; of an altered entry only that it was altered, as nothing else is known of it."""
    if "entry" in record.altered:
        return catalog.language.altered.format(seq=record.seq)
    return catalog.sentence(record.event)


def _fields(record: Record, catalog: Catalog) -> dict[str, Any]:
    event = record.event
    spec = catalog.get(event.action)
    assert event.id is not None
    assert event.occurred_at is not None
    return {
        "id": event.id,
        "tenant_id": event.tenant_id,
        "seq": record.seq,
        "action": event.action,
        "sentence": sentence(record, catalog),
        "occurred_at": millis(event.occurred_at),
        "recorded_at": micros(record.recorded_at),
        "actor": event.actor,
        "targets": event.targets,
        "outcome": event.outcome,
        "source": event.source,
        "category": record.category,
        "operation": record.operation,
        "severity": spec.severity if spec else None,
        "registered": record.category is not None,
        "changes": event.changes,
        "context": event.context,
        "metadata": event.metadata,
        "leaf_hash": leaf_text(record.leaf_hash),
        "altered": list(record.altered),
        "erased": dict(record.erased),
        "withheld": list(record.withheld),
    }
