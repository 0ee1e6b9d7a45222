"""What a process remembers of keys: never longer than it may, and for a while without PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from indelible.server import auth, memory, strangers
from indelible.server.auth import BadKey, Keyring
from indelible.server.memory import Memory
from indelible.server.problems import Problem
from indelible.store.epoch import EPOCH_AGE
from indelible.store.errors import StoreUnavailable
from indelible.store.key_text import make_key_text
from indelible.store.keys import Key
from indelible.store.session import Database

pytestmark = pytest.mark.anyio

TEXT = make_key_text("test")
ADDRESS = "192.0.2.1"


class Postgres:
    """Knows keys and the epoch, and counts who asks."""

    def __init__(self) -> None:
        self.key: Key | None = Key(uuid4(), "test", frozenset({"events:write"}))
        self.is_of: str | None = None
        """The text of the key; None: every text is one of its."""
        self.epoch = 0
        self.is_away = False
        self.takes = 0.0
        self.epochs_asked = 0
        self.keys_asked = 0
        self.at_once = self.most_at_once = 0
        """Questions for the epoch."""

    async def find_key(self, _database: Database, text: str) -> Key | None:
        self.keys_asked += 1
        found = self.key if self.is_of in (None, text) else None
        await self._answer()
        return found

    async def read_epoch(self, _database: Database) -> int:
        self.epochs_asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        found = self.epoch
        try:
            await self._answer()
        finally:
            self.at_once -= 1
        return found

    async def _answer(self) -> None:
        await asyncio.sleep(self.takes)
        if self.is_away:
            raise StoreUnavailable("away")

    def revoke(self) -> None:
        assert self.key is not None
        self.key = replace(self.key, revoked_at=datetime.now(UTC))
        self.epoch += 1


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Postgres:
    made = Postgres()
    monkeypatch.setattr(auth, "find_key", made.find_key)
    monkeypatch.setattr(memory, "epoch", made.read_epoch)
    return made


@pytest.fixture
async def unconnected() -> Database:
    async with Database.open("postgresql://nobody@127.0.0.1:1/nothing", size=1) as database:
        return database


@pytest.fixture
async def keyring(postgres: Postgres, unconnected: Database) -> AsyncIterator[Keyring]:
    assert postgres.keys_asked == 0
    remembered = Memory(unconnected)
    yield Keyring(unconnected, remembered, "test")
    await remembered.close()


async def is_good(keyring: Keyring, text: str = TEXT) -> bool:
    try:
        await keyring.find(text, ADDRESS)
    except BadKey:
        return False
    return True


async def test_a_key_that_is_used_is_looked_up_once(keyring: Keyring, postgres: Postgres) -> None:
    until = asyncio.get_running_loop().time() + 3 * EPOCH_AGE
    used = 0
    while asyncio.get_running_loop().time() < until:
        assert await is_good(keyring)
        used += 1
        await asyncio.sleep(0)
    assert used > 50
    assert postgres.keys_asked == 1
    assert postgres.epochs_asked <= 10


async def test_those_who_come_together_wait_for_one_answer(keyring: Keyring, postgres: Postgres) -> None:
    postgres.takes = 0.02
    assert all(await asyncio.gather(*(is_good(keyring) for _ in range(100))))
    assert (postgres.epochs_asked, postgres.keys_asked) == (1, 1)


async def test_what_was_revoked_is_believed_in_for_a_tenth_of_a_second_at_most(
    keyring: Keyring, postgres: Postgres
) -> None:
    """Under load, when somebody asks at every moment."""
    clock = asyncio.get_running_loop().time
    for _ in range(5):
        postgres.key, postgres.epoch = Key(uuid4(), "test", frozenset()), postgres.epoch + 1
        await asyncio.sleep(2 * EPOCH_AGE)
        assert await is_good(keyring)
        postgres.revoke()
        revoked_at = clock()
        while clock() < revoked_at + 2 * EPOCH_AGE:
            asked_at = clock()
            if await is_good(keyring):
                assert asked_at <= revoked_at + EPOCH_AGE
            await asyncio.sleep(0.001)


async def test_an_answer_of_before_is_not_believed_in_because_it_comes_late(
    keyring: Keyring, postgres: Postgres
) -> None:
    """A slow answer says what was so when it was asked for."""
    assert await is_good(keyring)
    await asyncio.sleep(2 * EPOCH_AGE)
    postgres.takes = 3 * EPOCH_AGE
    slow = asyncio.create_task(is_good(keyring))
    await asyncio.sleep(0.01)
    postgres.revoke()
    await asyncio.sleep(1.1 * EPOCH_AGE)
    postgres.takes = 0.0
    assert not await is_good(keyring)
    await slow
    assert not await is_good(keyring)


async def test_however_long_the_question_takes_nobody_waits_for_more_than_two(
    keyring: Keyring, postgres: Postgres
) -> None:
    """A PostgreSQL that is far away, or slow: questions do not queue up, and what is believed stays as young."""
    clock = asyncio.get_running_loop().time
    assert await is_good(keyring)
    postgres.takes = takes = 2.5 * EPOCH_AGE
    begun = clock()
    asked_before = postgres.epochs_asked
    revoked_at = begun + 1.0
    waited: list[float] = []

    async def ask() -> None:
        asked_at = clock()
        good = await is_good(keyring)
        waited.append(clock() - asked_at)
        if asked_at > revoked_at + EPOCH_AGE:
            assert not good

    async with asyncio.TaskGroup() as asking:
        while clock() < begun + 2.0:
            if clock() >= revoked_at and postgres.epoch == 0:
                postgres.revoke()
                revoked_at = clock()
            asking.create_task(ask())
            await asyncio.sleep(0.005)
    assert len(waited) > 100
    # The key itself has to be looked up again, once, which takes as long.
    assert max(waited) < 3 * takes + 0.1
    assert sorted(waited)[len(waited) // 2] < 2 * takes
    assert postgres.most_at_once == 1
    assert postgres.epochs_asked - asked_before <= 2.0 / takes + 3


async def test_the_age_of_an_answer_counts_from_the_question(keyring: Keyring, postgres: Postgres) -> None:
    """How long PostgreSQL took to say so adds nothing to how long it is believed in."""
    assert await is_good(keyring)
    await asyncio.sleep(2 * EPOCH_AGE)
    postgres.takes = 0.8 * EPOCH_AGE
    slow = asyncio.create_task(is_good(keyring))
    await asyncio.sleep(0.1 * EPOCH_AGE)
    postgres.revoke()
    await slow
    await asyncio.sleep(0.4 * EPOCH_AGE)
    assert not await is_good(keyring)


async def test_a_look_up_of_before_is_not_kept(keyring: Keyring, postgres: Postgres) -> None:
    """One that was begun before the revocation, and ends after it was heard of."""
    await is_good(keyring, make_key_text("test"))
    postgres.takes = 3 * EPOCH_AGE
    slow = asyncio.create_task(is_good(keyring))
    await asyncio.sleep(0.01)
    postgres.revoke()
    postgres.takes = 0.0
    await asyncio.sleep(1.1 * EPOCH_AGE)
    assert not await is_good(keyring)
    assert await slow  # it was good when this one asked
    assert not await is_good(keyring)


async def test_who_goes_away_takes_nobody_s_answer_along(keyring: Keyring, postgres: Postgres) -> None:
    await is_good(keyring, make_key_text("test"))  # so that the epoch is known
    postgres.takes = 0.05
    first = asyncio.create_task(is_good(keyring))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(is_good(keyring))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second
    assert postgres.keys_asked == 2


async def test_an_unknown_key_is_asked_for_each_time(keyring: Keyring, postgres: Postgres) -> None:
    """It may have been made meanwhile, which changes no epoch."""
    found, postgres.key = postgres.key, None
    assert not await is_good(keyring)
    postgres.key = found
    assert await is_good(keyring)


async def test_a_key_ends_while_it_is_remembered(keyring: Keyring, postgres: Postgres) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=0.4)
    postgres.key = Key(uuid4(), "test", frozenset(), expires_at=ends)
    while datetime.now(UTC) < ends - timedelta(seconds=0.2):
        assert await is_good(keyring)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.25)
    with pytest.raises(BadKey, match="expired"):
        await keyring.find(TEXT, ADDRESS)
    assert postgres.keys_asked == 1


# --- without PostgreSQL


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_GRACE", 1.5)
    monkeypatch.setattr(memory, "_RETRY", 0.01)
    monkeypatch.setattr(memory, "_PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("takes", [0.0, 5.0], ids=["refused", "silent"])
async def test_a_key_outlives_its_database_for_a_while_and_not_for_ever(
    keyring: Keyring, postgres: Postgres, takes: float
) -> None:
    """However often it is used meanwhile: a key that was revoked must not live on by being asked for."""
    clock = asyncio.get_running_loop().time
    assert await is_good(keyring)
    gone_at = clock()
    postgres.is_away, postgres.takes = True, takes
    while clock() < gone_at + 0.7:
        assert await is_good(keyring)
        await asyncio.sleep(0.005)
    await asyncio.sleep(gone_at + 1.6 - clock())
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await keyring.find(TEXT, ADDRESS)

    postgres.is_away, postgres.takes = False, 0.0
    postgres.revoke()
    await asyncio.sleep(0.1)
    with pytest.raises(BadKey, match="was revoked"):
        await keyring.find(TEXT, ADDRESS)
    postgres.is_away = True
    await asyncio.sleep(EPOCH_AGE)
    assert not await is_good(keyring)  # what ended is not forgotten with the database


@pytest.mark.usefixtures("impatient")
async def test_a_revocation_meanwhile_is_in_force_when_the_database_is_back(
    keyring: Keyring, postgres: Postgres
) -> None:
    assert await is_good(keyring)
    postgres.is_away = True
    await asyncio.sleep(EPOCH_AGE)
    assert await is_good(keyring)
    postgres.revoke()
    postgres.is_away = False
    await asyncio.sleep(2 * EPOCH_AGE)
    assert not await is_good(keyring)


async def test_without_having_heard_of_a_key_nothing_is_believed(keyring: Keyring, postgres: Postgres) -> None:
    postgres.is_away = True
    with pytest.raises(StoreUnavailable):
        await keyring.find(TEXT, ADDRESS)


# --- guessing


async def test_a_key_that_is_none_by_its_looks_is_not_asked_for(keyring: Keyring, postgres: Postgres) -> None:
    wrong = TEXT[:-1] + ("0" if TEXT[-1] != "0" else "1")
    for text, why in {
        wrong: "mistyped",
        make_key_text("live"): "live installation",
        "short": "not known here",
        "x" * 5000: "not known here",
        "with a space, and long enough": "not known here",
        "\u00e9\u00ff" * 20: "not known here",
    }.items():
        with pytest.raises(BadKey, match=why) as refused:
            await keyring.find(text, ADDRESS)
        assert text not in str(refused.value)
    assert (postgres.epochs_asked, postgres.keys_asked) == (0, 0)


async def tries(keyring: Keyring, address: str | None, number: int) -> int:
    """How many of so many unknown keys were looked up."""
    tried, refused = 0, []
    for _ in range(number):
        try:
            await keyring.find(make_key_text("test"), address)
        except BadKey:
            tried += 1
        except Problem as problem:
            refused.append(problem)
    assert {(each.status, each.details.code) for each in refused} <= {(429, "rate_limited")}
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    return tried


async def test_one_address_tries_so_many_keys_and_no_more(keyring: Keyring, postgres: Postgres) -> None:
    postgres.is_of = TEXT
    assert await is_good(keyring)
    assert 50 <= await tries(keyring, ADDRESS, 200) < 100
    assert await tries(keyring, "192.0.2.2", 20) == 20  # others are others
    # Whoever holds a good key behind the same address goes on; also when every process asks anew.
    assert await is_good(keyring)
    postgres.epoch += 1
    await asyncio.sleep(2 * EPOCH_AGE)
    await tries(keyring, ADDRESS, 50)
    assert await is_good(keyring)
    assert postgres.keys_asked < 200


async def test_an_ipv6_host_has_one_address_for_this(keyring: Keyring, postgres: Postgres) -> None:
    """It can choose 2^64 of them."""
    postgres.key = None
    tried = [await tries(keyring, f"2001:db8::{n:x}", 1) for n in range(200)]
    assert sum(tried) < 100
    assert await tries(keyring, "2001:db8:0:1::1", 20) == 20


async def test_good_keys_are_not_counted(keyring: Keyring, postgres: Postgres) -> None:
    """Many applications start at once behind one address, each with a key of its own."""
    assert all([await is_good(keyring, make_key_text("test")) for _ in range(300)])
    assert postgres.keys_asked == 300


async def test_addresses_are_forgotten_before_they_fill_the_memory(
    keyring: Keyring, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_MAX_ADDRESSES", 10)
    postgres.key = None
    for number in range(50):
        assert await tries(keyring, f"192.0.2.{number}", 1) == 1
    assert len(keyring._strangers._buckets) == 10
