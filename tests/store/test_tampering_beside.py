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


# --- the words that events are found by

WORD = "(SELECT lexeme FROM unnest(search) WHERE substr(lexeme, 4, 1) = '{}' LIMIT 1)"
MARKS = "=ouiyatcmx"
"""Those that the event has, of which one word each is taken away."""

SEARCHES = {
    "all gone": "''",
    "another tenant's": "array_to_tsvector(ARRAY(SELECT 'abc' || substr(lexeme, 4) FROM unnest(search)))",
    "of no part": "search || array_to_tsvector(ARRAY[indelible.word_prefix(tenant_id) || '?sarah'])",
    "a word of another part": "search || array_to_tsvector(ARRAY[indelible.word_prefix(tenant_id) || 'csimon'])",
    "a tenant's prefix alone": "search || array_to_tsvector(ARRAY[indelible.word_prefix(tenant_id)])",
    "a word of no tenant": "search || 'a'",
    "with places": "search || to_tsvector('simple', 'sarah')",
    "the same with a place": f"array_to_tsvector(array_remove(tsvector_to_array(search), {WORD.format('a')}))"
                             f" || (quote_literal({WORD.format('a')}) || ':1')::tsvector",
    "the same with a weight": "setweight(search::text::tsvector || (quote_literal('x') || ':1A')::tsvector, 'B')",
}  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
async def test_a_word_removed(ledger: Ledger, mark: str) -> None:
    """The event would be there for whoever pages, and for nobody who looks for it."""
    less = f"ts_delete(search, {WORD.format(mark)})"
    ledger.tamper(f"UPDATE indelible.event_personal SET search = {less} WHERE {ROW} AND search <> {less}")
    await ledger.shows({3: "the words it is found by are not its own: 1 missing, 0 that do not belong to it"})


@pytest.mark.parametrize("case", SEARCHES)
async def test_words_altered(ledger: Ledger, case: str) -> None:
    ledger.tamper(f"UPDATE indelible.event_personal SET search = {SEARCHES[case]} WHERE {ROW}")
    await ledger.shows({3: "the words it is found by are not its own"})


async def test_words_of_another_event(ledger: Ledger) -> None:
    ledger.tamper(
        "UPDATE indelible.event_personal p SET search = other.search FROM indelible.event_personal other "
        "WHERE p.tenant_id = %(tenant)s AND p.seq = %(seq)s AND other.tenant_id = p.tenant_id AND other.seq = 0"
    )
    await ledger.shows({3: "the words it is found by are not its own"})


@pytest.mark.parametrize("value", ["occurred_at - interval '1 day'", "'infinity'", "'-infinity'", "'10000-01-01Z'"])
async def test_when_it_occurred_beside_the_words(ledger: Ledger, value: str) -> None:
    ledger.tamper(f"UPDATE indelible.event_personal SET occurred_at = {value} WHERE {ROW}")
    await ledger.shows({3: "beside its words it says that it occurred at"})


UNSETTLED = "Start\N{ROCKET}jetzt Ⱥb Müller \N{OSMANYA LETTER BA}"
"""Characters of after Unicode 3.2 beside an umlaut, which is older."""


async def test_words_that_versions_of_unicode_differ_on(ledger: Ledger, appender: Appender, intake: Intake) -> None:
    """What another version would have made of them is no contradiction; to leave out all others is one still."""
    (receipt,) = await send(appender, take(intake, ledger.tenant, metadata={"note": UNSETTLED, "who": "Sarah"}))
    await ledger.shows({})
    replaced = (
        "UPDATE indelible.event_personal SET search = array_to_tsvector(array_replace(tsvector_to_array(search), "
        f"indelible.word_prefix(tenant_id) || %(old)s, indelible.word_prefix(tenant_id) || %(new)s)) WHERE {ROW}"
    )
    for old, new in (("mjetzt", "mstart\N{ROCKET}jetzt"), ("mⱥb", "mȺb"), ("m\N{OSMANYA LETTER BA}", "m")):
        ledger.tamper(replaced, seq=receipt.seq, old=old, new=new)
        await ledger.shows({})
    ledger.tamper(replaced, seq=receipt.seq, old="mmuller", new="mpayroll")
    await ledger.shows({receipt.seq: "1 missing, 1 that do not belong to it"})


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
