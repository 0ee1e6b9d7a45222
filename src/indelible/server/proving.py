"""Proofs over HTTP: checkpoints, that a ledger only grew, that an event is in it, and the keys that signed.

Whoever gets one of these verifies it without us. It is verified here too before it is given out, so that what was
altered in the database is noticed by whoever runs it, and not first by a customer.

A proof of an event is for whoever may see the event. The others speak of the ledger as a whole, to whoever may read any
of it: they tell its size, and no event. That somebody took one is recorded after it was found, as the record is itself
an entry.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Meta, Struct

from indelible.event import Target
from indelible.ledger import base64url, note
from indelible.ledger.checkpoint import Checkpoint, parse
from indelible.ledger.tlog_proof import InclusionProof, dump_tlog_proof
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.query import CheckpointQuery, ConsistencyQuery, EventQuery, TenantQuery
from indelible.server.reading import given, no_such_event, refused
from indelible.server.responses import json_response
from indelible.server.service import Service, admitted
from indelible.store import checkpoints, proofs
from indelible.store.checkpoints import Signed
from indelible.store.proofs import LedgerAltered
from indelible.store.tenants import Ledger, ledgers

__all__ = [
    "TEXT",
    "Consistency",
    "asked_for",
    "checkpoint",
    "consistency",
    "covering",
    "event_proof",
    "record_proof",
    "vkeys",
]

TEXT = "text/plain; charset=utf-8"

_PATIENCE = timedelta(seconds=6)
"""That a signature is waited for: a little longer than a signer that was not told takes to find out."""

_Request = Request[Any, Any, State]
_Size = Annotated[int, Meta(ge=1, description="A size of the ledger, in entries")]


class Consistency(Struct, rename={"old": "from", "new": "to"}):
    """A consistency proof (RFC 9162 section 2.1.4): the ledger of `to` entries begins with that of `from`."""

    old: _Size
    new: _Size
    proof: Annotated[list[str], Meta(description="Hashes, base64url without padding")]


@get("/api/audit-log/checkpoint", needs="events:read")
async def checkpoint(request: _Request) -> Response[bytes]:
    _, caller = admitted(request)
    query = CheckpointQuery.parse(given(request), bound=caller.tenant)
    tenant = caller.tenant_for(query.tenant)
    signed, _ = await asked_for(request, tenant, query.size)
    await record_proof(request, tenant, "checkpoint")
    return _text(signed.note)


@get("/api/audit-log/consistency", needs="events:read")
async def consistency(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = ConsistencyQuery.parse(given(request), bound=caller.tenant)
    tenant = caller.tenant_for(query.tenant)
    latest = await _latest(service, tenant)
    old, new = query.old, query.new or latest.size
    nearest = [await checkpoints.at_least(service.reading, tenant, size) for size in (old, new)]
    ledger = await _ledger(service, tenant)
    stated = [_stated(signed, ledger) for signed in (*nearest, latest) if signed]
    if new > ledger.size:
        raise _beyond("to", ledger.size, "the number of entries that there are")
    if old > new:
        raise _beyond("from", new, "to" if query.new else "the size of the latest checkpoint, which stands for to")
    proof = await proofs.proven_consistency(service.reading, tenant, old, new, stated)
    await record_proof(request, tenant, "consistency")
    return json_response(Consistency(old, new, [base64url.encode(value) for value in proof]))


@get("/api/audit-log/{event_id:str}/proof", needs="events:read")
async def event_proof(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = EventQuery.parse(request.path_params["event_id"], given(request), bound=caller.tenant)
    view = caller.view(query.tenant)
    tenant = view.tenant
    placed = await proofs.find(service.reading, view, query.event_id)
    if placed is None:
        raise refused(request, tenant, no_such_event(query))
    signed, stated = await covering(request, tenant, placed.seq)
    hashes = await proofs.proven_inclusion(service.reading, tenant, placed.leaf, placed.seq, stated)
    await record_proof(request, tenant, "proof", query.event_id)
    return _text(
        dump_tlog_proof(InclusionProof(placed.seq, tuple(hashes), signed.note)),
        {"content-disposition": f'attachment; filename="{query.event_id}.tlog-proof"'},
    )


@get("/api/audit-log/vkeys", needs="events:read")
async def vkeys(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = TenantQuery.parse(given(request), bound=caller.tenant)
    tenant = caller.tenant_for(query.tenant)
    ledger = await _ledger(service, tenant)
    keys = await checkpoints.public_keys(service.reading)
    if not keys:
        raise _no_checkpoint(tenant)
    await record_proof(request, tenant, "vkeys")
    return _text("".join(f"{note.Verifier.of(ledger.origin, key)}\n" for key in keys))


async def asked_for(request: _Request, tenant: str, size: int | None) -> tuple[Signed, Checkpoint]:
    """The earliest checkpoint of at least `size` entries, the latest where that is None; and what it says."""
    service, _ = admitted(request)
    if size is None:
        found = await _latest(service, tenant)
    else:
        there_are = (await _ledger(service, tenant)).size
        if size > there_are:
            raise _beyond("size", there_are, "the number of entries that there are")
        found = await _at_least(request, tenant, size)
    return found, _stated(found, await _ledger(service, tenant))


async def covering(request: _Request, tenant: str, seq: int) -> tuple[Signed, Checkpoint]:
    """The latest checkpoint, or if that does not cover the entry `seq` one that does; and what it says."""
    service, _ = admitted(request)
    found = await checkpoints.latest(service.reading, tenant)
    if found is None or found.size <= seq:
        found = await _at_least(request, tenant, seq + 1)
    return found, _stated(found, await _ledger(service, tenant))


async def _ledger(service: Service, tenant: str) -> Ledger:
    found = await ledgers(service.reading, tenant=tenant)
    if not found:
        raise _no_checkpoint(tenant)
    return found[0]


async def _latest(service: Service, tenant: str) -> Signed:
    signed = await checkpoints.latest(service.reading, tenant)
    if signed is None:
        raise _no_checkpoint(tenant)
    return signed


async def _at_least(request: _Request, tenant: str, size: int) -> Signed:
    """The earliest checkpoint of at least `size` entries, which there are; asked for where it is not there yet."""
    service, _ = admitted(request)
    signed = await checkpoints.wait_for(service.reading, tenant, size, _PATIENCE)
    if signed is None:
        problem = Problem(
            409,
            "not_yet_signed",
            f"no checkpoint covers {size} entries yet, though one was asked for: is `indelible worker` running with a "
            "signing key? /readyz says what it is waiting for",
            headers={"retry-after": "10"},
        )
        raise refused(request, tenant, problem)
    return signed


def _beyond(parameter: str, limit: int, what: str) -> Problem:
    detail = f"must not be greater than {limit}, {what}"
    return Problem(422, "invalid_parameter", f"{parameter} {detail}", [ErrorDetail(detail, parameter=parameter)])


def _no_checkpoint(tenant: str) -> Problem:
    return Problem(404, "no_checkpoint", f"tenant {tenant!r} has no signed checkpoint")


def _stated(signed: Signed, ledger: Ledger) -> Checkpoint:
    """What the note says, which alone counts. Raises `LedgerAltered` where it is not the ledger's own.

    `ledger` was looked up after `signed`, so that it has all that was signed.
    """
    what = f"the stored checkpoint of {signed.size} entries"
    try:
        stated = parse(note.parse(signed.note.encode()).text)
    except note.BadNote as error:
        raise LedgerAltered(ledger.tenant_id, f"{what} was altered: {error}") from error
    if (stated.origin, stated.size) != (ledger.origin, signed.size):
        said = f"it speaks of {stated.size} entries of {stated.origin}"
        raise LedgerAltered(ledger.tenant_id, f"{what} was altered: {said}")
    if stated.size > ledger.size:
        said = f"the ledger has {ledger.size}: the newest were removed"
        raise LedgerAltered(ledger.tenant_id, f"{what} was signed, but {said}")
    return stated


async def record_proof(
    request: _Request,
    tenant: str,
    kind: Literal["checkpoint", "consistency", "entries", "evidence", "proof", "proofs", "vkeys"],
    event_id: UUID | None = None,
) -> None:
    """Has it in the log of the log that the caller took one.

    What a viewer checks by itself, whenever somebody looks, is a part of their looking at the list. To be given entries
    is to look at the list, whoever asks.
    """
    service, caller = admitted(request)
    if kind == "entries" or (not caller.key_id and kind in ("checkpoint", "consistency", "proofs")):
        await service.trail.record(request.scope, caller, tenant, "audit_log.viewed", once=["list"])
        return
    name = str(event_id) if event_id and not caller.key_id else None
    await service.trail.record(
        request.scope,
        caller,
        tenant,
        "audit_log.proof_downloaded",
        targets=[Target(type="event", id=name)] if name else (),
        metadata={"kind": kind},
        once=[kind, name] if name else [kind],
    )


def _text(content: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(content.encode(), headers={"content-type": TEXT, **(headers or {})})
