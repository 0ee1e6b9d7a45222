"""Verification against changes beside the entries: in the columns that they are found by, and in their disclosures.

As in test_tampering, exactly the altered entry is blamed.
"""

import pytest

from indelible.ledger.disclosure import GROUPS
from indelible.store.appender import Appender
from indelible.store.intake import Intake
from tests.postgres import Database
from tests.store.samples import send, take
from tests.store.tampering import LAST, ROW, Ledger, columns_of

pytestmark = pytest.mark.anyio

# --- the columns that events are found by

COLUMNS = {
    "id": ["gen_random_uuid()"],
    "occurred_at": ["occurred_at - interval '1 day'", "occurred_at + interval '1 microsecond'", "'infinity'",
                    "'-infinity'", "'10000-01-01Z'", "occurred_at - interval '4200 years'"],
    "action": ["'user.joined'", "''"],
    "category": ["'data'", "NULL"],
    "operation": ["'deleted'", "NULL"],
    "outcome": ["'success'"],
    "source": ["'api'"],
    "actor_type": ["'system'"],
    "actor_id": ["'usr_8'", "NULL"],
    "target_type": ["'group'", "NULL"],
    "target_id": ["'usr_1'", "NULL"],
    "other_users": ["'{usr_8}'"],
}  # fmt: skip


async def test_no_column_is_left_out_here(database: Database) -> None:
    assert set(columns_of(database)) == {*COLUMNS, "tenant_id", "seq", "recorded_at", "leaf_hash", "entry"}


@pytest.mark.parametrize(("column", "value"), [(c, v) for c, values in COLUMNS.items() for v in values])
async def test_a_column(ledger: Ledger, column: str, value: str) -> None:
    """The entry keeps its bytes, but would be shown at another place, or to no one."""
    ledger.tamper(f"UPDATE indelible.events SET {column} = {value} WHERE {ROW}")
    await ledger.shows({3: f"the column {column} says"})


@pytest.mark.parametrize("value", ["NULL", "'{usr_8}'", "'{usr_1,usr_8}'", "'{usr_8,usr_1,usr_8}'", "'{usr_8,NULL}'"])
async def test_the_people_among_the_other_targets(
    ledger: Ledger, appender: Appender, intake: Intake, value: str
) -> None:
    """By this column members find what was done to them."""
    targets = [{"type": "user", "id": id_} for id_ in ("usr_9", "usr_8", "usr_1")]
    (receipt,) = await send(appender, take(intake, ledger.tenant, targets=targets))
    await ledger.shows({})
    ledger.tamper(f"UPDATE indelible.events SET other_users = {value} WHERE {ROW}", seq=receipt.seq)
    await ledger.shows({receipt.seq: "the column other_users says"})


@pytest.mark.parametrize("tables", [["events"], ["events", "event_personal"]], ids="+".join)
async def test_when_it_was_recorded(ledger: Ledger, tables: list[str]) -> None:
    later = "UPDATE indelible.{} SET recorded_at = recorded_at + interval '1 microsecond' WHERE " + ROW
    ledger.tamper(*map(later.format, tables))
    await ledger.shows({3: "the column recorded_at says"})


# --- the disclosures

UPDATE_GROUP = f"UPDATE indelible.event_personal SET {{group}} = {{value}} WHERE {ROW}"


@pytest.mark.parametrize("group", GROUPS)
async def test_a_disclosure_altered(ledger: Ledger, group: str) -> None:
    ledger.tamper(UPDATE_GROUP.format(group=group, value=f"replace({group}, 'Sarah', 'Simon')"))
    await ledger.shows({3: f"its personal part '{group}' was altered or added"})
    ledger.tamper(UPDATE_GROUP.format(group=group, value="'{}'"))
    await ledger.shows({3: "a personal part of it was altered or added"})


@pytest.mark.parametrize("group", GROUPS)
async def test_a_disclosure_removed(ledger: Ledger, group: str) -> None:
    ledger.tamper(UPDATE_GROUP.format(group=group, value="NULL"))
    await ledger.shows({3: "1 of its 5 personal parts is missing"})


@pytest.mark.parametrize("group", GROUPS)
async def test_a_disclosure_added(ledger: Ledger, group: str) -> None:
    """Taken from an entry that has it, to one that never had."""
    stolen = f"(SELECT {group} FROM indelible.event_personal WHERE tenant_id = %(tenant)s AND seq = 3)"
    ledger.tamper(UPDATE_GROUP.format(group=group, value=stolen), seq=LAST)
    await ledger.shows({LAST: f"its personal part '{group}' was altered or added"})


@pytest.mark.parametrize("group", GROUPS)
async def test_a_disclosure_swapped_between_rows(ledger: Ledger, group: str) -> None:
    other = "(SELECT o.{0} FROM indelible.event_personal o WHERE o.tenant_id = %(tenant)s AND o.seq = 6 - p.seq)"
    ledger.tamper(
        f"UPDATE indelible.event_personal p SET {group} = {other.format(group)} "
        "WHERE tenant_id = %(tenant)s AND seq IN (2, 4)"
    )
    await ledger.shows(dict.fromkeys((2, 4), f"its personal part '{group}' was altered or added"))


@pytest.mark.parametrize("group", GROUPS)
async def test_a_disclosure_there_twice(ledger: Ledger, group: str) -> None:
    """The same disclosure in another group's place would be shown instead of what belongs there."""
    other = GROUPS[GROUPS.index(group) - 1]
    ledger.tamper(UPDATE_GROUP.format(group=other, value=group))
    await ledger.shows({3: "1 of its 5 personal parts is missing"})


async def test_all_disclosures_of_an_entry_moved_away(ledger: Ledger) -> None:
    ledger.tamper(f"UPDATE indelible.event_personal SET seq = 99 WHERE {ROW}")
    await ledger.shows({3: "5 of its 5 personal parts are missing", 99: "personal parts of an entry that is not there"})
