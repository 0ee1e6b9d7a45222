"""The one door through which disclosures go: who may open it, and that nothing goes without a record."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue

from indelible.catalog import Catalog
from indelible.event import Actor, Event
from indelible.ledger.disclosure import GROUPS, digest
from indelible.store.append import Receipt, Rules, append
from indelible.store.sealing import prepare
from tests.postgres import Database
from tests.store.acting import EVENTS, MINE, OTHER, PERSONAL, ROLES, acting, refusal, run
from tests.store.samples import rows

ERASE = "SELECT * FROM indelible.erase_disclosures(%s, %s::bigint[], %s::text[]) ORDER BY 1, 2"

RECORD_FIRST = "an erasure is recorded in the ledger first, in the same transaction"


def stored(database: Database, tenant: str, *seqs: int) -> dict[tuple[int, str], str]:
    """The digest of each disclosure, by entry and group."""
    query = f"SELECT seq, {', '.join(GROUPS)} FROM indelible.event_personal WHERE tenant_id = %s AND seq = ANY (%s)"
    return {
        (seq, group): digest(text.encode())
        for seq, *texts in rows(database, query, tenant, list(seqs))
        for group, text in zip(GROUPS, texts, strict=True)
        if text is not None
    }


class Keeper:
    """A transaction of the service's, which records and erases. Rolled back at the end."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], catalog: Catalog) -> None:
        self._connection = connection
        self._catalog = catalog

    async def record(self, digests: Sequence[str], *, tenant: str = MINE, action: str = "ledger.erasure") -> int:
        event = Event(tenant_id=tenant, action=action, actor=Actor(type="system"), metadata={"digests": list(digests)})
        await self.execute("SET LOCAL ROLE indelible_writer")
        (receipt,) = await append(
            self._connection, [prepare(event, self._catalog, now=datetime.now(UTC))], Rules(self._catalog)
        )
        assert isinstance(receipt, Receipt)
        return receipt.seq

    async def erase(self, record: int | None, seqs: Sequence[int], groups: Sequence[str]) -> list[tuple[Any, ...]]:
        await self.execute("SET LOCAL ROLE indelible_keeper")
        return await self.execute(ERASE, record, list(seqs), list(groups))

    async def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(statement.encode(), parameters or None)
        return await cursor.fetchall() if cursor.description else []


@pytest.fixture
def in_transaction(filled: Database, catalog: Catalog) -> Any:
    """Runs an async function of a `Keeper`."""

    def run_it(act: Any) -> Any:
        async def inside() -> Any:
            async with await psycopg.AsyncConnection.connect(filled.url) as connection:
                try:
                    return await act(Keeper(connection, catalog))
                finally:
                    await connection.rollback()

        return asyncio.run(inside())

    return run_it


def test_what_is_recorded_goes(filled: Database, in_transaction: Any) -> None:
    wanted = {k: v for k, v in stored(filled, MINE, 1, 2).items() if k[1] in ("actor", "context")}

    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        number = await keeper.record(list(wanted.values()))
        gone = await keeper.erase(number, [1, 2], ["actor", "context"])
        await keeper.execute(f"SET LOCAL ROLE indelible_reader; SET LOCAL indelible.tenant_id = '{MINE}'")
        query = "SELECT seq, actor IS NULL, changes IS NULL, erased FROM indelible.event_personal ORDER BY seq"
        noted = {"actor": number, "context": number}
        assert await keeper.execute(f"{query} LIMIT 3 OFFSET 1") == [
            (1, True, False, noted), (2, True, False, noted), (3, False, False, None),
        ]  # fmt: skip
        await keeper.execute("SET LOCAL ROLE indelible_writer")
        prints = "SELECT fingerprint IS NULL FROM indelible.event_personal WHERE seq IN (1, 2, 3) ORDER BY seq"
        assert await keeper.execute(prints) == [(True,), (True,), (False,)]
        return gone

    assert in_transaction(act) == [(*k, v) for k, v in sorted(wanted.items())]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "indelible_keeper"])
def test_nobody_but_the_keeper_may_call_it(filled: Database, role: str) -> None:
    with acting(filled, role, tenant=MINE) as connection:
        said = refusal(connection, "SELECT indelible.erase_disclosures(4, '{1}', '{actor}')")
    assert said in (
        "permission denied for function erase_disclosures",
        "permission denied for schema indelible",
    )


def test_the_keeper_may_do_nothing_else(filled: Database) -> None:
    """Its privileges are in test_grants; here is that what the function does is not its own to do."""
    with acting(filled, "indelible_keeper", tenant=MINE) as connection:
        for statement in (
            "SELECT FROM indelible.event_personal",
            "UPDATE indelible.event_personal SET actor = NULL",
            f"UPDATE indelible.{PERSONAL} SET actor = NULL",
            "SELECT FROM indelible.events",
            "SELECT FROM indelible.ledgers",
        ):
            assert refusal(connection, statement).startswith("permission denied for table")


def test_not_without_a_record(filled: Database) -> None:
    """Entries that are no record, or were recorded by another transaction, are none."""
    with acting(filled, "indelible_keeper", tenant=MINE) as connection:
        for record in ("NULL", "0", "1", "3", "4", "-1", "99"):
            said = refusal(connection, f"SELECT indelible.erase_disclosures({record}, '{{1}}', '{{actor}}')")
            assert said == RECORD_FIRST
    with acting(filled, "indelible_keeper") as connection:
        assert refusal(connection, "SELECT indelible.erase_disclosures(4, '{1}', '{actor}')") == RECORD_FIRST


def test_not_with_the_record_of_an_earlier_transaction(filled: Database, catalog: Catalog) -> None:
    digests = [*stored(filled, OTHER, 1).values()]

    async def act() -> None:
        async with await psycopg.AsyncConnection.connect(filled.url) as connection:
            keeper = Keeper(connection, catalog)
            number = await keeper.record(digests, tenant=OTHER)
            await connection.commit()
            await keeper.execute(f"SET LOCAL indelible.tenant_id = '{OTHER}'")
            with pytest.raises(InsufficientPrivilege, match=RECORD_FIRST):
                await keeper.erase(number, [1], GROUPS)
            await connection.rollback()

    asyncio.run(act())
    assert len(stored(filled, OTHER, 1)) == 5


@pytest.mark.parametrize(
    "case", ["another action", "another tenant's", "names another", "names too few", "names none", "a later entry"]
)
def test_not_with_a_record_of_something_else(filled: Database, in_transaction: Any, case: str) -> None:
    mine, other = [*stored(filled, MINE, 1).values()], [*stored(filled, MINE, 2).values()]

    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        match case:
            case "another action":
                number = await keeper.record(mine, action="audit_log.viewed")
            case "another tenant's":
                number = await keeper.record(mine, tenant=OTHER)
                await keeper.execute(f"SET LOCAL indelible.tenant_id = '{MINE}'")
            case _:
                named = {"names another": other, "names too few": mine[1:], "names none": []}.get(case, mine)
                number = await keeper.record(named)
        return await keeper.erase(number + (case == "a later entry"), [1], GROUPS)

    said = r"recorded in the ledger first|does not name a disclosure"
    with pytest.raises(InsufficientPrivilege, match=said):
        in_transaction(act)
    assert len(stored(filled, MINE, 1)) == 5


def test_not_of_another_tenant(filled: Database, in_transaction: Any) -> None:
    """The tenant is the transaction's, whatever numbers are asked for."""
    mine, other = stored(filled, MINE, 1), stored(filled, OTHER, 1)

    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        number = await keeper.record([*mine.values(), *other.values()])
        return await keeper.erase(number, [1], GROUPS)

    assert {text for _, _, text in in_transaction(act)} == set(mine.values())
    assert set(stored(filled, OTHER, 1).values()) == set(other.values())


def test_not_of_the_ledgers_own_entries(filled: Database, in_transaction: Any) -> None:
    own = [*stored(filled, MINE, 0).values()]
    assert len(own) == 1

    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        first = await keeper.record(own)
        second = await keeper.record(own)
        return await keeper.erase(second, [0, first, second], GROUPS)

    assert in_transaction(act) == []


@pytest.mark.parametrize("groups", [["actor", "fingerprint"], ["seq"], [""], ["Actor"], [None]])
def test_not_of_groups_that_there_are_not(in_transaction: Any, groups: list[str]) -> None:
    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        return await keeper.erase(await keeper.record([]), [1], groups)

    with pytest.raises(InvalidParameterValue, match="there is no such group of disclosures"):
        in_transaction(act)


def test_what_a_savepoint_recorded_counts_for_nothing(filled: Database, in_transaction: Any) -> None:
    """Refused rather than guessed at: a part of a transaction may be rolled back without the rest."""

    async def act(keeper: Keeper) -> list[tuple[Any, ...]]:
        await keeper.execute("SAVEPOINT part")
        number = await keeper.record([*stored(filled, MINE, 1).values()])
        await keeper.execute("RELEASE part")
        return await keeper.erase(number, [1], GROUPS)

    with pytest.raises(InsufficientPrivilege, match=RECORD_FIRST):
        in_transaction(act)


# --- the trigger

ERASURE = "actor = NULL, fingerprint = NULL, erased = '{\"actor\": 9}'"
WHOLE = (
    ", ".join(f"{group} = NULL" for group in GROUPS)
    + f", fingerprint = NULL, erased = '{json.dumps(dict.fromkeys(GROUPS, 9))}'"
)

OTHERWISE = {
    "nothing": "actor = actor",
    "without a note": "actor = NULL, fingerprint = NULL",
    "a note of another group": "actor = NULL, fingerprint = NULL, erased = '{\"context\": 9}'",
    "a note of more groups": 'actor = NULL, fingerprint = NULL, erased = \'{"actor": 9, "context": 9}\'',
    "a note that is no object": "actor = NULL, fingerprint = NULL, erased = '[\"actor\"]'",
    "a note alone": "fingerprint = NULL, erased = '{\"actor\": 9}'",
    "with its fingerprint": "actor = NULL, erased = '{\"actor\": 9}'",
    "a fingerprint alone": "fingerprint = NULL",
    "another value": ERASURE.replace("actor = NULL", 'actor = \'["s","actor",{}]\''),
    "and another value": ERASURE + ', context = \'["s","context",{}]\'',
    "and another number": ERASURE + ", seq = seq + 1000",
    "and another tenant": ERASURE + ", tenant_id = 'globex'",
    "and another time": ERASURE + ", recorded_at = recorded_at + interval '1 microsecond'",
    "and when it occurred": ERASURE + ", occurred_at = occurred_at + interval '1 microsecond'",
    "and another word": ERASURE + ", search = array_to_tsvector('{abcmpayroll}')",
    "and all words": ERASURE + ", search = ''",
    "words alone": "search = ts_delete(search, tsvector_to_array(search))",
}


@pytest.mark.parametrize("table", ["event_personal", PERSONAL])
@pytest.mark.parametrize("case", OTHERWISE)
def test_an_update_that_is_no_erasure_is_refused_to_a_superuser(filled: Database, case: str, table: str) -> None:
    with acting(filled, "postgres") as connection:
        update = f"UPDATE indelible.{table} SET {OTHERWISE[case]} WHERE tenant_id = '{MINE}' AND seq = 1"
        assert refusal(connection, update) == (
            "UPDATE on indelible.event_personal is refused: disclosures may be erased, and nothing else"
        )


def test_what_was_erased_never_comes_back(filled: Database) -> None:
    where = f" WHERE tenant_id = '{MINE}' AND seq = 1"
    with acting(filled, "postgres") as connection:
        (kept,) = run(connection, f"SELECT actor FROM indelible.event_personal{where}")
        run(connection, f"UPDATE indelible.event_personal SET {ERASURE}{where}")
        for change in (
            "erased = NULL", "erased = '{\"actor\": 10}'", "erased = '{}'", ERASURE, "fingerprint = sha256('x')",
            "context = NULL, erased = '{\"actor\": 10, \"context\": 10}'",
            "context = NULL, erased = '{\"context\": 10}'",
        ):  # fmt: skip
            said = refusal(connection, f"UPDATE indelible.event_personal SET {change}{where}")
            assert said.endswith("disclosures may be erased, and nothing else"), change
        with pytest.raises(InsufficientPrivilege), connection.transaction():
            run(connection, f"UPDATE indelible.event_personal SET actor = %s, erased = NULL{where}", *kept)
        more = 'context = NULL, erased = \'{"actor": 9, "context": 10}\''
        assert refusal(connection, f"UPDATE indelible.event_personal SET {more}{where}") == ""


def test_all_groups_at_once(filled: Database) -> None:
    with acting(filled, "postgres") as connection:
        update = f"UPDATE indelible.event_personal SET {WHOLE} WHERE tenant_id = '{MINE}' AND seq = 1"
        run(connection, update)
        query = f"SELECT search FROM indelible.event_personal WHERE tenant_id = '{MINE}' AND seq = 1"
        ((words,),) = run(connection, query)
        marks = {word.strip("'")[3] for word in words.split()}
        assert marks == {"=", "o", "u", "i", "y"}, "the words of what was erased go with it, whoever erases it"


def test_a_record_that_is_no_entry_of_the_ledger_erases_nothing(filled: Database, in_transaction: Any) -> None:
    """The writer may insert rows, and the columns of a row may say anything."""

    async def act(keeper: Keeper) -> None:
        digests = [value for (seq, _), value in stored(filled, MINE, 1).items() if seq == 1]
        assert digests
        seq = 2**52
        await keeper.execute("SET LOCAL ROLE indelible_writer")
        await keeper.execute(f"SET LOCAL indelible.tenant_id = '{MINE}'")
        await keeper.execute(
            f"INSERT INTO indelible.{EVENTS} (tenant_id, seq, recorded_at, occurred_at, id, action, outcome, source,"
            " actor_type, leaf_hash, entry) VALUES (%s, %s, now(), now(), gen_random_uuid(), 'ledger.erasure',"
            " 'success', 'api', 'system', sha256('x'), 'no entry at all')",
            MINE,
            seq,
        )
        for named in (digests, dict.fromkeys(digests, 1)):
            metadata = json.dumps(["salt", "metadata", {"digests": named}])
            await keeper.execute("SAVEPOINT once")
            await keeper.execute("SET LOCAL ROLE indelible_writer")
            await keeper.execute(
                f"INSERT INTO indelible.{PERSONAL} (tenant_id, seq, recorded_at, occurred_at, search, metadata)"
                " VALUES (%s, %s, now(), now(), '', %s)",
                MINE,
                seq,
                metadata,
            )
            with pytest.raises(InsufficientPrivilege, match=RECORD_FIRST):
                await keeper.erase(seq, [1], GROUPS)
            await keeper.execute("ROLLBACK TO SAVEPOINT once")

    in_transaction(act)
