"""What is signed: the ledger as it is, in the chain of checkpoints, as any verifier reads it."""

import asyncio
import json
import logging

import pytest
from structlog.testing import capture_logs

from indelible.ledger import checkpoint, note
from indelible.ledger.signing import SigningKey
from indelible.store.checkpoints import public_keys
from indelible.store.errors import StoreUnavailable
from indelible.store.session import Database as Connections
from indelible.worker import signer as signer_module
from indelible.worker.entries import Entries, _derived_id
from indelible.worker.signer import Refused, Signer
from tests.store.samples import rows, send, take
from tests.worker.signing import KEY, Bench, until

pytestmark = pytest.mark.anyio


async def test_every_ledger_that_grew_is_signed(bench: Bench) -> None:
    signer = bench.signer()
    await bench.grow("acme", 3)
    await bench.grow("globex", 300)
    assert await signer.sign_changed() == 2
    for tenant, size in (("acme", 4), ("globex", 301)):
        assert await bench.latest(tenant) == (bench.origin(tenant), size, bench.root(tenant, size))
    assert await signer.sign_changed() == 0
    await bench.grow("acme", 1)
    assert await signer.sign_changed() == 1
    assert bench.sizes("acme") == [(4, 0), (5, 4)]
    assert bench.sizes("globex") == [(301, 0)]
    assert await public_keys(bench.connections) == [KEY.public_key]
    assert await bench.refusals() == []


@pytest.mark.parametrize("remembers", [True, False], ids=["one_signer", "a_new_one_each_time"])
async def test_a_ledger_is_signed_at_any_size(bench: Bench, remembers: bool) -> None:
    """Sizes around those at which subtrees are complete; from memory, and from what is stored."""
    signer = bench.signer()
    size = 1
    for grown in (1, 254, 1, 1, 255, 256, 300):
        await bench.grow("acme", grown)
        size += grown
        signed = await (signer if remembers else bench.signer()).sign("acme")
        assert bench.opened(signed, "acme") == (bench.origin("acme"), size, bench.root("acme", size))
    assert [s for s, _ in bench.sizes("acme")] == [2, 256, 257, 258, 513, 769, 1069]


async def test_signing_on_demand_gives_the_checkpoint_that_there_is(bench: Bench) -> None:
    await bench.grow("acme", 1)
    first = await bench.signer().sign("acme")
    assert await bench.signer().sign("acme") == first


async def test_an_unknown_tenant_is_no_refusal_that_people_must_look_at(bench: Bench) -> None:
    refused = await bench.refused(bench.signer(), "nobody")
    assert "there is no ledger" in refused.reason
    assert await bench.refusals() == []


async def test_a_key_is_needed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Signer(bench.connections, bench.appender._rules, [])


async def test_two_signers_at_once(bench: Bench) -> None:
    """Of two that start from the same checkpoint one wins; neither is confused by the other, nor forks the chain."""
    signers = [bench.signer(), bench.signer()]
    for _ in range(8):
        await asyncio.gather(*(bench.grow(tenant, 2) for tenant in ("acme", "globex")))
        await asyncio.gather(*(each.sign_changed() for each in signers), *(s.sign("acme") for s in signers))
    for tenant in ("acme", "globex"):
        sizes = bench.sizes(tenant)
        assert sizes[-1][0] == bench.size(tenant) == 17
        assert [previous for _, previous in sizes] == [0, *[size for size, _ in sizes[:-1]]]
        found = await bench.latest(tenant)
        assert found is not None
        assert found.root == bench.root(tenant, 17)
    assert await bench.refusals() == []


async def test_signing_while_it_grows(bench: Bench) -> None:
    """Each checkpoint is of one moment: size, last entry and tree belong together."""
    signer = bench.signer()
    growing = asyncio.create_task(bench.grow("acme", 3000))
    while not growing.done():
        await signer.sign_changed()
        await asyncio.sleep(0)
    await growing
    await signer.sign_changed()
    for signed in await stored(bench, "acme"):
        assert signed.root == bench.root("acme", signed.size)
    assert bench.sizes("acme")[-1][0] == 3001


async def stored(bench: Bench, tenant: str) -> list[checkpoint.Checkpoint]:
    verifiers = [KEY.verifier(bench.origin(tenant))]
    query = "SELECT note FROM indelible.checkpoints WHERE tenant_id = %s"
    return [checkpoint.open_checkpoint(n.encode(), verifiers)[0] for (n,) in rows(bench.database, query, tenant)]


async def test_what_grew_least_is_signed_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge import of one customer must not hold up the others."""
    for tenant, entries in (("a-large", 900), ("b-small", 1), ("c-medium", 30)):
        await bench.grow(tenant, entries)
    order = []
    sign = Signer._sign

    async def noting(self: Signer, tenant: str) -> object:
        order.append(tenant)
        return await sign(self, tenant)

    monkeypatch.setattr(Signer, "_sign", noting)
    await bench.signer().sign_changed()
    assert order == ["b-small", "c-medium", "a-large"]


async def test_a_large_ledger_is_read_beside_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signer_module, "_LARGE", 500)
    await bench.grow("large", 900)
    signer, stop = bench.signer(), asyncio.Event()
    running = asyncio.create_task(signer.run(stop))
    await until(lambda: bench.sizes("large") == [(901, 0)])
    stop.set()
    await running


async def test_an_idle_database_costs_one_short_query(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = bench.signer()
    for number in range(20):
        await bench.grow(f"tenant-{number}", 1)
    assert await signer.sign_changed() == 20
    taken = []
    transaction = Connections.transaction

    def noting(self: Connections, *arguments: object, **options: object) -> object:
        taken.append(arguments)
        return transaction(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Connections, "transaction", noting)
    assert await signer.sign_changed() == 0
    assert taken == [("signer",)]


async def test_one_ledger_that_cannot_be_signed_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it."""
    for tenant in ("a", "b", "c"):
        await bench.grow(tenant, 1)
    sign = Signer._sign_as_it_is

    async def failing(self: Signer, tenant: str) -> object:
        if tenant == "a":
            raise RuntimeError("a mistake of ours")
        return await sign(self, tenant)

    monkeypatch.setattr(Signer, "_sign_as_it_is", failing)
    assert await bench.signer().sign_changed() == 2
    assert [bench.sizes(tenant) for tenant in "abc"] == [[], [(2, 0)], [(2, 0)]]


async def test_postgresql_that_is_away_is_said_to_be(bench: Bench) -> None:
    async with Connections.open("postgresql://nobody@127.0.0.1:1/nothing") as away:
        signer = Signer(away, bench.appender._rules, [KEY])
        with pytest.raises(StoreUnavailable):
            await signer.sign("acme")


# --- changing the key


async def test_a_new_key_is_announced_under_the_old_one(bench: Bench) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    await bench.signer(old).sign_changed()
    await bench.signer(new, old).sign_changed()
    assert bench.actions("acme") == ["ledger.created", "ledger.key_rotated"]
    assert bench.sizes("acme") == [(3, 0), (4, 3)]
    signed = await bench.signer(new, old).sign("acme")
    for key in (old, new):
        assert bench.opened(signed, "acme", key).root == bench.root("acme", 4)
    assert await public_keys(bench.connections) == [new.public_key, old.public_key]
    ((changes, metadata),) = rows(
        bench.database,
        "SELECT p.changes, p.metadata FROM indelible.events e "
        "JOIN indelible.event_personal p USING (tenant_id, seq, recorded_at) WHERE e.action = 'ledger.key_rotated'",
    )
    before, after = (key.verifier(bench.origin("acme")) for key in (old, new))
    assert json.loads(changes)[2] == {"key_id": {"from": before.key_id.hex(), "to": after.key_id.hex()}}
    assert json.loads(metadata)[2] == {"vkey": str(after)}


async def test_a_new_key_is_announced_once(bench: Bench) -> None:
    """By two signers at once, or by one that was killed in between, or while the old key goes on."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    await bench.signer(old).sign_changed()
    await asyncio.gather(*(bench.signer(new, old).sign_changed() for _ in range(3)))
    await bench.signer(new, old).sign_changed()
    await bench.grow("acme", 1)
    await bench.signer(new, old).sign_changed()
    await bench.signer(new).sign_changed()
    assert bench.actions("acme").count("ledger.key_rotated") == 1
    assert await bench.refusals() == []
    assert bench.opened(await bench.signer(new).sign("acme"), "acme", new).size == 5


async def test_a_signer_that_does_not_know_the_new_key_yet(bench: Bench) -> None:
    """While one worker after the other is given it: the ledger must not fill up with announcements."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    first, second = bench.signer(old), bench.signer(new, old)
    for _ in range(5):
        for signer in (first, second):
            await signer.sign_changed()
            await bench.grow("acme", 1)
    assert bench.actions("acme").count("ledger.key_rotated") == 1
    assert await bench.refusals() == []


async def test_a_new_key_that_was_given_up_and_taken_again(bench: Bench) -> None:
    """It must have signed each ledger, those that nothing happens in as well, before the old one can go."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    for keys in ((old,), (new, old), (old, new)):
        await bench.signer(*keys).sign_changed()
    await bench.grow("acme", 1)
    await bench.signer(old).sign_changed()
    await bench.signer(new, old).sign_changed()
    await bench.signer(new).sign_changed()
    assert await bench.refusals() == []
    assert bench.opened(await bench.signer(new).sign("acme"), "acme", new).size == bench.size("acme")


async def test_an_announcement_whose_checkpoint_was_never_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two: the next signer finds the announcement there, and signs it with both keys."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    await bench.signer(old).sign_changed()
    announce = Signer._announce

    async def killed(self: Signer, *arguments: object, again: bool) -> None:
        await announce(self, *arguments, again=again)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(Signer, "_announce", killed)
        with pytest.raises(asyncio.CancelledError):
            await bench.signer(new, old).sign("acme")
    assert bench.sizes("acme") == [(3, 0)]
    signed = await bench.signer(new, old).sign("acme")
    assert bench.actions("acme").count("ledger.key_rotated") == 1
    assert bench.opened(signed, "acme", old) == bench.opened(signed, "acme", new)


@pytest.mark.parametrize("occasions", [("",), ("", "4")])
async def test_nobody_takes_the_id_of_an_announcement_in_advance(bench: Bench, occasions: tuple[str, ...]) -> None:
    """The ledger is signed with the new key although there are entries of others under the ids it would have."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 3 - len(occasions))
    verifier = new.verifier(bench.origin("acme"))
    parts = ("ledger.key_rotated", verifier.name, verifier.key_id.hex())
    taken = [_derived_id(new, *parts, occasion, "0") for occasion in occasions]
    await send(bench.appender, *[take(bench.intake, "acme", id=str(each)) for each in taken])
    await bench.signer(old).sign_changed()
    assert bench.size("acme") == 4
    with capture_logs() as logs:
        signed = await bench.signer(new, old).sign("acme")
    assert bench.opened(signed, "acme", new).size == 5
    assert bench.actions("acme") == ["ledger.created", "ledger.key_rotated"]
    assert [each["id"] for each in logs if each["event"] == "somebody took the id of an entry of ours"] == [
        str(taken[0])
    ]


async def test_a_ledger_that_the_new_key_cannot_sign_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the old key away must not be told that all is well."""
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 2)
    await bench.signer(old).sign_changed()

    async def lost(*_: object) -> None:
        pass

    signer = bench.signer(new, old)
    monkeypatch.setattr(Entries, "announce", lost)
    with pytest.raises(Refused, match="announces the current key"):
        await signer.sign("acme")
    assert [tenant for tenant, _ in await bench.refusals()] == ["acme"]
    # The incident is an entry that it can sign.
    assert bench.opened(await signer.sign("acme"), "acme", new).size == 4
    assert await bench.refusals() == []


async def test_a_key_that_replaces_another_without_it_is_refused(bench: Bench) -> None:
    """Whoever changes the key without the old one at hand must hear of it, and not start a second history."""
    await bench.grow("acme", 2)
    await bench.signer(SigningKey.generate()).sign_changed()
    refused = await bench.refused(bench.signer(KEY), "acme")
    assert refused.kind == "foreign_key"
    assert "INDELIBLE_OLD_SIGNING_KEY" in refused.reason


async def test_no_key_is_in_an_error(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    secret = KEY.pem().splitlines()[1]
    with caplog.at_level(logging.DEBUG):
        await bench.grow("acme", 1)
        await bench.signer(SigningKey.generate()).sign_changed()
        with pytest.raises(Refused) as refused:
            await bench.signer().sign("acme")
    assert secret not in caplog.text + str(refused.value) + repr(vars(bench.signer()))


async def test_a_note_has_one_line_a_key(bench: Bench) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    await bench.grow("acme", 1)
    signed = await bench.signer(new, old).sign("acme")
    lines = note.parse(signed.note.encode()).signatures
    assert [line.name for line in lines] == [bench.origin("acme")] * 2
