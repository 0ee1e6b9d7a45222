"""What PostgreSQL is asked for: whatever anybody types, it takes it, and of what they may not see it says nothing."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.store.appender import Appender
from indelible.store.deciding import fulfils
from indelible.store.filter import Changed, Condition, Filter, Is, Term
from indelible.store.finding import HiddenPart, find
from indelible.store.intake import Intake
from indelible.store.narrowing import matching, narrowed
from indelible.store.session import Database as Connections
from indelible.store.view import ALL_PARTS, Part, View
from tests.postgres import Database
from tests.store.meaning import words_in
from tests.store.samples import as_superuser, examples, send, take

pytestmark = pytest.mark.anyio

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@examples(25)
@given(text=TEXTS, other=TEXTS)
@example(text="' | 'a':*", other="\\")
@example(text="\\' & !x", other="'")
@example(text="İstanbul ΣΊΣΥΦΟΣ ﬃ ½ e\u0301", other="\u0345")
@example(text="ᾴ ǰ ŉ ẞ Ω Å", other="a\u0301\u0323b")
@example(text='"quoted" \\n \t \u2028 \x7f', other="w" * 60)
async def test_whatever_is_in_an_event_it_is_found_by(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, text: str, other: str
) -> None:
    """By all of it, in every place that it can be in, and not in another one."""
    tenant = f"t-{uuid4().hex[:12]}"
    said: list[tuple[dict[str, Any], Condition, bool]] = [
        ({"actor": {"type": "user", "id": text}}, Is("actor_id", [text]), True),
        ({"actor": {"type": "user", "impersonator": {"id": text}}}, Is("actor_id", [text]), True),
        ({"targets": [{"type": "x"}, {"type": text, "id": text}]}, Is("target_id", [text]), True),
        ({"targets": [{"type": "x"}, {"type": text, "id": text}]}, Is("target_type", [text]), True),
        ({"context": {"ip_address": text}}, Is("ip_address", [text]), True),
        ({"context": {"session_id": text}}, Term([text]), True),
        ({"context": {"request_id": text}}, Term([text], phrase=True), True),
        ({"actor": {"type": "user", "name": text}}, Term([text]), False),
        ({"actor": {"type": "user", "email": text}}, Term([text], phrase=True, of="actor"), False),
        ({"targets": [{"type": "x", "name": text}]}, Term([text], of="target"), False),
        ({"changes": {text: {"from": text, "to": [text]}}}, Changed(text, "from", [text]), True),
        ({"changes": {text: {"from": text}}}, Term([text], phrase=True), False),
        ({"metadata": {text: text}}, Term([text]), False),
        ({"metadata": {"note": [{"k": text}]}}, Term([text], phrase=True), False),
    ]
    receipts = await send(appender, *[take(intake, tenant, **fields) for fields, _, _ in said])
    for receipt, (fields, condition, always) in zip(receipts, said, strict=True):
        if "[masked]" in str(take(intake, tenant, **fields).event):
            continue  # a key that happens to name a secret
        page = await find(connections, View(tenant), Filter(conditions=[condition]), catalog)
        assert not page.cut
        seqs = [record.seq for record in page.records]
        # Without a letter or a digit it is no word, and found as a whole alone.
        assert (receipt.seq in seqs) is (always or bool(words_in(text))), (fields, condition)
        excluded = Filter(conditions=[type(condition)(**{**_fields(condition), "excluded": True})])
        others = [record.seq for record in (await find(connections, View(tenant), excluded, catalog)).records]
        assert sorted([*seqs, *others]) == list(range(len(said) + 1))
    await find(connections, View(tenant), Filter(conditions=[Term([other]), Is("action", [f"*{other}*"])]), catalog)


def _fields(condition: Condition) -> dict[str, Any]:
    return {name: getattr(condition, name) for name in condition.__slots__}


MARKED = {
    "changes": {"plan": {"from": "secretfrom", "to": "secretto"}},
    "metadata": {"note": "secretmeta"},
    "context": {"ip_address": "203.0.113.9", "session_id": "secretsession", "request_id": "secretrequest"},
}
OF_A_PART: list[tuple[Part, Condition]] = [
    ("ip_address", Is("ip_address", ["203.0.113.9"])),
    ("session_id", Is("session_id", ["secretsession"])),
    ("request_id", Is("request_id", ["secretrequest"])),
    ("changes", Changed("plan")),
    ("changes", Changed("plan", "to", ["secretto"])),
]
WORDS: dict[Part, list[str]] = {
    "changes": ["secretfrom", "plan"], "metadata": ["secretmeta", "note"], "ip_address": ["203.0.113.9", "203"],
    "session_id": ["secretsession"], "request_id": ["secretrequest"],
}  # fmt: skip


@pytest.mark.parametrize("member", [None, "usr_7"], ids=["reader", "member"])
async def test_nothing_is_found_by_a_part_that_is_not_shown(
    appender: Appender, connections: Connections, database: Database, intake: Intake, catalog: Catalog, tenant: str,
    member: str | None,
) -> None:  # fmt: skip
    """Neither by a condition on it, which is refused, nor by its words, which are as if they were not there."""
    await send(appender, take(intake, tenant, actor={"type": "user", "id": "usr_7"}, **MARKED))
    for part, words in WORDS.items():
        for parts, shown in ((ALL_PARTS, True), (ALL_PARTS - {part}, False)):
            as_superuser(
                database,
                "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) "
                "VALUES (%(tenant)s, true, %(sees)s) ON CONFLICT (tenant_id) DO UPDATE SET member_sees = %(sees)s",
                tenant=tenant, sees=sorted(parts),
            )  # fmt: skip
            view = View(tenant, member, parts=parts)
            for word in words:
                for phrase in (False, True) if word != "203" else (False,):
                    where = Filter(conditions=[Term([word], phrase=phrase)])
                    found = (await find(connections, view, where, catalog)).records
                    assert [record.seq for record in found] == ([1] if shown else []), (word, phrase)
            for of, condition in OF_A_PART:
                for excluded in (False, True):
                    where = Filter(conditions=[type(condition)(**{**_fields(condition), "excluded": excluded})])
                    if of == part and not shown:
                        with pytest.raises(HiddenPart) as caught:
                            await find(connections, view, where, catalog)
                        assert caught.value.part == part
                    else:
                        found = (await find(connections, view, where, catalog)).records
                        assert (1 in [record.seq for record in found]) is not excluded


@pytest.mark.parametrize("text", ["account", "access", "on"])
async def test_a_minus_leaves_out_no_more_than_the_word(
    appender: Appender, connections: Connections, intake: Intake, catalog: Catalog, tenant: str, text: str
) -> None:
    """What it means besides finds more, and left out it would hide what nobody named: each event decides so, too."""
    actions = ("user.created", "document.viewed", "user.mfa_enabled", "account.closed", "access.given", "on.off")
    await send(appender, *[take(intake, tenant, action=action) for action in actions])
    said = {"account": {"account.closed"}, "access": {"access.given"}, "on": {"on.off"}}[text]
    condition = Term([text])
    left_out = replace(condition, excluded=True)
    found = (await find(connections, View(tenant), Filter(conditions=[condition]), catalog)).records
    others = (await find(connections, View(tenant), Filter(conditions=[left_out]), catalog)).records
    assert {record.event.action for record in found} > said
    assert {record.event.action for record in others if record.event.action in actions} == {*actions} - said
    assert all(fulfils(record, [left_out], catalog) for record in others)
    assert not any(fulfils(record, [left_out], catalog) for record in found if record.event.action in said)


async def test_members_are_found_nothing_of_others(
    appender: Appender, connections: Connections, database: Database, intake: Intake, catalog: Catalog, tenant: str
) -> None:
    """And what is asked for them is the same, whatever names and actions the others' events have."""
    view = View(tenant, "usr_7")
    own = {"action": "invoice.sent", "actor": {"type": "user", "id": "usr_7", "name": "Sarah Chen"}}
    filters = [
        Filter(conditions=[Term([text])]) for text in ("ell", "grace", "hopper", "voided", "invoice", "oice", "us")
    ] + [Filter(conditions=[Is("action", ["*voided", "inv*"])])]

    async def asked() -> list[object]:
        found: list[object] = []
        for where in filters:
            async with connections.transaction("member", tenant, member="usr_7") as connection:
                narrow = await narrowed(connection, view, where, catalog)
            page = await find(connections, view, where, catalog)
            found += [(narrow.words, narrow.parameters), [record.seq for record in page.records]]
        return found

    as_superuser(
        database,
        "INSERT INTO indelible.tenant_settings (tenant_id, member_access, member_sees) VALUES (%(tenant)s, true, '{}')",
        tenant=tenant,
    )
    await send(appender, take(intake, tenant, **own))
    before = await asked()
    assert [1] in before  # an action of one's own, though no catalog has it
    other = {"type": "user", "id": "usr_8", "name": "Grace Hopper-Bell"}
    await send(appender, take(intake, tenant, action="invoice.voided", actor=other, targets=[{"type": "us"}]))
    assert await asked() == before


@pytest.mark.parametrize(
    ("pattern", "action", "fits"),
    [
        ("*" * 250 + "z", "user.role_changed", False),
        ("*a" * 60 + "b", "a" * 128, False),
        ("*a" * 60, "a" * 128, True),
        ("a*a", "a", False),
        ("a*bc*c", "abc", False),
        ("a*bc*c", "abcc", True),
        ("*ab", "aab", True),
        ("USER.*", "user.invited", True),
    ],
)
def test_a_pattern_of_many_stars_takes_no_longer_than_others(pattern: str, action: str, fits: bool) -> None:
    """Where each star tries every length again, the first of these never ends."""
    assert matching(pattern)(action) is fits
