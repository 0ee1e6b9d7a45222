"""Keys in the database: what is kept of one, how it ends, and that nothing that ended begins again."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from indelible.event import Actor, Impersonator
from indelible.settings import Environment
from indelible.store import keys as store
from indelible.store.epoch import EPOCH_AGE, epoch
from indelible.store.key_text import has_right_checksum, is_well_formed, make_key_text
from indelible.store.keys import SCOPES, Key, KeyHasEnded, KeyIsReplaced, KeyPlace
from indelible.store.session import Database as Connections
from tests.postgres import Database
from tests.store.samples import rows

pytestmark = pytest.mark.anyio

MAKER = Actor(type="user", id="usr_7", name="Sarah Chen")


async def made(
    connections: Connections,
    *scopes: str,
    environment: Environment = "live",
    name: str = "Reporting",
    tenant: str | None = None,
    expires_in: timedelta | None = None,
) -> tuple[Key, str]:
    expires_at = None if expires_in is None else datetime.now(UTC) + expires_in
    return await store.create_key(
        connections, environment, name=name, scopes=frozenset(scopes), created_by=MAKER, tenant=tenant,
        expires_at=expires_at,
    )  # fmt: skip


async def as_control(connections: Connections, statement: str) -> None:
    async with connections.transaction("control") as connection:
        await connection.execute(statement.encode())


async def test_a_key_comes_back_as_it_was_made(connections: Connections, tenants: list[str]) -> None:
    before = datetime.now(UTC)
    key, text = await made(connections, "events:read", "export", tenant=tenants[0], expires_in=timedelta(days=90))
    assert is_well_formed(text)
    assert has_right_checksum(text)
    assert key == await store.find_key(connections, text)
    assert key == await store.get_key(connections, key.key_id)
    assert key.scopes == {"events:read", "export"}
    assert (key.tenant_id, key.created_by) == (tenants[0], MAKER)
    assert key.hint == f"ind_live_…{text[-4:]}"
    assert abs(key.created_at - before) < timedelta(seconds=5)
    assert key.is_active(datetime.now(UTC))
    assert not key.is_active(datetime.now(UTC) + timedelta(days=90))
    assert (key.revoked_at, key.replaces, key.last_used_at, key.last_used_ip) == (None, None, None, None)


async def test_the_text_is_kept_nowhere(database: Database, connections: Connections) -> None:
    """Neither in the table, nor in what we hold of it."""
    key, text = await made(connections, "events:read")
    assert text not in repr(key)
    (row,) = rows(database, f"SELECT k::text FROM indelible.keys k WHERE key_id = '{key.key_id}'")
    assert text[9:-6] not in str(row)


async def test_of_who_made_it_no_more_is_kept_than_id_and_name(connections: Connections) -> None:
    """What is personal beyond that belongs into the ledger, where it can be erased on record."""
    maker = Actor(type="user", id="u", name="n", email="e@x.example", impersonator=Impersonator(email="s@y.example"))
    key, _ = await store.create_key(connections, "live", name="k", scopes=frozenset(), created_by=maker)
    assert key.created_by == Actor(type="user", id="u", name="n")


async def test_what_is_no_key_is_none(connections: Connections) -> None:
    for text in ("", "ind_live_", make_key_text("live"), "é\u0000x".replace("\0", ""), "x" * 5000):
        assert await store.find_key(connections, text) is None
    assert await store.get_key(connections, uuid4()) is None


async def test_a_key_that_ended_is_still_found_so_that_it_can_be_said_why(connections: Connections) -> None:
    expired, text = await made(connections, expires_in=timedelta(seconds=-1))
    assert (await store.find_key(connections, text)) == expired
    assert not expired.is_active(datetime.now(UTC))
    key, text = await made(connections)
    ended = await store.revoke_key(connections, key.key_id)
    assert ended is not None
    assert ended.revoked_at is not None
    assert not ended.is_active(key.created_at)
    assert await store.find_key(connections, text) == ended


async def test_a_revocation_counts_the_epoch_up_and_waits_until_everybody_knows(connections: Connections) -> None:
    key, _ = await made(connections)
    before = await epoch(connections)
    started = time.monotonic()
    await store.revoke_key(connections, key.key_id)
    assert time.monotonic() - started >= EPOCH_AGE
    assert await epoch(connections) == before + 1


async def test_a_revocation_is_for_good(connections: Connections) -> None:
    """A second one changes nothing, and not even the role that revokes can take it back."""
    key, _ = await made(connections)
    first = await store.revoke_key(connections, key.key_id)
    assert await store.revoke_key(connections, key.key_id) == first
    for change in ("revoked_at = NULL", "revoked_at = now() + interval '1 day'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="stays so"):
            await as_control(connections, f"UPDATE indelible.keys SET {change} WHERE key_id = '{key.key_id}'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await as_control(connections, f"DELETE FROM indelible.keys WHERE key_id = '{key.key_id}'")
    assert await store.revoke_key(connections, uuid4()) is None


async def test_what_ends_never_lasts_longer(connections: Connections) -> None:
    key, _ = await made(connections, expires_in=timedelta(days=1))
    for end in ("NULL", "expires_at + interval '1 second'", "'infinity'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="none lasts longer"):
            await as_control(connections, f"UPDATE indelible.keys SET expires_at = {end} WHERE key_id = '{key.key_id}'")


async def test_lists_are_the_newest_first_page_by_page(connections: Connections, tenants: list[str]) -> None:
    tenant, other, _ = tenants
    mine = [(await made(connections, tenant=tenant, name=f"key {number}"))[0] for number in range(5)]
    theirs, _ = await made(connections, tenant=other)
    vendors, _ = await made(connections)
    await store.revoke_key(connections, mine[1].key_id)
    expired, _ = await made(connections, tenant=tenant, expires_in=timedelta(seconds=-1))
    active = [mine[i].key_id for i in (4, 3, 2, 0)]
    assert [key.key_id for key in await store.list_keys(connections, tenant=tenant)] == active
    every = [expired.key_id, *(key.key_id for key in reversed(mine))]
    found: list[UUID] = []
    after: KeyPlace | None = None
    while page := await store.list_keys(connections, tenant=tenant, include_ended=True, limit=2, after=after):
        found += [key.key_id for key in page]
        after = KeyPlace.of(page[-1])
    assert found == every
    ids = {key.key_id for key in await store.list_keys(connections, include_ended=True)}
    assert ids >= {*every, theirs.key_id, vendors.key_id}


# --- rotation


async def test_a_successor_does_the_same_and_the_old_one_ends_soon(
    connections: Connections, tenants: list[str]
) -> None:
    old, old_text = await made(connections, "events:read", "export", tenant=tenants[0])
    before = await epoch(connections)
    new, text = await store.rotate_key(
        connections, "live", old.key_id, overlap=timedelta(hours=24), created_by=None, expires_at=None
    )
    assert (new.name, new.scopes, new.tenant_id, new.replaces) == (old.name, old.scopes, old.tenant_id, old.key_id)
    assert new.key_id != old.key_id
    assert text != old_text
    assert await epoch(connections) == before + 1
    left = await store.find_key(connections, old_text)
    assert left is not None
    assert left.expires_at is not None
    assert abs(left.expires_at - datetime.now(UTC) - timedelta(hours=24)) < timedelta(seconds=10)
    assert left.is_active(datetime.now(UTC))
    assert await store.successors(connections, old.key_id) == [new]


async def test_a_rotation_never_lets_the_old_key_last_longer(connections: Connections) -> None:
    old, text = await made(connections, expires_in=timedelta(hours=1))
    await store.rotate_key(connections, "live", old.key_id, overlap=timedelta(days=30), created_by=None)
    left = await store.find_key(connections, text)
    assert left is not None
    assert left.expires_at == old.expires_at


async def test_without_overlap_the_old_key_has_ended(connections: Connections) -> None:
    old, text = await made(connections)
    await store.rotate_key(connections, "live", old.key_id, overlap=timedelta(0), created_by=None)
    left = await store.find_key(connections, text)
    assert left is not None
    assert not left.is_active(datetime.now(UTC))


async def test_what_ended_or_is_replaced_is_not_rotated(connections: Connections) -> None:
    revoked, _ = await made(connections)
    await store.revoke_key(connections, revoked.key_id)
    expired, _ = await made(connections, expires_in=timedelta(seconds=-1))
    for key_id in (revoked.key_id, expired.key_id, uuid4()):
        with pytest.raises(KeyHasEnded):
            await store.rotate_key(connections, "live", key_id, overlap=timedelta(), created_by=None)
    old, _ = await made(connections)
    hour = timedelta(hours=1)
    new, _ = await store.rotate_key(connections, "live", old.key_id, overlap=hour, created_by=None)
    with pytest.raises(KeyIsReplaced, match=str(new.key_id)):
        await store.rotate_key(connections, "live", old.key_id, overlap=hour, created_by=None)
    # The new one was lost on its way: it is ended, and there is another.
    await store.revoke_key(connections, new.key_id)
    again, _ = await store.rotate_key(connections, "live", old.key_id, overlap=hour, created_by=None)
    assert [key.key_id for key in await store.successors(connections, old.key_id)] == [again.key_id, new.key_id]


async def test_two_who_rotate_at_once_make_one_successor(connections: Connections) -> None:
    old, _ = await made(connections)
    answers = await asyncio.gather(
        *(
            store.rotate_key(connections, "live", old.key_id, overlap=timedelta(hours=1), created_by=None)
            for _ in range(4)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, KeyIsReplaced) for answer in answers) == 3
    assert len(await store.successors(connections, old.key_id)) == 1


# --- use


async def test_use_is_noted_without_anybody_having_to_forget(connections: Connections) -> None:
    keys = [(await made(connections))[0] for _ in range(3)]
    before = await epoch(connections)
    now = datetime.now(UTC).replace(microsecond=0)
    await store.note_use(connections, {keys[0].key_id: (now, "203.0.113.7"), keys[1].key_id: (now, None)})
    await store.note_use(
        connections, {keys[0].key_id: (now - timedelta(minutes=1), "198.51.100.1"), uuid4(): (now, None)}
    )
    await store.note_use(connections, {})
    found = [await store.get_key(connections, key.key_id) for key in keys]
    assert [(key.last_used_at, key.last_used_ip) for key in found if key] == [
        (now, "203.0.113.7"), (now, None), (None, None),
    ]  # fmt: skip
    assert await epoch(connections) == before


async def test_processes_that_note_use_at_once_do_not_lock_each_other(connections: Connections) -> None:
    ids = [(await made(connections))[0].key_id for _ in range(20)]
    start = datetime.now(UTC)

    async def note(number: int) -> None:
        at = start + timedelta(seconds=number)
        await store.note_use(connections, dict.fromkeys(ids if number % 2 else reversed(ids), (at, None)))

    await asyncio.gather(*(note(number) for number in range(20)))
    found = [await store.get_key(connections, key_id) for key_id in ids]
    assert {key.last_used_at for key in found if key} == {start + timedelta(seconds=19)}


# --- the first key


async def test_the_bootstrap_key_may_do_everything_and_replaces_the_one_before(connections: Connections) -> None:
    first, second = make_key_text("test"), "correct-horse-battery-staple"
    await store.save_bootstrap_key(connections, first)
    await store.save_bootstrap_key(connections, first)
    key = await store.find_key(connections, first)
    assert key is not None
    assert (key.scopes, key.tenant_id, key.created_by) == (frozenset(SCOPES), None, None)
    assert await store.has_keys(connections)
    await store.save_bootstrap_key(connections, second)
    now = datetime.now(UTC)
    assert [key.is_active(now) for text in (first, second) if (key := await store.find_key(connections, text))] == [
        False, True,
    ]  # fmt: skip
    with pytest.raises(KeyHasEnded, match=r"ind_test_….{4} was revoked on 20"):
        await store.save_bootstrap_key(connections, first)
    still = await store.find_key(connections, second)
    assert still is not None
    assert still.is_active(now), "what was refused has changed nothing"


async def test_a_key_that_somebody_made_is_not_taken_for_the_first_one(connections: Connections) -> None:
    """Whatever it is called, and also where it came of the first one by rotation."""
    first = make_key_text("live")
    await store.save_bootstrap_key(connections, first)
    key = await store.find_key(connections, first)
    assert key is not None
    named, _ = await made(connections, name="bootstrap")
    new, _ = await store.rotate_key(connections, "live", key.key_id, overlap=timedelta(hours=1), created_by=MAKER)
    await store.save_bootstrap_key(connections, first)
    await store.save_bootstrap_key(connections, make_key_text("live"))
    for each in (named, new):
        found = await store.get_key(connections, each.key_id)
        assert found is not None
        assert found.is_active(datetime.now(UTC))


async def test_a_first_key_that_expired_stays_so(connections: Connections) -> None:
    first = make_key_text("live")
    await store.save_bootstrap_key(connections, first)
    key = await store.find_key(connections, first)
    assert key is not None
    await store.rotate_key(connections, "live", key.key_id, overlap=timedelta(0), created_by=MAKER)
    with pytest.raises(KeyHasEnded, match="expired on"):
        await store.save_bootstrap_key(connections, first)
