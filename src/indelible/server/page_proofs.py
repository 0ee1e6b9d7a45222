"""The proofs of a page of events, against one checkpoint: for viewers, which verify what they show.

What is proven is where leaf hashes stand. The entries are not looked at: whoever has them hashes them, so that one that
was altered fails there, and the proofs of the others hold all the same (`store.proofs.proven_inclusions`).

With `entries` they come along: a viewer asks for those whose numbers a list lacks, and so finds out whether the list
lacks them rightly.
"""

from typing import Annotated, Any

import structlog
from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import UNSET, Meta, Struct, UnsetType

from indelible.ledger import base64url
from indelible.server.problems import ErrorDetail, Problem
from indelible.server.proving import asked_for, record_proof
from indelible.server.query import ProofsQuery
from indelible.server.reading import given, refused
from indelible.server.responses import json_response
from indelible.server.service import admitted
from indelible.server.wire import Seq
from indelible.store import proofs

__all__ = ["PageProofs", "page_proofs"]

_Request = Request[Any, Any, State]

_log = structlog.get_logger()


class EntryProof(Struct):
    """An inclusion proof (RFC 9162 section 2.1.3)."""

    seq: Seq
    hashes: Annotated[list[str], Meta(description="From the leaf's sibling up; base64url without padding")]
    entry: Annotated[
        str | UnsetType, Meta(description="SHA-256 of a zero byte and this, in UTF-8, is the leaf hash; with `entries`")
    ] = UNSET


class PageProofs(Struct):
    """The proofs of those entries that the caller sees; of others nothing is said."""

    checkpoint: Annotated[str, Meta(description="The signed note, verbatim")]
    size: Annotated[int, Meta(ge=1, description="Of the ledger, in entries, as the checkpoint says")]
    proofs: list[EntryProof]
    unsigned: Annotated[list[Seq], Meta(description="Entries that the checkpoint does not cover yet")]
    altered: Annotated[list[Seq], Meta(description="Entries of which no proof holds: they or others were altered")]


@get("/api/audit-log/proofs", needs="events:read")
async def page_proofs(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = ProofsQuery.parse(given(request), bound=caller.tenant)
    view = caller.view(query.tenant)
    tenant = view.tenant
    if query.entries and not caller.sees_all:
        raise refused(request, tenant, _not_all())
    seen = await proofs.in_view(service.reading, view, query.seqs)
    signed, stated = await asked_for(request, tenant, query.size)
    covered = [seq for seq in seen if seq < stated.size]
    proven = await proofs.proven_inclusions(service.reading, tenant, covered, stated)
    if proven.fault is not None:
        _log.critical("a stored ledger contradicts what was signed of it", tenant=tenant, error=proven.fault)
    sealed = await proofs.entries(service.reading, tenant, proven.hashes) if query.entries else {}
    await record_proof(request, tenant, "entries" if query.entries else "proofs")
    return json_response(
        PageProofs(
            signed.note,
            stated.size,
            [
                EntryProof(
                    seq,
                    [base64url.encode(value) for value in hashes],
                    sealed[seq].decode(errors="replace") if seq in sealed else UNSET,
                )
                for seq, hashes in proven.hashes.items()
            ],
            unsigned=seen[len(covered) :],
            altered=[seq for seq in covered if seq not in proven.hashes],
        )
    )


def _not_all() -> Problem:
    """Of others they are not told either that an entry is there."""
    detail = "is for those who may see every event of the tenant: no members, and no tokens with a filter"
    return Problem(403, "part_of_the_log", f"entries {detail}", [ErrorDetail(detail, parameter="entries")])
