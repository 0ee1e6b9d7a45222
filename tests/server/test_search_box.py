"""The search box: what people write, what it means, and where it goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.catalog import Catalog
from indelible.server.asked import FILLERS
from indelible.server.search_box import QUALIFIERS, BadSearch, Search, search
from indelible.store.filter import Changed, Condition, Is, Term

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def words(*texts: str, excluded: bool = False) -> tuple[Condition, ...]:
    return tuple(Term((text,), excluded=excluded) for text in texts)


def phrase(text: str, *, excluded: bool = False) -> Term:
    return Term((text,), phrase=True, excluded=excluded)


def found(text: str) -> Search:
    return search(text, now=NOW, catalog=Catalog({}, {}))


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("sarah", words("sarah")),
        ("  sarah\tchen\n", words("sarah", "chen")),
        ("sarah sarah", words("sarah")),
        ('"sarah chen" role', (phrase("sarah chen"), *words("role"))),
        ("“sarah chen” „role change“", (phrase("sarah chen"), phrase("role change"))),
        ("-on -off", words("on", "off", excluded=True)),
        ('-bot -"night shift"', (*words("bot", excluded=True), phrase("night shift", excluded=True))),
        ("–bot −cron", words("bot", "cron", excluded=True)),
        # Punctuation around a word, and what is nothing else.
        ("(sarah), 'chen'! ... — – &", words("sarah", "chen")),
        ("--x", words("x", excluded=True)),
        ("sarah@acme.example don't a-b e.g.", words("sarah@acme.example", "don't", "a-b", "e.g")),
        # Numbers as sentences show them, and what only looks like one.
        ("48,212 -1,234,567 (€1,234.50)", (*words("48212"), *words("1234567", excluded=True), *words("€1234.50"))),
        ("1,234,5678 10,20,300 a1,234 1,234,a", words("1,234,5678", "10,20,300", "a1,234", "1,234,a")),
        ('"48,212" target:"48,212"', (phrase("48,212"), Term(("48,212",), of="target"))),
        ('"us*r" "-" actor:sarah*', (phrase("us*r"), Term(("sarah*",), of="actor"))),
        # Colons, and no qualifiers.
        ("https://acme.example/a?b=c:d", words("https://acme.example/a?b=c:d")),
        ("10:30 2001:db8::1 ::1 fe80:: 3c:22:fb:aa:00:01",
         words("10:30", "2001:db8::1", "::1", "fe80", "3c:22:fb:aa:00:01")),
        ("arn:aws:iam::123456789012:user/x", words("arn:aws:iam::123456789012:user/x")),
        (r"C:\logs usr_7:x", words(r"C:\logs", "usr_7:x")),
        ('"actr:sarah"', (phrase("actr:sarah"),)),
        ('say"so', words('say"so')),
        ("or not a=b actor=", words("or", "not", "a=b", "actor")),
        ('"OR" "since=7d"', (phrase("OR"), phrase("since=7d"))),
        # Qualifiers.
        ("actor:sarah", (Term(("sarah",), of="actor"),)),
        ('actor:sarah,"tom smith" actor:ann', (Term(("sarah", "tom smith", "ann"), of="actor"),)),
        ("-target:a target:b", (Term(("a",), of="target", excluded=True), Term(("b",), of="target"))),
        ("Actor:Sarah", (Term(("Sarah",), of="actor"),)),
        ("actor:arn:aws:iam::1:x", (Term(("arn:aws:iam::1:x",), of="actor"),)),
        ("action:role", (Is("action", ("*role*",)),)),
        ('action:user.*,"user.joined",login', (Is("action", ("user.*", "user.joined", "*login*")),)),
        ("outcome:denied,failure", (Is("outcome", ("denied", "failure")),)),
        ("outcome:denied outcome:failure outcome:denied", (Is("outcome", ("denied", "failure")),)),
        ("-outcome:SUCCESS category:auth", (Is("outcome", ("success",), excluded=True), Is("category", ("auth",)))),
        ("outcome:failed,OK,succeeded,failure", (Is("outcome", ("failure", "success")),)),
        ("ip:192.0.2.* -ip:2001:db8:*", (Is("ip_address", ("192.0.2.*",)), Is("ip_address", ("2001:db8:*",), True))),
        ("operation:deleted source:api actor_type:user",
         (Is("operation", ("deleted",)), Is("source", ("api",)), Is("actor_type", ("user",)))),
        ("ip:2001:db8::1 session:s1 request:r1 type:document",
         (Is("ip_address", ("2001:db8::1",)), Is("session_id", ("s1",)), Is("request_id", ("r1",)),
          Is("target_type", ("document",)))),
        # The names of the URL, and their aliases, do as well, and are the same filter.
        ("ip_address:1 ip:2 resource_id:a target_id:b event_type:c",
         (Is("ip_address", ("1", "2")), Is("target_id", ("a", "b")), Is("action", ("*c*",)))),
        ("changed:plan -changed:role", (Changed("plan"), Changed("role", excluded=True))),
        ('changes.Plan.from:pro changes.plan.to:"" changes.a.b:*',
         (Changed("Plan", "from", ("pro",)), Changed("plan", "to", ("",)), Changed("a.b"))),
        ("changes.from:x changes.to.to:y,*", (Changed("from", None, ("x",)), Changed("to", "to"))),
    ],
)  # fmt: skip
def test_what_it_means(text: str, conditions: tuple[Condition, ...]) -> None:
    assert found(text).conditions == conditions
    assert (found(text).since, found(text).until) == (None, None)


def at(day: int, hour: int = 0, minute: int = 0, *, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("since:7d", NOW - timedelta(days=7), None),
        ("since:2026-03 until:2026-04", at(1, month=3), at(1, month=4)),
        ("until:2026-03-05 a", None, at(5, month=3)),
        ("since:2026-03-05T10:00:00+01:00", at(5, 9, month=3), None),
        ("since:yesterday until:Today", at(20), at(21)),
        ("since:30days until:45min", NOW - timedelta(days=30), NOW - timedelta(minutes=45)),
        ("since:2weeks until:12Hours", NOW - timedelta(weeks=2), NOW - timedelta(hours=12)),
        ("since:2026-11-10T21:00 until:2026-11-10T21:05Z", at(10, 21), at(10, 21, 5)),
        ("since:2026-11-10t21:00:00 until:2026-11-10T22:05+01:00", at(10, 21), at(10, 21, 5)),
        ('since:"2026-11-10 21:00"', at(10, 21), None),
        ("on:2026-11-30", at(30), at(1, month=12)),
        ("on:yesterday", at(20), at(21)),
        ("on:2026-11", at(1), at(1, month=12)),
    ],
)
def test_moments(text: str, since: datetime | None, until: datetime | None) -> None:
    """Days are those of UTC."""
    assert (found(text).since, found(text).until) == (since, until)


@pytest.mark.parametrize(
    ("text", "conditions", "items", "ignored"),
    [
        ("who reset Tomas MFA", words("reset", "Tomas", "MFA"), "reset Tomas MFA", "who"),
        ("Who deleted the project?", words("deleted", "project"), "deleted project", "Who the"),
        ("Wer hat Müllers Rolle geändert?", words("Müllers", "Rolle", "geändert"), "Müllers Rolle geändert", "Wer hat"),
        ("what did actor:sofia do", (Term(("sofia",), of="actor"),), "actor:sofia", "what did do"),
        ("who changed Sofia's role, and Tomas' or Ann’s?", words("changed", "Sofia", "role", "Tomas", "or", "Ann"),
         "changed Sofia's role Tomas' or Ann’s", "who and"),
        ("sarah AND tom", words("sarah", "tom"), "sarah tom", "AND"),
        # What says what happened, and what only leads to when or where.
        ("who signed in", words("signed", "in"), "signed in", "who"),
        ("what happened in Billing", words("Billing"), "Billing", "what happened in"),
        ("who signed in on Monday", words("signed", "in", "Monday"), "signed in Monday", "who on"),
        ("Who switched off MFA on Sarah's account?",
         (*words("switched"), Term(("off", "false")), *words("MFA", "Sarah", "account")),
         "switched off MFA Sarah's account", "Who on"),
        ("switched MFA in Billing", words("switched", "MFA", "Billing"), "switched MFA Billing", "in"),
        ("who signed up in Billing", words("signed", "up", "Billing"), "signed up Billing", "who in"),
        ("turned on SSO, switched MFA on",
         (*words("turned"), Term(("on", "true")), *words("SSO", "switched", "MFA")),
         "turned on SSO switched MFA on", ""),
        ("MFA was turned on", (*words("MFA", "turned"), Term(("on", "true"))), "MFA turned on", "was"),
        ("not off, no 'out'", (*words("not"), Term(("off", "false")), *words("no", "out")), "not off no 'out'", ""),
        # In quotes, left out, or all there is: a word like others.
        ('"the" -who x', (phrase("the"), *words("who", excluded=True), *words("x")), '"the" -who x', ""),
        ("who did what?!", words("who", "did", "what"), "who did what", ""),
        ("An", words("An"), "An", ""),
        ("die - &", words("die"), "die", ""),
    ],
)  # fmt: skip
def test_a_question_is_what_it_asks_about(
    text: str, conditions: tuple[Condition, ...], items: str, ignored: str
) -> None:
    if " - " in text:  # a minus alone is refused wherever it stands
        with pytest.raises(BadSearch, match="minus alone"):
            found(text)
        text = text.replace(" -", "")
    got = found(text)
    assert got.conditions == conditions
    assert (" ".join(got.items), " ".join(got.ignored)) == (items, ignored)


@pytest.mark.parametrize(
    ("text", "since", "until", "items"),
    [
        ("what did sofia do yesterday?", at(20), at(21), ["sofia", "yesterday"]),
        ("what happened today", at(21), at(22), ["today"]),
        ("wer war am 2026-11-05 da", at(5), at(6), ["am 2026-11-05", "da"]),
        ("exported on 2026-11-05.", at(5), at(6), ["exported", "on 2026-11-05"]),
        ("exports since 7d before yesterday", NOW - timedelta(days=7), at(20),
         ["exports", "since 7d", "before yesterday"]),
        ("seit gestern", at(20), None, ["seit gestern"]),
        # A qualifier, or what says it first, means its time alone; and so does no time at all.
        ("since:7d yesterday", NOW - timedelta(days=7), None, ["since:7d", "yesterday"]),
        ("who turned SSO on yesterday", at(20), at(21), ["turned", "SSO", "on", "yesterday"]),
        ("exports in 2026-11", at(1), at(1, month=12), ["exports", "in 2026-11"]),
        ("between yesterday and today", at(20), at(22), ["between yesterday", "and today"]),
        ("who left from 2026-11-02 to 2026-11-05?", at(2), at(6), ["left", "from 2026-11-02", "to 2026-11-05"]),
        ("von 2026-10 bis gestern", at(1, month=10), at(21), ["von 2026-10", "bis gestern"]),
        ("from Sam to today", at(21), at(22), ["Sam", "today"]),
        # A name, and none.
        ("who read USA Today", None, None, ["read", "USA", "Today"]),
        ("who invited Sam today", at(21), at(22), ["invited", "Sam", "today"]),
        ("Yesterday Sam", at(20), at(21), ["Yesterday", "Sam"]),
        ('"yesterday" -today', None, None, ['"yesterday"', "-today"]),
        ("on friday since when 2026-11-05", None, None, ["friday", "since", "2026-11-05"]),
    ],
)  # fmt: skip
def test_words_that_say_when(text: str, since: datetime | None, until: datetime | None, items: list[str]) -> None:
    got = found(text)
    assert (got.since, got.until, [*got.items]) == (since, until, items)


some_words = st.lists(
    st.sampled_from(["Tomas", "reset", "Sam's", '"who did"', "actor:sam", "-login", "signed", "yesterday", "since:7d"]),
    min_size=1, max_size=4,
)  # fmt: skip
fillers = st.sampled_from(sorted(FILLERS - {"in", "on", "am"}))


@given(some_words, st.lists(st.tuples(fillers, st.integers(0, 9), st.booleans()), max_size=5))
def test_words_of_a_question_change_nothing(said: list[str], added: list[tuple[str, int, bool]]) -> None:
    """Wherever they stand: none makes an error of a search, or finds less. What is told to be looked for is."""
    with_fillers = [*said]
    for filler, place, is_capital in added:
        with_fillers.insert(place, filler.capitalize() if is_capital else filler)
    try:
        plain = found(" ".join(said))
    except BadSearch:  # since: twice
        return
    asked = found(f"{' '.join(with_fillers)} ?")
    assert (asked.conditions, asked.since, asked.until, asked.values) == (
        plain.conditions, plain.since, plain.until, plain.values
    )  # fmt: skip
    assert len(asked.ignored) == len(added)
    assert found(" ".join(asked.items)).conditions == asked.conditions


def test_a_time_that_is_looked_for_is_a_word() -> None:
    """Behind what is no day, and before it; and in quotes anywhere."""
    assert found("since:7d 21:00").conditions == words("21:00")
    assert found("21:00 since:2026-11-10").conditions == words("21:00")
    assert found('since:2026-11-10 "21:00"').conditions == (phrase("21:00"),)


def test_a_severity_is_that_of_the_catalogs_actions(catalog: Catalog) -> None:
    """One that no action has is found nowhere, rather than everywhere."""
    (critical,) = search("severity:critical", now=NOW, catalog=catalog).conditions
    assert isinstance(critical, Is)
    assert critical.field == "action"
    assert set(critical.values) == {a.name for a in catalog.actions.values() if a.severity == "critical"}
    assert critical.values
    assert found("severity:critical").conditions == (Is("action", ()),)


def test_values_are_counted() -> None:
    assert found('who e "b c" actor:x,y -z since:7d ...').values == 6


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("actr:sarah", 1, ["found actr:", "did you mean actor:?", "put it in quotes", '"actr:sarah"']),
        ("sarah  -acton:x", 9, ["did you mean action:?"]),
        ("  role actr:sarah", 8, ["did you mean actor:?"]),
        ("from:pro", 1, ["did you mean changes.FIELD.from:?"]),
        ("user:sarah", 1, ["did you mean actor:?"]),
        ("impersonator:dana", 1, ["did you mean actor:?"]),
        ("role:admin", 1, ["did you mean changes.role:?"]),
        ("sarah OR tom", 7, ["found OR", "actor:sarah,tom", "put it in quotes"]),
        ("NOT sarah", 1, ["found NOT", "-word"]),
        ("sarah since=7d", 7, ["found since=, expected a colon, since:", "put it in quotes"]),
        ("-Actor=tom", 2, ["found Actor=, expected a colon, Actor:"]),
        ("Re: invoice", 1, [f"{name}:" for name in QUALIFIERS]),
        ('sarah "chen', 7, ["found a quote without its other half"]),
        ('actor:"sarah', 7, ["found a quote without its other half"]),
        ('-"', 2, ["found a quote without its other half"]),
        ('"sarah"chen', 8, ["found 'c', expected a space"]),
        ('actor:"a"b', 10, ["found 'b', expected a space"]),
        ("actor:", 6, ["found the end, expected a value right behind the colon"]),
        ("actor: sarah", 7, ["found a space, expected a value right behind the colon"]),
        ("outcome:denied, failure", 16, ["found a space, expected a value right behind the comma"]),
        ("outcome:denied,", 15, ["found the end, expected a value right behind the comma"]),
        ("outcome:denied,,failure", 16, ["found ',', expected a value right behind the comma"]),
        ("outcome:success,good", 17, ["outcome: must be one of success, failure, denied"]),
        ("outcome:blocked", 9, ["outcome: must be one of", "did you mean denied?"]),
        ("ip:203.0.113.0/24", 4, ["ip: takes no network", "the beginning and a star: 203.0.113.*"]),
        ("ip:10.0.0.0/8", 4, ["a star: 10.*"]),
        ("ip:10.0.0.0/20", 4, ["a star: 192.0.2.*"]),
        ("ip:2001:db8::/32", 4, ["a star: 2001:db8:*"]),
        ("ip:192.*.2.1", 4, ["at the end only"]),
        ("sarah - login", 7, ["a minus alone", "directly before what it leaves out", "put it in quotes"]),
        ("sarah -", 7, ["a minus alone"]),
        ("us*r", 3, ["finds what begins with it anyway; write us."]),
        ("-view*", 6, ["finds what begins with it anyway; write view."]),
        ("*man* x", 1, ["write man."]),
        ("sarah *", 7, ["leave it out"]),
        ("user.*", 6, ["write user, or action:user.* for actions"]),
        ("category:acces", 10, ["must be one of auth, access, data", "did you mean access?"]),
        ("severity:high", 10, ["must be one of info, notice, warning, critical"]),
        ("since:monday", 7, ["must be a date in UTC", "today, yesterday", "RFC 3339", "7d"]),
        ("since:1month", 7, ["no months", "write 30d"]),
        ("until:2Years", 7, ["write 730d"]),
        ("since:2026-11-10 21:00 x", 18, ["a time goes with T and Z: since:2026-11-10T21:00Z"]),
        ("Until:yesterday (9:05:10+01:00)", 17, ["until:2026-11-20T09:05:10+01:00"]),
        ("on:2026-11-10 21:00", 15, ["on: is a whole day", "since:2026-11-10T21:00Z"]),
        ("since 2026-11-05 09:00", 18, ["since:2026-11-05T09:00Z"]),
        ("on 2026-11-05 09:00", 15, ["on: is a whole day", "since:2026-11-05T09:00Z"]),
        ("yesterday at 09:00", 14, ["since:2026-11-20T09:00Z"]),
        ("who signed in yesterday after 18:00?", 31, ["since:2026-11-20T18:00Z"]),
        ("gestern um 9:00", 12, ["since:2026-11-20T09:00Z"]),
        ("who signed in at 18:00 yesterday", 18, ["since:2026-11-20T18:00Z"]),
        ("exports since 1month", 15, ["since: counts no months", "write 30d"]),
        ("today or yesterday", 10, ["found yesterday beside today", "put it in quotes"]),
        ("yesterday since 7d", 11, ["found since 7d beside yesterday"]),
        ("from today to yesterday", 15, ["since: must be before until:"]),
        ("since:7d until:8d", 16, ["since: must be before until:", "2026-11-14T09:30:00Z is not before 2026-11-13T09"]),
        ("until:today x since:today", 21, ["2026-11-21T00:00:00Z is not before 2026-11-21T00:00:00Z"]),
        ("since:7d on:today", 10, ["on: is there beside since:", "leave one out"]),
        ("on:today on:yesterday", 10, ["on: is there twice"]),
        ("on:payroll", 4, ["on: must be a day or a month in UTC", "target:"]),
        ("on:7d", 4, ["on: must be a day"]),
        ("on:2026-02-30", 4, ["on: must be a day"]),
        ("on:9999-12-31", 4, ["on: must be a day"]),
        ("on:today,yesterday", 10, ["one alone", "since: and until:"]),
        ("-on:today", 2, ["takes no minus", "until:", "since:"]),
        ("since:2026-13", 7, ["must be a date in UTC"]),
        ("since:7d since:8d", 10, ["there twice"]),
        ("-until:7d", 2, ["takes no minus", "write since:"]),
        ("since:7d,8d", 10, ["one alone"]),
        ("changed:plan,role", 14, ["one alone", "changed both"]),
        ('actor:""', 7, ["expected a name or an id"]),
        ("actor:--", 7, ["expected a name or an id"]),
        ('ip:""', 4, ["must have 1 to 256 characters"]),
        (f"a actor:{'x' * 257}", 9, ["must have 1 to 256 characters"]),
        ("x" * 257, 1, ["must have 1 to 256 characters"]),
        ("... —", 1, ["no letter and no digit"]),
        ('""', 1, ["no letter and no digit"]),
        ("   ", 1, ["nothing to look for"]),
        ("", 1, ["nothing to look for"]),
        ("a\0b", 2, ["NUL"]),
        ("a " * 513, 1025, ["longer than 1,024 characters"]),
    ],
)
def test_where_it_goes_wrong(text: str, position: int, said: list[str]) -> None:
    with pytest.raises(BadSearch) as raised:
        found(text)
    message = str(raised.value)
    assert message.startswith(f"at character {position}: ")
    assert [part for part in said if part not in message] == []


pieces = st.sampled_from(
    ["actor:", "-", '"', ",", ":", " ", "since:", "changes.", ".from:", "x", "actr:", "::", "//", "“", "\\", "*", "é",
     "7d", "on:", "today", "until:", "9:00", "1,000", "/8", "ip:", "changed:", "severity:", "\t", "(", "-since:",
     "2026-03", " from ", " to ", " today ", " since "]
)  # fmt: skip


@given(st.text(max_size=1024) | st.lists(pieces, max_size=60).map("".join))
def test_any_text_is_read_or_the_place_is_told(text: str) -> None:
    try:
        result = found(text)
    except BadSearch as wrong:
        error = wrong
    else:
        assert result.conditions or result.since or result.until
        return
    assert 1 <= error.position <= max(1, len(text))
    assert str(error).startswith(f"at character {error.position}: ")


plain = st.from_regex(r"[a-z0-9]{0,11}[0-9]", fullmatch=True)
"""No words of a question."""
quoted = st.from_regex(r"[a-z0-9]([a-z0-9 ,:()-]{0,12}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(st.sampled_from(["actor", "target", "ip", "session", "type"]),
                       st.lists(quoted, min_size=1, max_size=3, unique=True)),
       st.lists(plain, unique=True, max_size=3), st.lists(quoted, unique=True, max_size=3), st.booleans())  # fmt: skip
def test_what_is_put_in_comes_out(
    qualifiers: dict[str, list[str]], single: list[str], phrases: list[str], excluded: bool
) -> None:
    """Nothing is lost and nothing added, whatever stands beside what, and whatever stands in the quotes."""
    fields = {"ip": "ip_address", "session": "session_id", "type": "target_type"}
    sign = "-" if excluded else ""
    written = [f"{sign}{word}" for word in single] + [f'{sign}"{text}"' for text in phrases]
    written += [f"{sign}{name}:" + ",".join(f'"{v}"' for v in values) for name, values in qualifiers.items()]
    if not written:
        return
    expected: list[Condition] = [*words(*single, excluded=excluded), *(phrase(t, excluded=excluded) for t in phrases)]
    for name, values in qualifiers.items():
        if name in fields:
            expected.append(Is(fields[name], tuple(values), excluded))  # type: ignore[arg-type]
        else:
            expected.append(Term(tuple(values), of=name, excluded=excluded))  # type: ignore[arg-type]
    assert found(" ".join(written)).conditions == tuple(expected)
