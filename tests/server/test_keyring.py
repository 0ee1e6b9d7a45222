"""How long a key is believed in without PostgreSQL."""

import contextlib
import time
from uuid import uuid4

import pytest

from indelible.server import auth
from indelible.server.auth import Keyring
from indelible.server.problems import Problem
from indelible.store.errors import StoreUnavailable
from indelible.store.keys import Key
from indelible.store.session import Database

pytestmark = pytest.mark.anyio

HEADERS = [(b"authorization", b"Bearer ind_test_of_the_keyring")]


async def test_a_key_outlives_its_database_for_a_while_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, unconnected: Database
) -> None:
    """However often it is used meanwhile: a key that was revoked must not live on by being asked for."""
    known = Key(uuid4(), "test", frozenset({"events:write"}))
    answers: list[Key | StoreUnavailable | None] = [known]

    async def find(_database: Database, _secret: str) -> Key | None:
        answer = answers[0]
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    monkeypatch.setattr(auth, "find_key", find)
    monkeypatch.setattr(auth, "_KEEP", 0.0)
    monkeypatch.setattr(auth, "_GRACE", 0.2)
    keyring = Keyring(unconnected)
    assert await keyring.authenticate(HEADERS, "events:write") is known

    answers[0] = StoreUnavailable("away")
    assert await keyring.authenticate(HEADERS, "events:write") is known
    ends = time.monotonic() + 0.3
    while time.monotonic() < ends:
        with contextlib.suppress(StoreUnavailable):
            await keyring.authenticate(HEADERS, "events:write")
    with pytest.raises(StoreUnavailable):
        await keyring.authenticate(HEADERS, "events:write")

    answers[0] = None
    with pytest.raises(Problem, match="not known here"):
        await keyring.authenticate(HEADERS, "events:write")
    answers[0] = StoreUnavailable("away again")
    with pytest.raises(StoreUnavailable):
        await keyring.authenticate(HEADERS, "events:write")


@pytest.fixture
async def unconnected() -> Database:
    async with Database.open("postgresql://nobody@127.0.0.1:1/nothing", size=1) as database:
        return database
