"""The evidence of one event over HTTP: a file that verifies without us.

It holds what the event itself is answered with, and no more. What is withheld from its reader is withheld in the file,
and so are the records of erasures from whoever does not see the whole ledger: they are about other events as well.
"""

import io
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State

from indelible.export.bundle import bundled
from indelible.export.evidence import export_entry
from indelible.ledger.evidence_verifier import verify
from indelible.ledger.note import Verifier
from indelible.server.proving import covering, record_proof
from indelible.server.query import EventQuery
from indelible.server.reading import given, no_such_event, refused
from indelible.server.service import Service, admitted
from indelible.store import checkpoints, read
from indelible.store.proofs import LedgerAltered

__all__ = ["ZIP", "event_evidence"]

ZIP = "application/zip"

_Request = Request[Any, Any, State]


@get("/api/audit-log/{event_id:str}/evidence", needs="events:read")
async def event_evidence(request: _Request) -> Response[bytes]:
    service, caller = admitted(request)
    query = EventQuery.parse(request.path_params["event_id"], given(request), bound=caller.tenant)
    view = caller.view(query.tenant)
    tenant = view.tenant
    record = await read.event(service.reading, view, query.event_id)
    if record is None:
        raise refused(request, tenant, no_such_event(query))
    if record.altered:
        raise LedgerAltered(tenant, f"of the entry {record.seq} was altered: {', '.join(record.altered)}")
    erasures = record.erased.values() if caller.sees_all else ()
    signed, stated = await covering(request, tenant, max([record.seq, *erasures]))
    file = io.BytesIO()
    await export_entry(
        service.reading, tenant, file, record.seq, record.entry, record.disclosures, erasures, signed.note
    )
    await _verify(service, tenant, stated.origin, file)
    packed = io.BytesIO()
    with bundled(packed) as evidence:
        evidence.write(file.getvalue())
    await record_proof(request, tenant, "evidence", query.event_id)
    return Response(
        packed.getvalue(),
        media_type=ZIP,
        headers={"content-disposition": f'attachment; filename="{query.event_id}.evidence.zip"'},
    )


async def _verify(service: Service, tenant: str, origin: str, file: io.BytesIO) -> None:
    """Raises `LedgerAltered` unless it proves what it shows. Which key is to be trusted is for its reader to say."""
    keys = [Verifier.of(origin, key) for key in await checkpoints.public_keys(service.reading)]
    file.seek(0)
    report = verify(file, keys, accept_withheld=True)
    if report.verdict != "proven":
        raise LedgerAltered(tenant, report.findings[0].what)
