"""What is not signed: a ledger that no longer holds what was signed of it. Whoever rewrites it must stop the signer.

The one who tampers here may do anything in the database, past all triggers, and computes everything anew.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import Frontier
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Connection
from indelible.store.session import Database as Connections
from indelible.store.verify import verify
from indelible.worker.entries import _derived_id
from indelible.worker.signer import Refused, Signer
from tests.store.samples import rows, send, take
from tests.store.tampering import Ledger
from tests.worker.signing import KEY, Bench

pytestmark = pytest.mark.anyio

SIZE = 7
SUBTREES = "UPDATE indelible.subtrees SET root = %(root)s WHERE tenant_id = %(tenant)s AND level = 1 AND index = 0"


@pytest.fixture
async def signed(bench: Bench) -> Signer:
    """A signer that has signed two ledgers, and remembers both."""
    signer = bench.signer()
    for tenant in ("acme", "globex"):
        await bench.grow(tenant, SIZE - 1)
    assert await signer.sign_changed() == 2
    return signer


@pytest.fixture(params=[True, False], ids=["remembers", "remembers_nothing"])
def signer(request: pytest.FixtureRequest, signed: Signer, bench: Bench) -> Signer:
    """The one that signed, or a new one, which has the last checkpoint in the database and nothing else."""
    return signed if request.param else bench.signer()


def ledger(bench: Bench, tenant: str = "acme") -> Ledger:
    return Ledger(tenant, "globex", bench.database, bench.connections)


def rewrite(bench: Bench, seq: int, tenant: str = "acme") -> None:
    """Changes an entry, and everything that follows from it."""
    ledger(bench, tenant).rewrite(lambda number, data: data.replace(b'"api"', b'"ui"') if number == seq else data)


async def is_signed_on(bench: Bench, signer: Signer, tenant: str = "globex") -> bool:
    """Whether another ledger goes on being signed."""
    await bench.grow(tenant, 1)
    await signer.sign_changed()
    return bench.sizes(tenant)[-1][0] == bench.size(tenant)


@pytest.mark.parametrize("remembers", [True, False], ids=["remembers", "remembers_nothing"])
async def test_history_rewritten_from_any_entry_on(bench: Bench, remembers: bool) -> None:
    tenants = {f"tenant-{seq}": seq for seq in range(SIZE)}
    for tenant in tenants:
        await bench.grow(tenant, SIZE - 1)
    signer = bench.signer()
    assert await signer.sign_changed() == SIZE
    for tenant, seq in tenants.items():
        if seq:
            rewrite(bench, seq, tenant)
            report = await verify(bench.connections, tenant)
            assert report is not None
            found = [c.what for c in report.contradictions if "checkpoint" not in c.what and "column" not in c.what]
            assert found == [], "it is consistent in itself"
        await bench.grow(tenant, 2)
    if not remembers:
        signer = bench.signer()
    await signer.sign_changed()
    refused = dict(await bench.refusals())
    assert refused.keys() == tenants.keys() - {"tenant-0"}
    assert all("7 entries" in reason and reason.endswith("#rewritten") for reason in refused.values())
    assert bench.sizes("tenant-0") == [(SIZE, 0), (SIZE + 2, SIZE)]


async def test_history_rewritten_after_what_was_signed_is_not_known(bench: Bench, signer: Signer) -> None:
    """Nobody can tell, and so nobody refuses: that is why ledgers are signed every few seconds."""
    await bench.grow("acme", 3)
    rewrite(bench, SIZE + 1)
    assert (await signer.sign("acme")).size == SIZE + 3


async def test_history_rewritten_without_growth_is_noticed_too(bench: Bench, signer: Signer) -> None:
    """In the next look at all ledgers."""
    rewrite(bench, 3)
    signer._next_sweep = 0
    await signer.sign_changed()
    assert [tenant for tenant, _ in await bench.refusals()] == ["acme"]


@pytest.mark.parametrize("fixed", [True, False], ids=["subtrees_too", "subtrees_left"])
async def test_history_rewritten_under_a_complete_subtree(bench: Bench, fixed: bool) -> None:
    await bench.grow("acme", 600)
    remembers = bench.signer()
    await remembers.sign_changed()
    rewrite(bench, 17)
    if fixed:
        frontier = Frontier()
        query = "SELECT leaf_hash FROM indelible.events WHERE tenant_id = 'acme' AND seq < 256 ORDER BY seq"
        frontier.extend(leaf for (leaf,) in rows(bench.database, query))
        bench.tamper(SUBTREES, tenant="acme", root=frontier.root())
    await bench.grow("acme", 2)
    for signer in (remembers, bench.signer()):
        assert (await bench.refused(signer, "acme")).kind == "rewritten"


@pytest.mark.parametrize("removed", [1, 3, SIZE])
async def test_a_ledger_that_was_shortened(bench: Bench, signer: Signer, removed: int) -> None:
    """The newest entries deleted, and the head set back, as a partly restored table has it."""
    bench.tamper(
        *[
            f"DELETE FROM indelible.{table} WHERE tenant_id = 'acme' AND seq >= %(size)s"
            for table in ("events", "event_personal")
        ],
        size=SIZE - removed,
    )
    if removed < SIZE:
        ledger(bench).set_head(ledger(bench).entries())
    else:
        bench.tamper("UPDATE indelible.ledgers SET size = 0, head = NULL, frontier = '' WHERE tenant_id = 'acme'")
    refused = await bench.refused(signer, "acme")
    assert refused.kind == "shortened"
    assert f"has {SIZE - removed} entries" in refused.reason
    assert await is_signed_on(bench, signer)


async def test_a_ledger_shortened_together_with_its_checkpoints(bench: Bench) -> None:
    """What the database forgot, the process remembers."""
    await bench.grow("acme", 2)
    remembers = bench.signer()
    await remembers.sign("acme")
    await bench.grow("acme", 3)
    await remembers.sign("acme")
    bench.tamper(
        "DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq >= 3",
        "DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size > 3",
    )
    ledger(bench).set_head(ledger(bench).entries())
    refused = await bench.refused(remembers, "acme")
    assert refused.kind == "shortened"
    assert "saw 6" in refused.reason
    await bench.grow("acme", 10)
    refused = await bench.refused(remembers, "acme")
    assert refused.kind == "rewritten"
    assert "by this signer" in refused.reason


async def test_lost_checkpoints_of_a_ledger_that_is_whole(bench: Bench, signed: Signer) -> None:
    """The entries are all there, and prove what was signed: it goes on."""
    bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme'")
    await bench.grow("acme", 1)
    assert (await signed.sign("acme")).size == SIZE + 1
    assert bench.sizes("acme") == [(SIZE + 1, 0)]


@pytest.mark.parametrize("checkpoints", ["left", "removed"])
async def test_a_ledger_that_is_gone(bench: Bench, signed: Signer, checkpoints: str) -> None:
    """Its incident is recorded nowhere: that would open it anew."""
    bench.tamper("DELETE FROM indelible.ledgers WHERE tenant_id = 'acme'")
    if checkpoints == "removed":
        bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme'")
    for signer in [signed] if checkpoints == "removed" else [signed, bench.signer()]:
        assert (await bench.refused(signer, "acme")).kind == "gone"
    signed._next_sweep = 0
    await signed.sign_changed()
    assert rows(bench.database, "SELECT FROM indelible.ledgers WHERE tenant_id = 'acme'") == []
    assert await is_signed_on(bench, signed)


@pytest.mark.parametrize("seq", [SIZE, SIZE + 1, SIZE + 2])
async def test_an_entry_that_is_missing_in_what_grew(bench: Bench, signer: Signer, seq: int) -> None:
    await bench.grow("acme", 3)
    bench.tamper("DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq = %(seq)s", seq=seq)
    refused = await bench.refused(signer, "acme")
    assert refused.kind == "rewritten"
    assert f"entry {seq} is missing" in refused.reason


async def test_a_leaf_hash_that_is_not_in_the_tree(bench: Bench, signer: Signer) -> None:
    await bench.grow("acme", 3)
    bench.tamper("UPDATE indelible.events SET leaf_hash = sha256('x') WHERE tenant_id = 'acme' AND seq = 8")
    assert (await bench.refused(signer, "acme")).kind == "rewritten"


async def test_a_tree_or_a_head_that_is_not_that_of_the_entries(bench: Bench, signer: Signer) -> None:
    await bench.grow("acme", 1)
    await bench.grow("globex", 1)
    bench.tamper("UPDATE indelible.ledgers SET frontier = sha256('x') WHERE tenant_id = 'acme'")
    bench.tamper("UPDATE indelible.ledgers SET head = sha256('x') WHERE tenant_id = 'globex'")
    await signer.sign_changed()
    assert [tenant for tenant, _ in await bench.refusals()] == ["acme", "globex"]
    assert [bench.sizes(tenant)[-1][0] for tenant in ("acme", "globex")] == [SIZE, SIZE]


async def test_the_rows_of_two_ledgers_exchanged(bench: Bench, signer: Signer) -> None:
    """Each is a ledger of the same size, consistent in itself; and of another name."""
    bench.let_names_repeat()
    bench.tamper(
        "UPDATE indelible.ledgers l SET origin = o.origin, head = o.head, frontier = o.frontier "
        "FROM indelible.ledgers o WHERE l.tenant_id IN ('acme', 'globex') AND o.tenant_id IN ('acme', 'globex') "
        "AND o.tenant_id <> l.tenant_id"
    )
    for tenant in ("acme", "globex"):
        refused = await bench.refused(signer, tenant)
        assert refused.kind == "rewritten"
        assert "exchanged" in refused.reason or "another ledger" in refused.reason


async def test_two_ledgers_that_changed_places_altogether(bench: Bench, signed: Signer) -> None:
    for table in ("ledgers", "events", "checkpoints"):
        bench.tamper(
            f"UPDATE indelible.{table} SET tenant_id = 'between' WHERE tenant_id = 'acme'",
            f"UPDATE indelible.{table} SET tenant_id = 'acme' WHERE tenant_id = 'globex'",
            f"UPDATE indelible.{table} SET tenant_id = 'globex' WHERE tenant_id = 'between'",
        )
    for tenant in ("acme", "globex"):
        assert (await bench.refused(signed, tenant)).kind == "rewritten"


@pytest.mark.parametrize("remembers", [True, False])
async def test_a_second_ledger_of_the_same_name(bench: Bench, signed: Signer, remembers: bool) -> None:
    """Somebody makes a customer up whose ledger has the name of another's: its checkpoints would be that one's."""
    await bench.grow("intruder", 9)
    bench.let_names_repeat()
    bench.tamper(
        "UPDATE indelible.ledgers SET origin = (SELECT origin FROM indelible.ledgers WHERE tenant_id = 'acme') "
        "WHERE tenant_id = 'intruder'"
    )
    signer = signed if remembers else bench.signer()
    refused = await bench.refused(signer, "intruder")
    assert refused.kind == "rewritten"
    assert "which is another tenant's" in refused.reason
    assert await is_signed_on(bench, signer, "acme")


@pytest.mark.parametrize("last", [True, False], ids=["with_the_last", "without_the_last"])
async def test_a_copy_of_a_ledger_that_goes_another_way(bench: Bench, signed: Signer, last: bool) -> None:
    """With all its rows: the one that was signed further has the name, and neither, where both were."""
    bench.let_names_repeat()
    bench.tamper(
        *[
            f"INSERT INTO indelible.{table} ({names}) SELECT {names.replace('tenant_id', chr(39) + 'aaa' + chr(39))} "
            f"FROM indelible.{table} WHERE tenant_id = 'acme'"
            for table, names in (
                ("ledgers", "tenant_id, origin, size, head, frontier, recorded_at"),
                ("checkpoints", "tenant_id, size, previous, note"),
            )
        ]
    )
    if not last:
        await bench.grow("acme", 1)
        bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'aaa'")
        await signed.sign("acme")
    for tenant in ("aaa", "acme"):
        await bench.grow(tenant, 1)
    for signer in (signed, bench.signer()):
        assert (await bench.refused(signer, "aaa")).kind == "rewritten"
        if last:
            assert (await bench.refused(signer, "acme")).kind == "rewritten"
        assert await is_signed_on(bench, signer, "globex" if last else "acme")


async def test_a_name_that_is_taken_after_this_signer_looked(bench: Bench) -> None:
    """Two signers, one of which signed the customer's new ledger: the other must not sign a second of that name."""
    first, second = bench.signer(), bench.signer()
    for signer in (first, second):
        await signer.sign_changed()
    await bench.grow("acme", 3)
    await first.sign("acme")
    await bench.grow("intruder", 5)
    bench.let_names_repeat()
    bench.tamper("UPDATE indelible.ledgers SET origin = %(o)s WHERE tenant_id = 'intruder'", o=bench.origin("acme"))
    for signer in (second, first):
        assert "which is another tenant's" in (await bench.refused(signer, "intruder")).reason
        assert await is_signed_on(bench, signer, "acme")


async def test_a_name_that_two_have_of_whom_none_was_signed(bench: Bench) -> None:
    """Nobody can tell whose it is."""
    await bench.grow("acme", 3)
    await bench.grow("intruder", 1)
    bench.let_names_repeat()
    bench.tamper("UPDATE indelible.ledgers SET origin = %(o)s WHERE tenant_id = 'intruder'", o=bench.origin("acme"))
    await bench.grow("globex", 1)
    assert await bench.signer().sign_changed() == 1
    assert [tenant for tenant, _ in await bench.refusals()] == ["acme", "intruder"]


@pytest.mark.parametrize("removed", [0, 4], ids=["first_and_last", "last"])
async def test_the_name_of_a_ledger_that_is_gone(bench: Bench, removed: int) -> None:
    """Its checkpoints are there, so another ledger must not take it up; also one that this signer never saw."""
    signer = bench.signer()
    await signer.sign_changed()
    await bench.grow("acme", 3)
    for _ in range(2):
        await bench.signer().sign("acme")
        await bench.grow("acme", 2)
    origin = bench.origin("acme")
    bench.tamper("DELETE FROM indelible.ledgers WHERE tenant_id = 'acme'")
    if removed:
        bench.tamper("DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size = %(size)s", size=removed)
    await bench.grow("intruder", 9)
    bench.tamper("UPDATE indelible.ledgers SET origin = %(o)s WHERE tenant_id = 'intruder'", o=origin)
    with pytest.raises(Refused, match="which is another tenant's"):
        await signer.sign("intruder")


async def test_what_another_signer_signed_is_remembered_from_the_next_round_on(bench: Bench) -> None:
    """So that a spare signer without an archive notices as well that the database went back."""
    signer, spare = bench.signer(), bench.signer()
    await bench.grow("acme", 4)
    for each in (signer, spare):
        await each.sign_changed()
    await bench.grow("acme", 3)
    await signer.sign_changed()
    assert await spare.sign_changed() == 0
    bench.tamper(
        "DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq >= 5",
        "DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size > 5",
    )
    ledger(bench).set_head(ledger(bench).entries())
    await bench.grow("acme", 6)
    refused = await bench.refused(spare, "acme")
    assert (refused.kind, refused.size) == ("rewritten", 5)
    assert "first 8 entries" in refused.reason


@pytest.mark.parametrize("grown", [0, 9])
async def test_a_checkpoint_whose_commit_was_not_answered(
    bench: Bench, signed: Signer, monkeypatch: pytest.MonkeyPatch, grown: int
) -> None:
    """Somebody may have read it, so it binds the signer; where all is well, it goes on."""
    for tenant in ("acme", "globex"):
        await bench.grow(tenant, 2)
    transaction = Connections.transaction

    @asynccontextmanager
    async def unheard(self: Connections, *arguments: Any, **options: Any) -> AsyncIterator[Connection]:
        async with transaction(self, *arguments, **options) as connection:
            yield connection
        if options.get("snapshot"):
            raise StoreUnavailable("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "transaction", unheard)
        for tenant in ("acme", "globex"):
            with pytest.raises(StoreUnavailable):
                await signed.sign(tenant)
    assert bench.sizes("acme") == [(SIZE, 0), (SIZE + 2, SIZE)]
    bench.tamper(
        "DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq > 7",
        "DELETE FROM indelible.checkpoints WHERE tenant_id = 'acme' AND size > 7",
    )
    ledger(bench).set_head(ledger(bench).entries())
    if grown:
        await bench.grow("acme", grown)
    refused = await bench.refused(signed, "acme")
    assert (refused.kind, refused.size) == ("rewritten" if grown else "shortened", SIZE)
    assert await is_signed_on(bench, signed)


# --- the last checkpoint itself


def replace_note(bench: Bench, change: Callable[[str], str]) -> None:
    ((text,),) = rows(bench.database, "SELECT note FROM indelible.checkpoints WHERE tenant_id = 'acme'")
    bench.tamper("UPDATE indelible.checkpoints SET note = %(note)s WHERE tenant_id = 'acme'", note=change(text))


@pytest.mark.usefixtures("signed")
async def test_a_last_checkpoint_that_was_altered(bench: Bench) -> None:
    replace_note(bench, lambda text: text.replace("\n7\n", "\n6\n"))
    await bench.grow("acme", 1)
    assert (await bench.refused(bench.signer(), "acme")).kind == "rewritten"


@pytest.mark.parametrize("text", ["", "no note at all", "a\n\n— b c\n"])
async def test_a_last_checkpoint_that_is_none(bench: Bench, signed: Signer, text: str) -> None:
    replace_note(bench, lambda _: text)
    await bench.grow("acme", 1)
    for signer in (signed, bench.signer()):
        assert (await bench.refused(signer, "acme")).kind == "rewritten"


async def test_a_last_checkpoint_by_a_key_of_somebody_else(bench: Bench, signed: Signer) -> None:
    """Whoever rewrites the database can sign, but not with our key."""
    rewrite(bench, 3)
    other = SigningKey.generate()
    stated = Checkpoint(bench.origin("acme"), SIZE, bench.root("acme", SIZE))
    replace_note(bench, lambda _: sign_checkpoint(stated, [other]))
    for signer in (signed, bench.signer()):
        refused = await bench.refused(signer, "acme")
        assert refused.kind == "foreign_key"


async def test_a_last_checkpoint_of_another_ledger(bench: Bench, signed: Signer) -> None:
    """Signed by us, and of the same size."""
    ((other,),) = rows(bench.database, "SELECT note FROM indelible.checkpoints WHERE tenant_id = 'globex'")
    replace_note(bench, lambda _: other)
    await bench.grow("acme", 1)
    for signer in (signed, bench.signer()):
        refused = await bench.refused(signer, "acme")
        assert refused.kind == "rewritten"


async def test_a_checkpoint_of_the_future(bench: Bench, signed: Signer) -> None:
    """Put into the table so that the signer believes it has nothing to do."""
    text = "x\n1000000\n"
    bench.tamper(
        "INSERT INTO indelible.checkpoints (tenant_id, size, previous, note) VALUES ('acme', 1000000, 7, %(note)s)",
        note=text,
    )
    for signer in (signed, bench.signer()):
        assert (await bench.refused(signer, "acme")).kind == "rewritten"


# --- what follows


async def test_a_refusal_is_said_once_and_recorded_once(bench: Bench, signed: Signer) -> None:
    """In the log, in the list, and in the ledger itself, which goes on taking events."""
    rewrite(bench, 3)
    await bench.grow("acme", 1)
    with capture_logs() as logs:
        for _ in range(5):
            signed._next_sweep = 0
            await signed.sign_changed()
            await bench.grow("acme", 1)
    said = [each for each in logs if each["event"] == "a ledger is not signed"]
    assert [(each["log_level"], each["tenant"]) for each in said] == [("error", "acme")]
    assert "see docs/checkpoints.md#rewritten" in said[0]["reason"]
    assert bench.actions("acme") == ["ledger.created", "ledger.incident"]
    # A signer that is started again says it again, to its own log, and leaves the ledger alone.
    with capture_logs() as logs:
        await bench.signer().sign_changed()
    assert sum(each["event"] == "a ledger is not signed" for each in logs) == 1
    assert bench.actions("acme").count("ledger.incident") == 1
    ((metadata,),) = rows(
        bench.database,
        "SELECT p.metadata FROM indelible.events e "
        "JOIN indelible.event_personal p USING (tenant_id, seq, recorded_at) WHERE e.action = 'ledger.incident'",
    )
    incident = json.loads(metadata)[2]
    assert (incident["kind"], incident["size"]) == ("rewritten", SIZE + 1)
    assert "docs/" not in incident["reason"]


async def test_an_incident_that_cannot_be_recorded_stops_nothing(bench: Bench, signed: Signer) -> None:
    """And it is recorded as soon as it can be."""
    rewrite(bench, 3)
    await bench.grow("acme", 1)
    bench.tamper("ALTER TABLE indelible.event_personal RENAME TO away")
    await signed.sign_changed()
    assert [tenant for tenant, _ in await bench.refusals()] == ["acme"]
    bench.tamper("ALTER TABLE indelible.away RENAME TO event_personal")
    assert bench.actions("acme", "ledger.incident") == []
    assert await is_signed_on(bench, signed)
    signed._next_sweep = 0
    await signed.sign_changed()
    assert bench.actions("acme", "ledger.incident") == ["ledger.incident"]


async def test_a_ledger_that_is_mended_is_signed_again(bench: Bench, signer: Signer) -> None:
    before = ledger(bench).entries()
    rewrite(bench, 3)
    await bench.refused(signer, "acme")
    with_incident = ledger(bench).entries()
    assert len(with_incident) == SIZE + 1
    bench.tamper("DELETE FROM indelible.events WHERE tenant_id = 'acme' AND seq >= 7")
    ledger(bench).rewrite(lambda seq, _: before[seq])
    await bench.grow("acme", 1)
    assert (await signer.sign("acme")).size == SIZE + 1
    assert await bench.refusals() == []


async def test_the_rounds_do_not_read_a_refused_ledger_each_time(bench: Bench, signed: Signer) -> None:
    rewrite(bench, 3)
    await bench.grow("acme", 1)
    await signed.sign_changed()
    signing = []
    sign = signed._sign_as_it_is

    async def noting(tenant: str) -> object:
        signing.append(tenant)
        return await sign(tenant)

    signed._sign_as_it_is = noting  # type: ignore[method-assign, assignment]
    for _ in range(3):
        await bench.grow("globex", 1)
        await signed.sign_changed()
    assert signing == ["globex"] * 3


async def test_a_refusal_that_others_removed_is_listed_again(bench: Bench, signed: Signer) -> None:
    """In the next look at all ledgers, and so is a reason that they changed."""
    rewrite(bench, 3)
    await bench.grow("acme", 1)
    for _ in range(2):  # the incident is an entry, too
        signed._next_sweep = 0
        await signed.sign_changed()
    listed = await bench.refusals()
    assert [tenant for tenant, _ in listed] == ["acme"]
    for statement in ("DELETE FROM indelible.refusals", "UPDATE indelible.refusals SET reason = 'all is well'"):
        bench.tamper(statement)
        signed._next_sweep = 0
        await signed.sign_changed()
        assert await bench.refusals() == listed


async def test_nobody_takes_the_id_of_an_incident_in_advance(bench: Bench, signed: Signer) -> None:
    """Neither by what is public of the ledger, nor by having it known: the incident is recorded all the same."""
    key = SigningKey.generate()
    ids = [_derived_id(each, "ledger.incident", bench.origin("acme"), "8", "rewritten", "0") for each in (KEY, key)]
    assert ids[0] != ids[1]
    await send(bench.appender, take(bench.intake, "acme", id=str(ids[0])))
    await signed.sign_changed()
    rewrite(bench, 3)
    with capture_logs() as logs:
        assert (await bench.refused(signed, "acme")).kind == "rewritten"
    assert bench.actions("acme", "ledger.incident") == ["ledger.incident"]
    assert [each["log_level"] for each in logs if each["event"] == "somebody took the id of an entry of ours"] == [
        "error"
    ]
    await bench.refused(bench.signer(), "acme")
    assert bench.actions("acme", "ledger.incident") == ["ledger.incident"]


async def test_many_at_once(bench: Bench, signed: Signer) -> None:
    """Asked for from many sides, a ledger that is refused stays so."""
    rewrite(bench, 3)
    answers = await asyncio.gather(*(signed.sign("acme") for _ in range(5)), return_exceptions=True)
    assert [getattr(answer, "kind", None) for answer in answers] == ["rewritten"] * 5
    assert bench.actions("acme", "ledger.incident") == ["ledger.incident"]
