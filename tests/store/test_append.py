"""What a 201 promises: durable, once, in order, chained."""

from datetime import UTC, datetime

import msgspec
import pytest

from indelible.store.append import Receipt
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from indelible.store.session import Database
from indelible.store.verify import verify

pytestmark = pytest.mark.anyio


def event(tenant: str = "acme", **fields: object) -> bytes:
    return msgspec.json.encode({"tenant_id": tenant, "action": "user.joined", "actor": {"type": "user"}, **fields})


async def test_a_ledger_opens_with_its_own_entry_and_grows_by_one(
    appender: Appender, connections: Database, intake: Intake
) -> None:
    now = datetime.now(UTC)
    answers = [(await appender.append([intake.take(event(), now=now, history=False)]))[0] for _ in range(3)]
    assert [a.seq for a in answers if isinstance(a, Receipt)] == [1, 2, 3]
    report = await verify(connections, "acme")
    assert report is not None
    assert (report.size, report.contradictions) == (4, ())
