"""What is asked of a log: classes of queries, with parameters drawn from the events of `population` that are there.

Each question is an address of the API and the same in plain SQL: `Question.bare`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import psycopg

from indelible.store.words import fold, lexeme, tokens
from payloads import FIRST, LAST
from population import ABOUT, BIG, NOUNS, RARE_WORD

__all__ = ["CLASSES", "PAGE", "Class", "Fact", "Facts", "Question", "Way", "page_after"]

PAGE = 50
"""Events of a page."""

Way = Literal["time", "words"]
"""The index that a page is read by."""

Parameters = dict[str, Any]


class Fact(NamedTuple):
    """An event that there is."""

    id: str
    seq: int
    occurred_at: datetime
    action: str
    category: str | None
    operation: str | None
    outcome: str
    source: str
    actor: dict[str, Any]
    """Its id, name and e-mail address, as far as it has them; and so on below."""
    targets: Sequence[dict[str, Any]]
    context: dict[str, Any]
    metadata: dict[str, Any]


class Facts:
    """Some events of `BIG`, chosen evenly, so that what is frequent is drawn frequently."""

    def __init__(self, found: Sequence[Fact], size: int) -> None:
        self.found = found
        self.size = size
        """Of the ledger, in entries."""
        ids = [str(fact.actor.get("id")) for fact in found]
        self.people = 1 + max(int(name[4:]) for name in ids if re.fullmatch("usr_[0-9]+", name))
        """usr_n acts about 1 / (n + 1) as often as usr_0."""

    @classmethod
    def read(cls, connection: psycopg.Connection, rng: random.Random, count: int = 4000) -> Facts:
        row = connection.execute("SELECT size FROM indelible.ledgers WHERE tenant_id = %s", (BIG,)).fetchone()
        if row is None or row[0] < 1000:
            raise SystemExit(f"the tenant {BIG!r} has no events there; fill the database with bench/fill.py")
        seqs = rng.sample(range(1, row[0]), min(count, row[0] - 1))
        rows = connection.execute(
            """SELECT e.seq, e.occurred_at, e.entry, p.actor, p.targets, p.context, p.metadata
               FROM unnest(%s::bigint[]) wanted (seq)
               CROSS JOIN LATERAL (SELECT * FROM indelible.events e WHERE e.tenant_id = %s AND e.seq = wanted.seq) e
               CROSS JOIN LATERAL (SELECT * FROM indelible.event_personal p
                   WHERE p.tenant_id = e.tenant_id AND p.seq = e.seq AND p.recorded_at = e.recorded_at) p
               WHERE e.action !~ '^(ledger|audit_log)[.]'
                 AND (p.actor LIKE %s OR p.actor IS NULL OR p.actor NOT LIKE '%%@%%') -- not what `Fresh` sent""",
            (seqs, BIG, f"%@{BIG}.example%"),
        )
        return cls([_fact(*each) for each in rows.fetchall()], row[0])

    def one(self, rng: random.Random, fits: Callable[[Fact], object] = lambda _: True) -> Fact:
        for _ in range(100_000):
            if fits(fact := rng.choice(self.found)):
                return fact
        raise SystemExit("the events that were filled in lack what is to be asked for; fill them anew")


def _fact(seq: int, occurred_at: datetime, entry: bytes, *disclosed: str | None) -> Fact:
    said = json.loads(entry)
    actor, targets, context, metadata = (json.loads(text)[2] if text else {} for text in disclosed)
    names = targets or [None] * len(said.get("targets", ()))
    return Fact(
        said["id"], seq, occurred_at.astimezone(UTC),
        said["action"], said.get("category"), said.get("operation"), said["outcome"], said["source"],
        {**said["actor"], **actor},
        [{**target, "name": name} for target, name in zip(said.get("targets", ()), names, strict=True)],
        context, metadata,
    )  # fmt: skip


class Condition(NamedTuple):
    """Of an event, by its columns (`e`, with `{}` for the value) or by its words; some can be put both ways."""

    column: str | None = None
    value: object = None
    words: str | None = None
    """A tsquery."""


@dataclass
class Question:
    path: str
    conditions: Sequence[Condition] = ()
    finds: str | None = None
    """The id of an event that is in the answer, if that is all there is."""
    nothing: bool = False
    """There is no such event."""
    ways: Sequence[Way] = field(default=())
    own: tuple[str, Parameters] | None = None
    """The SQL, where it is not that of a page."""
    limit: int = PAGE

    def __post_init__(self) -> None:
        if not self.ways:
            self.ways = ("time", "words") if any(c.words for c in self.conditions) else ("time",)

    @property
    def counted(self) -> tuple[str, Parameters] | None:
        """The statement that counts the events that have the words, `%(most)s` at most; None where there are none."""
        if self.own is not None or len(self.ways) == 1:
            return None
        words = " & ".join(f"({condition.words})" for condition in self.conditions if condition.words is not None)
        return _COUNT, {"words": words}

    def bare(self, way: Way) -> tuple[str, Parameters]:
        """The statement that reads the entries and the disclosures of the page, and its parameters."""
        if self.own is not None:
            return self.own
        columns: list[str] = []
        words: list[str] = []
        values: Parameters = {"tenant": BIG}
        for number, condition in enumerate(self.conditions):
            by_word = condition.words is not None and (way == "words" or condition.column is None)
            if by_word:
                words.append(f"({condition.words})")
            elif condition.column is not None:
                columns.append(f"AND {condition.column.format(f'%(c{number})s')}")
                values[f"c{number}"] = condition.value
        if words:
            values["words"] = " & ".join(words)
        if way == "words":
            cut = "" if columns else f"LIMIT {self.limit}"
            page = _BY_WORDS.format(cut=cut, columns=" ".join(columns), limit=self.limit)
        else:
            page = _BY_TIME.format(columns=" ".join(columns), words=_HAS_WORDS if words else "", limit=self.limit)
        return page + _DISCLOSURES, values


# What PostgreSQL does best with the indexes that there are. The tenant is in the words already.
_BY_TIME = """
    WITH page AS MATERIALIZED (
        SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM indelible.events e {words}
        WHERE e.tenant_id = %(tenant)s {columns}
        ORDER BY e.occurred_at DESC, e.seq DESC LIMIT {limit}
    )"""
_HAS_WORDS = """
    CROSS JOIN LATERAL (
        SELECT FROM indelible.event_personal p
        WHERE p.tenant_id = %(tenant)s AND p.seq = e.seq AND p.recorded_at = e.recorded_at
            AND p.search @@ %(words)s::tsquery LIMIT 1
    ) has"""
_BY_WORDS = """
    WITH found AS MATERIALIZED (
        SELECT p.occurred_at, p.seq, p.recorded_at FROM indelible.event_personal p
        WHERE p.search @@ %(words)s::tsquery ORDER BY p.occurred_at DESC, p.seq DESC {cut}
    ), page AS MATERIALIZED (
        SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM found f
        CROSS JOIN LATERAL (
            SELECT * FROM indelible.events e
            WHERE e.tenant_id = %(tenant)s AND e.seq = f.seq AND e.recorded_at = f.recorded_at LIMIT 1
        ) e WHERE true {columns}
        LIMIT {limit}
    )"""
_DISCLOSURES = """
    SELECT page.*, p.actor, p.changes, p.context, p.metadata, p.targets, p.erased FROM page
    CROSS JOIN LATERAL (
        SELECT * FROM indelible.event_personal p
        WHERE p.tenant_id = %(tenant)s AND p.seq = page.seq AND p.recorded_at = page.recorded_at LIMIT 1
    ) p"""
_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM indelible.event_personal p WHERE p.search @@ %(words)s::tsquery LIMIT %(most)s
    ) found"""
_FEED = """
    WITH page AS MATERIALIZED (
        SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM indelible.events e
        WHERE e.tenant_id = %(tenant)s AND e.seq > %(after)s ORDER BY e.seq LIMIT 50
    )"""
_FACETS = """
    WITH newest AS MATERIALIZED (
        SELECT * FROM indelible.events e {words} WHERE e.tenant_id = %(tenant)s {columns}
            AND e.occurred_at >= %(since)s AND e.recorded_at >= %(since)s - interval '1 day'
        ORDER BY e.occurred_at DESC, e.seq DESC LIMIT 10000
    )
    SELECT action, category, operation, outcome, source, actor_id, target_type, date_trunc('day', occurred_at), count(*)
    FROM newest GROUP BY GROUPING SETS
        ((action), (category), (operation), (outcome), (source), (actor_id), (target_type),
         (date_trunc('day', occurred_at)))
"""
_CONTEXT = """
    WITH page AS MATERIALIZED (
        (SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM indelible.events e
         WHERE e.tenant_id = %(tenant)s AND (e.occurred_at, e.seq) < (%(at)s, %(seq)s)
         ORDER BY e.occurred_at DESC, e.seq DESC LIMIT 10)
        UNION ALL
        (SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM indelible.events e
         WHERE e.tenant_id = %(tenant)s AND (e.occurred_at, e.seq) >= (%(at)s, %(seq)s)
         ORDER BY e.occurred_at, e.seq LIMIT 11)
        UNION ALL
        (SELECT e.occurred_at, e.seq, e.recorded_at, e.leaf_hash, e.entry FROM (
            SELECT p.occurred_at, p.seq, p.recorded_at FROM indelible.event_personal p
            WHERE p.search @@ %(words)s::tsquery ORDER BY 1 DESC, 2 DESC LIMIT 20) f
         CROSS JOIN LATERAL (SELECT * FROM indelible.events e
            WHERE e.tenant_id = %(tenant)s AND e.seq = f.seq AND e.recorded_at = f.recorded_at LIMIT 1) e)
    )"""

Draw = Callable[[Facts, random.Random], Question]


class Class(NamedTuple):
    """Queries of one kind."""

    name: str
    draw: Draw
    heavy: bool = False
    goal: bool = False
    """Whether it is one of those that are to be answered in less than 20 ms."""


def page_after(cursor: str, occurred_at: str, seq: int) -> Question:
    """A page from within the timeline; where it begins is known from the page before."""
    place = "(({0}::text[])[1]::timestamptz, ({0}::text[])[2]::bigint)"
    return Question(
        _path({"cursor": cursor}), [Condition(f"(e.occurred_at, e.seq) < {place}", [occurred_at, str(seq)])]
    )


def _path(parameters: dict[str, str], rest: str = "") -> str:
    return f"/api/audit-log{rest}?{urlencode({'tenant_id': BIG, **parameters})}"


def _word(mark: Any, word: str, *, begins: bool = False) -> str:
    quoted = lexeme(BIG, mark, word).replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'{':*' if begins else ''}"


def _text(text: str, *, begins: bool = True) -> Condition:
    """Each word of a name, of the changes or of the metadata: what the bare statement looks for in words."""
    either = [" | ".join(_word(mark, word, begins=begins) for mark in "atcm") for word in sorted(tokens(text))]
    return Condition(words=" & ".join(f"({each})" for each in either))


def _id(field_: str, value: str) -> Condition:
    marks = {"actor_id": "ub", "target_id": "i", "ip": "x", "session_id": "s", "request_id": "r"}[field_]
    words = " | ".join(_word(mark, value) for mark in marks)
    return Condition("e.actor_id = {}" if field_ == "actor_id" else None, value, words)


def _action(action: str) -> Condition:
    return Condition("e.action = {}", action, _word("=", action))


def _outcome(outcome: str) -> Condition:
    return Condition("e.outcome = {}", outcome, None if outcome == "success" else _word("o", outcome))


def _column(name: str, value: str) -> Condition:
    return Condition(f"e.{name} = {{}}", value)


# The classes


def _newest(_: Facts, __: random.Random) -> Question:
    return Question(_path({}))


def _actor(first: float, last: float) -> Draw:
    """By rank: both are powers of the number of people."""

    def draw(facts: Facts, rng: random.Random) -> Question:
        number = int(rng.uniform(facts.people**first, facts.people**last)) - 1
        actor = f"usr_{number}"
        return Question(_path({"actor_id": actor}), [_id("actor_id", actor)])

    return draw


def _of_fact(parameter: str, value: Callable[[Fact], str | None], condition: Callable[[str], Condition]) -> Draw:
    def draw(facts: Facts, rng: random.Random) -> Question:
        fact = facts.one(rng, value)
        given = str(value(fact))
        return Question(_path({parameter: given}), [condition(given)], fact.id)

    return draw


def _wildcard(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng)
    head, _, tail = fact.action.partition(".")
    pattern = rng.choice([f"{head}.*", f"*.{tail}"])
    like = pattern.replace("_", r"\_").replace("*", "%")
    return Question(_path({"action": pattern}), [Condition("e.action LIKE {}", like)], fact.id)


def _denied(_: Facts, __: random.Random) -> Question:
    return Question(_path({"outcome": "denied"}), [_outcome("denied")])


def _plan(_: Facts, rng: random.Random) -> Question:
    before, after = rng.sample(("free", "pro", "enterprise"), 2)
    words = " & ".join(_word("c", word) for word in ("plan", before, after))
    both = Condition("""EXISTS (SELECT FROM indelible.event_personal p WHERE p.tenant_id = %(tenant)s AND p.seq = e.seq
        AND p.recorded_at = e.recorded_at AND p.changes::jsonb -> 2 -> 'plan' = {}::jsonb)""",
        json.dumps({"from": before, "to": after}))  # fmt: skip
    return Question(
        _path({"changes.plan.from": before, "changes.plan.to": after}), [Condition(words=words), both], ways=("words",)
    )


def _long_ago(facts: Facts, rng: random.Random) -> Question:
    oldest = min(fact.occurred_at for fact in facts.found) + timedelta(days=160)  # before then there are the late ones
    since = oldest + rng.random() * (datetime.now(UTC) - timedelta(days=90) - oldest)
    until = since + timedelta(days=30)
    return Question(
        _path({"since": _written(since), "until": _written(until)}),
        [Condition("e.occurred_at >= {}", since), Condition("e.occurred_at < {}", until),
         Condition("e.recorded_at >= {}", since - timedelta(days=1))],
    )  # fmt: skip


def _actor_and_action(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng, lambda f: f.actor["type"] == "user")
    return Question(
        _path({"actor_id": fact.actor["id"], "action": fact.action}),
        [_id("actor_id", fact.actor["id"]), _action(fact.action)], fact.id,
    )  # fmt: skip


def _category_and_outcome(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng, lambda f: f.category and f.outcome != "success")
    return Question(
        _path({"category": str(fact.category), "outcome": fact.outcome}),
        [_column("category", str(fact.category)), _outcome(fact.outcome)], fact.id,
    )  # fmt: skip


def _excluded(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng)
    if rng.random() < 0.5:
        return Question(_path({"-action": fact.action}), [Condition("e.action <> {}", fact.action)])
    actor = str(fact.actor.get("id"))
    return Question(_path({"-actor_id": actor}), [Condition("e.actor_id IS DISTINCT FROM {}", actor)])


def _common_word(_: Facts, rng: random.Random) -> Question:
    return _search(rng.choice((*FIRST, *LAST, *ABOUT, *NOUNS)))


def _rare_word(facts: Facts, rng: random.Random) -> Question:
    if rng.random() < 0.05:
        return _search(RARE_WORD)
    fact = facts.one(rng, lambda f: "ticket" in f.metadata)
    return _search(fact.metadata["ticket"], fact.id)


def _two_words(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng, lambda f: f.targets and f.targets[0]["name"] and f.actor.get("name"))
    last = fact.actor["name"].split()[-1]
    return _search(f"{last} {fact.targets[0]['name'].split()[rng.random() < 0.5]}", fact.id)


def _prefix(_: Facts, rng: random.Random) -> Question:
    word = rng.choice((*FIRST, *LAST, *ABOUT, *NOUNS))
    return _search(word[: rng.randrange(2, max(3, len(word) - 1))].lower())


def _middle(_: Facts, rng: random.Random) -> Question:
    word = rng.choice([word for word in (*FIRST, *LAST, *ABOUT, *NOUNS) if len(word) > 5])
    start = rng.randrange(1, len(word) - 3)
    part = word[start : start + rng.randrange(3, len(word) - start + 1)]
    wholes = [each for each in (*FIRST, *LAST, *ABOUT, *NOUNS) if part in fold(each)[1:]]
    words = " | ".join(_word(mark, fold(each), begins=True) for each in wholes for mark in "at")
    return Question(_path({"q": part}), [Condition(words=words)])


def _phrase(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng, lambda f: f.targets and f.targets[0]["name"] and f.actor.get("name"))
    phrase = rng.choice([fact.actor["name"], fact.targets[0]["name"]])
    return Question(_path({"q": f'"{phrase}"'}), [_text(phrase, begins=False)], fact.id)


def _no_such_word(_: Facts, rng: random.Random) -> Question:
    word = "qx" + "".join(rng.choices("bcdfghjkqvwxz", k=8))
    return Question(_path({"q": word}), [_text(word)], nothing=True)


def _box(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng, lambda f: f.actor.get("name") and f.targets)
    first = fact.actor["name"].split()[0].lower()
    head = fact.action.partition(".")[0]
    minus = next(o for o in ("failure", "denied") if o != fact.outcome)
    since = fact.occurred_at.replace(hour=0, minute=0, second=0, microsecond=0)
    return Question(
        _path({"q": f"actor:{first} action:{head}.* -outcome:{minus} since:{since:%Y-%m-%d} {fact.targets[0]['id']}"}),
        [Condition(words=_word("a", first, begins=True)), Condition("e.action LIKE {}", f"{head}.%"),
         Condition("e.outcome <> {}", minus), Condition("e.occurred_at >= {}", since),
         Condition("e.recorded_at >= {}", since - timedelta(days=1)),
         Condition(words=" | ".join(_word(mark, fact.targets[0]["id"], begins=True) for mark in "ui"))], fact.id,
    )  # fmt: skip


def _search(text: str, finds: str | None = None) -> Question:
    return Question(_path({"q": text.lower()}), [_text(text)], finds)


def _facets(parameter: str | None = None) -> Draw:
    def draw(_: Facts, rng: random.Random) -> Question:
        since = datetime.now(UTC) - timedelta(days=30, minutes=rng.randrange(600))
        values: Parameters = {"tenant": BIG, "since": since}
        given, columns, words = {"since": _written(since)}, "", ""
        if parameter == "q":
            given["q"] = rng.choice((*FIRST, *LAST)).lower()
            words, values["words"] = _HAS_WORDS, _text(given["q"]).words
        elif parameter == "actor_id":
            given["actor_id"] = f"usr_{rng.randrange(10)}"
            columns, values["actor"] = "AND e.actor_id = %(actor)s", given["actor_id"]
        statement = _FACETS.format(words=words, columns=columns)
        return Question(_path(given, "/facets"), own=(statement, values))

    return draw


def _feed(facts: Facts, rng: random.Random) -> Question:
    after = rng.randrange(facts.size - PAGE - 1)
    own = (_FEED + _DISCLOSURES, {"tenant": BIG, "after": after})
    return Question(_path({"after": str(after)}, "/feed"), own=own)


def _actors(_: Facts, rng: random.Random) -> Question:
    text = rng.choice((*FIRST, *LAST))[: rng.randrange(1, 5)].lower()
    if rng.random() < 0.5:
        text += f" {rng.choice(LAST)[: rng.randrange(1, 4)].lower()}"
    words = " & ".join(_word("a", word, begins=True) for word in sorted(tokens(text)))
    return Question(_path({"q": text}, "/actors"), [Condition(words=words)], limit=100)


def _context(facts: Facts, rng: random.Random) -> Question:
    fact = facts.one(rng)
    marks = (("s", "session_id"), ("r", "request_id"))
    words = [_word(mark, fact.context[key]) for mark, key in marks if fact.context.get(key)]
    values = {"tenant": BIG, "at": fact.occurred_at, "seq": fact.seq, "words": " | ".join(words)}
    return Question(_path({}, f"/{fact.id}/context"), own=(_CONTEXT + _DISCLOSURES, values))


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _classes() -> Iterable[Class]:
    yield Class("timeline: first page", _newest, goal=True)
    yield Class("timeline: pages 45 to 55", _newest, goal=True)
    yield Class("actor: one of the most frequent", _actor(0, 0.3), goal=True)
    yield Class("actor: of medium frequency", _actor(0.45, 0.6), goal=True)
    yield Class("actor: of the rarer half", _actor(0.91, 1), goal=True)
    yield Class("target", _of_fact("target_id", lambda f: f.targets[0]["id"] if f.targets else None,
                                   lambda value: _id("target_id", value)), goal=True)  # fmt: skip
    yield Class("action", _of_fact("action", lambda f: f.action, _action), goal=True)
    yield Class("action with *", _wildcard)
    yield Class("category", _of_fact("category", lambda f: f.category, lambda v: _column("category", v)))
    yield Class("operation", _of_fact("operation", lambda f: f.operation, lambda v: _column("operation", v)))
    yield Class("source", _of_fact("source", lambda f: f.source, lambda v: _column("source", v)))
    yield Class("outcome=denied", _denied)
    for name, key in (("ip", "ip_address"), ("session_id", "session_id"), ("request_id", "request_id")):
        yield Class(name, _of_context(name, key))
    yield Class("changes.plan from and to", _plan)
    yield Class("a month long ago", _long_ago)
    yield Class("actor and action", _actor_and_action)
    yield Class("category and outcome", _category_and_outcome)
    yield Class("without an action or actor", _excluded)
    yield Class("q: common word", _common_word, goal=True)
    yield Class("q: rare word", _rare_word, goal=True)
    yield Class("q: two words", _two_words, goal=True)
    yield Class("q: beginning of words", _prefix, goal=True)
    yield Class("q: middle of a name", _middle)
    yield Class("q: phrase", _phrase)
    yield Class("q: no such word", _no_such_word, goal=True)
    yield Class("q: with qualifiers", _box)
    yield Class("facets: 30 days", _facets(), heavy=True)
    yield Class("facets: 30 days of an actor", _facets("actor_id"), heavy=True)
    yield Class("facets: 30 days with a common word", _facets("q"), heavy=True)
    yield Class("feed: next page", _feed)
    yield Class("actors: as one types", _actors)
    yield Class("context of an event", _context)


def _of_context(name: str, key: str) -> Draw:
    return _of_fact(name, lambda f: f.context.get(key), lambda value: _id(name, value))


CLASSES: Sequence[Class] = tuple(_classes())
