"""Evidence files against whoever makes them: an honest one is proven, a forged one never is, and the report says why.

Each forgery is as good as it can be made without the key: counts, hashes and proofs around it are computed anew.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, cast

import pytest

from indelible.ledger import base64url, evidence
from indelible.ledger.canonical import Json
from indelible.ledger.checkpoint import Checkpoint
from indelible.ledger.disclosure import disclose
from indelible.ledger.entry import Subject
from indelible.ledger.evidence import Header
from indelible.ledger.evidence_verifier import verify
from indelible.ledger.filter import Filter
from indelible.ledger.filter import parse as parse_filter
from indelible.ledger.report import MAX_FINDINGS, Report
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import leaf_hash
from tests.ledger.evidence_files import (
    KEY,
    MOMENT,
    ORIGIN,
    PINNED,
    SYSTEM,
    Ledger,
    Lines,
    check,
    ended,
    reworked,
    sample,
)  # fmt: skip

LEFT = Filter(action=frozenset({"user.left"}))


def proven(report: Report) -> Report:
    assert (report.verdict, report.exit_code, report.findings) == ("proven", 0, []), report.findings
    return report


def shows(report: Report, kind: str, step: int, seq: int | None, phrase: str) -> Report:
    """The verdict is not better than `kind`, and this is one of the findings."""
    found = [(each.kind, each.step, each.seq) for each in report.findings if phrase in each.what]
    assert (kind, step, seq) in found, report.findings
    assert report.verdict in ("contradicted", kind)
    assert report.exit_code == {"contradicted": 1, "not proven": 2}[report.verdict]
    assert "exactly" not in report.statement
    assert str(report).startswith(report.verdict.upper())
    return report


CONTRADICTED, NOT_PROVEN = "contradicted", "not proven"


# --- what is honest is proven


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11])
def test_every_range_of_an_honest_ledger_is_proven(size: int) -> None:
    ledger = sample(size)
    for start in range(size):
        for stop in range(start + 1, size + 1):
            report = proven(check(ledger.lines(ledger.header(start, stop))))
            assert (report.start, report.stop, report.size, report.counts.shown) == (start, stop, size, stop - start)
            assert report.tenant_id == ("acme" if start == 0 else None)
            assert report.complete_from == f"2026-11-21T09:30:{start:02}.000000Z"
            assert report.complete_until == f"2026-11-21T09:30:{stop - 1:02}.000000Z"
            assert ("is exactly the one" if stop == start + 1 else "are exactly those") in report.statement
            assert ("are not this file's subject" in report.statement) == (start > 0)
            assert ("Complete from the ledger's beginning up to" in report.statement) == (start == 0)


def test_the_report_says_what_was_proven_and_what_was_not() -> None:
    ledger = sample(9)
    ledger.erase((1, "actor"), (2, "context"))
    header = ledger.header(1, 9, after=0)
    report = proven(check(ledger.lines(header), after=ledger.checkpoint(4)))
    said = report.to_json()
    statement = said.pop("statement")
    assert isinstance(statement, str)
    assert statement in str(report)
    assert (
        "Complete from 2026-11-21T09:30:01.000000Z up to 2026-11-21T09:30:08.000000Z; entries before number 1 are not "
        "this file's subject, and nothing is claimed after its last one."
    ) in statement
    assert said == {
        "verdict": "proven",
        "exit_code": 0,
        "origin": ORIGIN,
        "tenant_id": None,
        "from": 1,
        "to": 9,
        "size": 10,
        "root": base64url.encode(cast("bytes", report.root)),
        "signed_by": [str(PINNED[0])],
        "filter": None,
        "after": {"size": 4, "proven": True},
        "complete_from": "2026-11-21T09:30:01.000000Z",
        "complete_until": "2026-11-21T09:30:08.000000Z",
        "entries": {"shown": 8, "bare": 0, "hidden": 0},
        "disclosures": {"ok": 7, "erased": 2, "withheld": 0},
        "erasures": [{"seq": 9, "recorded_at": "2026-11-21T09:30:09.000000Z", "disclosures": 2}],
        "contradicted": 0,
        "not_proven": 0,
        "findings": [],
    }


def test_a_filter_is_evaluated_again() -> None:
    ledger = sample(9)
    report = proven(check(ledger.lines(ledger.header(wanted=LEFT))))
    assert (report.counts.shown, report.counts.bare, report.filter) == (4, 5, LEFT)
    assert report.to_json()["filter"] == {"action": ["user.left"]}
    hidden = ledger.lines(ledger.header(wanted=LEFT), hide=True)
    shows(check(hidden), NOT_PROVEN, 28, None, "5 entries are hidden")
    assert "not proven, and was accepted" in proven(check(hidden, accept_hidden=True)).statement


def test_the_filter_is_told_wherever_what_matches_it_is_counted() -> None:
    """A narrower filter than was asked for is a true answer to another question: only its reader can tell."""
    ledger = sample(9)
    wanted = Filter(
        action=frozenset({"user.left", "user.joined"}), actor_id=frozenset({"usr_7"}), actor_type=frozenset({"user"}),
        outcome=frozenset({"success"}), source=frozenset({"ui"}), target_id=frozenset({"t1", "it's"}),
        target_type=frozenset({"team"}), since="2026-11-21T09:30:02.000Z", until="2026-11-21T09:30:05.000Z",
    )  # fmt: skip
    words = (
        "the action is 'user.joined' or 'user.left', and the actor's id is 'usr_7', and the actor's type is 'user', "
        "and the outcome is 'success', and the source is 'ui', and one target's id is \"it's\" or 't1' and its type "
        "'team', and it occurred at 2026-11-21T09:30:02.000Z or later, and it occurred before 2026-11-21T09:30:05.000Z"
    )
    report = proven(check(ledger.lines(ledger.header(wanted=wanted))))
    assert f"3 of them match the filter ({words}) and are shown" in report.statement
    assert f"\nfilter          {words}\n" in str(report)
    hidden = check(ledger.lines(ledger.header(wanted=wanted), hide=True))
    assert f"\nfilter          {words}\n" in str(shows(hidden, NOT_PROVEN, 28, None, "6 entries are hidden"))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"category": ["auth"], "operation": ["read"]}, "the category is 'auth', and the operation is 'read'"),
        ({"target_id": ["a", "b"]}, "a target's id is 'a' or 'b'"),
        ({"target_type": ["team"]}, "a target's type is 'team'"),
        ({"action": ["a' or 'b", "c\u202e\n"]}, r"""the action is "a' or 'b" or 'c\u202e\n'"""),
    ],
)
def test_a_filter_in_words_is_not_to_be_mistaken(wanted: dict[str, Json], words: str) -> None:
    assert str(parse_filter(wanted)) == words


def test_a_range_begins_when_its_first_entry_does_that_is_not_hidden() -> None:
    ledger = sample(9)
    hidden = check(ledger.lines(ledger.header(3, 8, wanted=LEFT), hide=True), accept_hidden=True)
    assert (proven(hidden).complete_from, hidden.complete_until) == (
        "2026-11-21T09:30:04.000000Z",
        "2026-11-21T09:30:06.000000Z",
    )
    nothing = check(ledger.lines(ledger.header(3, 4, wanted=LEFT), hide=True), accept_hidden=True)
    assert (proven(nothing).complete_from, nothing.complete_until) == (None, None)
    assert "No entry is shown" in nothing.statement
    assert "1 of them is hidden: that this one does not match the filter is not proven" in nothing.statement


def test_a_contradiction_is_named_in_the_statement() -> None:
    ledger = sample(9)
    lines = ledger.lines()
    lines[3] = reworked(lines[3], lambda data, texts: (data, [OTHER, *texts[1:]]))
    said = check(lines, accept_withheld=True).statement
    assert said.startswith("This is not what an honest ledger gives: personal parts in it are not those that were ")
    assert "signed" not in said
    renumbered = [line.replace(b'"seq":5,', b'"seq":7,') for line in lines]
    wrong = check(renumbered).statement
    assert "its entries do not follow one from another; personal parts" in wrong
    assert "; its entries are not those that were signed. What the file shows must not be taken" in wrong


def test_what_is_withheld_is_not_proven_unless_it_is_accepted() -> None:
    ledger = sample(6)
    lines = ledger.lines()
    lines[3] = reworked(lines[3], lambda data, texts: (data, texts[:1]))
    report = shows(check(lines), NOT_PROVEN, 28, None, "1 personal part is neither shown nor recorded as erased")
    assert report.verdict == NOT_PROVEN
    report = proven(check(lines, accept_withheld=True))
    assert (report.counts.withheld, "withheld" in report.statement) == (1, True)


# --- forgeries


def altered(ledger: Ledger, seq: int, old: bytes, new: bytes, *, chained: bool) -> Lines:
    """The file with one entry altered; with `chained`, and all after it fitting it again."""
    lines = ledger.lines()
    prev = None
    for at in range(seq + 1, len(lines)):
        data, texts = evidence.cut_entry(lines[at])
        if at == seq + 1:
            assert old in data
            data = data.replace(old, new)
        elif prev is not None and chained:
            data = re.sub(rb'"prev":"[^"]*"', b'"prev":"' + prev + b'"', data)
        prev = base64url.to_bytes(leaf_hash(data))
        lines[at] = evidence.shown_line(data, texts or [])
    return lines


@pytest.mark.parametrize("seq", range(6))
@pytest.mark.parametrize(
    ("old", "new"), [(b"usr_7", b"usr_8"), (b'"source":"ui"', b'"source":"api"'), (b"09:30:0", b"08:30:0")],
    ids=["actor", "source", "times"],
)  # fmt: skip
def test_an_altered_entry(seq: int, old: bytes, new: bytes) -> None:
    ledger = sample(6)
    if seq == 0 and old == b"usr_7":
        old, new = b"system", b"nobody"
    root = "the entries are not those that were signed"
    plain = shows(check(altered(ledger, seq, old, new, chained=False)), CONTRADICTED, 26, None, root)
    if seq < 5:
        assert (4, seq + 1) in [(each.step, each.seq) for each in plain.findings]
    chained = shows(check(altered(ledger, seq, old, new, chained=True)), CONTRADICTED, 26, None, root)
    if old != b"09:30:0":
        assert len(chained.findings) == 1
    elif seq:
        assert (5, seq) in [(each.step, each.seq) for each in chained.findings]


@pytest.mark.parametrize("seq", range(6))
def test_an_entry_left_out(seq: int) -> None:
    ledger = sample(6)
    lines = ledger.lines()
    del lines[seq + 1]
    if seq == 5:
        shows(check(lines), NOT_PROVEN, 20, 5, "entry 5 belongs to the file's range, and is not in the file")
    else:
        report = shows(check(lines), CONTRADICTED, 3, seq, f"entry {seq} is missing")
        assert [(each.kind, each.step) for each in report.findings] == [(CONTRADICTED, 3), (NOT_PROVEN, 26)]
    # And with the range set right: at either end it is another range, and its proof another one.
    header = ledger.header()
    for forged in (header._replace(stop=5), header._replace(start=1)):
        shows(check([evidence.header_line(forged), *lines[1:]]), NOT_PROVEN, 22, None, "are too few or too many")
    for start, stop in ((0, 5), (1, 6)):
        report = check([evidence.header_line(ledger.header(start, stop)), *lines[1:]])
        assert report.verdict == ("proven" if seq == (0 if start else 5) else CONTRADICTED)


def test_an_entry_that_the_filter_shows_left_out() -> None:
    """As if it did not match, as a hash, or not at all."""
    ledger = sample(9)
    header = ledger.header(wanted=LEFT)
    lines = ledger.lines(header)
    data = ledger.entries[4].entry
    bare = [*lines[:5], evidence.bare_line(data), *lines[6:]]
    shows(check(bare), CONTRADICTED, 24, 4, "it belongs in this selection, but was left out")
    hidden = [*lines[:5], evidence.hidden_line(leaf_hash(data)), *lines[6:]]
    shows(check(hidden), NOT_PROVEN, 28, None, "1 entry is hidden, so that nobody can tell whether it matches")
    shows(check([*lines[:5], *lines[6:]]), CONTRADICTED, 3, 4, "entry 4 is missing")


def test_a_filter_changed() -> None:
    """In the header nobody signed it: what is shown has to fit it."""
    ledger = sample(9)
    lines = ledger.lines(ledger.header(wanted=LEFT))
    for wanted in (
        Filter(action=frozenset({"user.joined"})),
        Filter(action=frozenset({"user.left", "user.joined"})),
        Filter(actor_type=frozenset({"user"})),
        Filter(action=frozenset({"user.left"}), until="2026-11-21T09:30:06.000Z"),
    ):
        report = check([evidence.header_line(ledger.header(wanted=wanted)), *lines[1:]])
        assert {each.step for each in report.findings} == {24}
        assert report.verdict == CONTRADICTED
    shows(check([evidence.header_line(ledger.header()), *lines[1:]]), NOT_PROVEN, 24, None, "5 entries are not")


@pytest.mark.parametrize("hide", [True, False])
def test_without_a_filter_nothing_is_left_out(hide: bool) -> None:
    """Not even if everything may be hidden and withheld."""
    ledger = sample(6)
    data = ledger.entries[2].entry
    lines = ledger.lines()
    lines[3] = evidence.hidden_line(leaf_hash(data)) if hide else evidence.bare_line(data)
    report = check(lines, accept_hidden=True, accept_withheld=True)
    shows(report, NOT_PROVEN, 24, None, "the file has no filter, and yet 1 entry is not shown")
    assert len(report.findings) == 1


OTHER = base64url.to_bytes(disclose("actor", b'{"name":"Mallory"}', bytes(16)))


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda t: [OTHER, *t[1:]], "'actor' was altered or added"),
        (lambda t: [*t, OTHER], "'actor' was altered or added"),
        (lambda t: [*t, t[0]], "'actor' was altered or added"),
        (lambda t: [*t, b""], "a personal part of it was altered or added"),
        (lambda t: [t[0] + b"=", t[1]], "a personal part of it was altered or added"),
        (lambda t: [t[0], t[1][:-1] + b"\xff"], "a personal part of it was altered or added"),
        (lambda t: [b"WyJ" * 100_000, *t], "a personal part of it was altered or added"),
        (
            lambda t: [base64url.to_bytes(b'["' + b"A" * 22 + b'","actor",' + b"[" * 100_000), *t],
            "a personal part of it was",
        ),
        (
            lambda t: [base64url.to_bytes(b'["' + b"A" * 22 + b'","actor",' + b"9" * 9_000 + b"]"), *t],
            "a personal part of it was",
        ),
    ],
)
def test_a_disclosure_altered_or_added(change: Callable[[list[bytes]], list[bytes]], phrase: str) -> None:
    lines = sample(6).lines()
    lines[3] = reworked(lines[3], lambda data, texts: (data, change(texts)))
    shows(check(lines, accept_withheld=True), CONTRADICTED, 6, 2, phrase)


NONE = "a personal part of it is of no known group"


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (b'["AAAA","actor",{}]', NONE), (b'["' + b"A" * 22 + b'","secrets",1]', NONE),
        (b'["' + b"A" * 22 + b'","actor",NaN]', NONE), (b'["' + b"A" * 22 + b'","actor",{}] ', NONE),
        (b'["' + b"A" * 22 + b'","actor",{}', NONE), (b'["' + b"A" * 22 + b'","actor"]', NONE),
        (b'["' + b"A" * 22 + b'","actor","\xff"]', NONE), (b"\xff", NONE), (b"{}", NONE),
        (b'["' + b"A" * 22 + b'","actor",' + b"[" * 100_000 + b"]" * 100_000 + b"]", NONE),
    ],
)  # fmt: skip
def test_a_disclosure_that_the_ledger_holds_and_that_is_none(value: bytes, phrase: str) -> None:
    """Whoever seals such a thing is told so, and the verifier does not stumble over it."""
    from indelible.ledger.disclosure import digest
    from indelible.ledger.entry import genesis, micros, seal, unsealed

    head = unsealed(id="0192f0c4-7d3e-7c1a-9b1e-000000000000", action="ledger.created", actor=SYSTEM, targets=[],
                    category=None, operation=None, outcome="success", source="ui", occurred_at=MOMENT,
                    digests=[digest(value)])  # fmt: skip
    data = seal(head, 0, genesis(ORIGIN), micros(MOMENT))
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(data)), [KEY])
    lines = [evidence.header_line(Header(note, 0, 1, [], [])), evidence.shown_line(data, [base64url.to_bytes(value)])]
    shows(check(lines), CONTRADICTED, 6, 0, phrase)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (2, 5), (4, 5)])
def test_entries_reordered(one: int, other: int) -> None:
    lines = sample(6).lines()
    lines[one + 1], lines[other + 1] = lines[other + 1], lines[one + 1]
    missing = f"entry {one} is missing" if other == one + 1 else f"entries {one} to {other - 1} are missing"
    report = shows(check(lines), CONTRADICTED, 3, one, missing)
    assert any("it stands where entry" in each.what for each in report.findings)
    assert (NOT_PROVEN, 26) in {(each.kind, each.step) for each in report.findings}


def told(lines: Lines) -> list[tuple[int | None, str]]:
    """What contradicts the file, and where, shortened."""
    report = check(lines)
    assert report.verdict == CONTRADICTED
    # What cannot be known any more is said once.
    assert report.not_proven <= 2, report.findings
    return [(each.seq, each.what.split(":")[0]) for each in report.findings if each.kind == CONTRADICTED]


def test_one_wrong_place_is_one_finding_however_many_entries_follow() -> None:
    """In a file nothing but the entries themselves tells their numbers."""
    header, *entries = sample(400).lines()
    dropped = [header, *entries[:299], *entries[300:]]
    assert told(dropped) == [(299, "entry 299 is missing")]
    several = [header, *entries[:10], *entries[30:200], *entries[201:]]
    assert told(several) == [(10, "entries 10 to 29 are missing"), (200, "entry 200 is missing")]
    twice = [header, *entries[:10], entries[9], *entries[10:]]
    assert told(twice) == [(9, "it stands where entry 10 belongs")]
    block_twice = [header, *entries[:200], *entries[100:200], *entries[200:]]
    assert told(block_twice) == [(100, "it stands where entry 200 belongs")]
    brought_forward = [header, *entries[:10], entries[380], *entries[10:380], *entries[381:]]
    assert told(brought_forward) == [
        (10, "entries 10 to 379 are missing"),
        (10, "it stands where entry 381 belongs"),
        (380, "entry 380 is missing"),
    ]
    last_brought_forward = [header, *entries[:10], entries[-1], *entries[10:-1]]
    assert told(last_brought_forward) == [
        (10, "entries 10 to 398 are missing"),
        (10, "it stands where entry 400 belongs"),
    ]


def test_a_range_of_other_entries_than_it_says_is_one_finding() -> None:
    ledger = sample(400)
    _, *entries = ledger.lines()
    forged = evidence.header_line(ledger.header(0, 100))
    assert told([forged, *entries[200:300]]) == [(200, "it stands where entry 0 belongs")]
    forged = evidence.header_line(ledger.header(300, 400))
    assert told([forged, *entries[:100]]) == [(0, "it stands where entry 300 belongs")]


@pytest.mark.parametrize("number", [b"0", b"2", b"5", b"6", b"9007199254740991"])
def test_a_number_altered_moves_no_other_entry(number: bytes) -> None:
    """The entry still names the one before it."""
    lines = sample(6).lines()
    lines[4] = lines[4].replace(b'"seq":3,', b'"seq":' + number + b",")
    report = shows(check(lines), CONTRADICTED, 3, 3, f"says that it is number {number.decode()}")
    assert [(each.step, each.seq) for each in report.findings] == [(3, 3), (4, 4), (26, None)]


def test_recorded_at_set_back_and_signed() -> None:
    """The service itself cannot date an entry before the one that it follows."""
    ledger = sample(4)
    ledger.append(at=MOMENT - timedelta(days=1))
    shows(
        check(ledger.lines()),
        CONTRADICTED,
        5,
        4,
        "it claims to have been recorded at 2026-11-20T09:30:00.000000Z, and an entry that precedes it",
    )


# --- checkpoints and keys


def test_two_tenants_checkpoints_exchanged() -> None:
    """Even under one key for both: a key bears its ledger's name."""
    mine, other = sample(6), sample(6, origin=ORIGIN[:-1] + "B")
    lines = [evidence.header_line(mine.header()._replace(checkpoint=other.checkpoint())), *mine.lines()[1:]]
    shows(check(lines), NOT_PROVEN, 21, None, "not signed with the key that you gave")
    both = [*PINNED, KEY.verifier(other.origin)]
    shows(check(lines, both), CONTRADICTED, 4, 0, "the seal that ties it to the ledger's origin is broken")
    shows(check(other.lines()), NOT_PROVEN, 21, None, f"in the name of '{other.origin}'")
    proven(check(other.lines(), both))


def test_a_checkpoint_in_the_name_of_another_ledger() -> None:
    other = ORIGIN[:-1] + "B"
    note = sign_checkpoint(Checkpoint(other, 6, bytes(32)), [KEY]).replace(f"— {other} ", f"— {ORIGIN} ")
    lines = [evidence.header_line(sample(6).header()._replace(checkpoint=note)), *sample(6).lines()[1:]]
    shows(check(lines, [*PINNED, KEY.verifier(other)]), NOT_PROVEN, 21, None, "not signed with any of the keys")


def test_a_file_that_brings_its_own_key() -> None:
    forged = sample(6, key=SigningKey.generate())
    report = shows(check(forged.lines()), NOT_PROVEN, 21, None, "Ask for the key of that ledger elsewhere")
    assert (report.origin, report.start, report.counts.shown) == (None, None, 0)


def test_a_signature_that_is_wrong() -> None:
    ledger = sample(6)
    for old, new in (("\n6\n", "\n7\n"), (ORIGIN + "\n", ORIGIN[:-1] + "B\n")):
        header = ledger.header()._replace(checkpoint=ledger.checkpoint().replace(old, new, 1))
        lines = [evidence.header_line(header), *ledger.lines()[1:]]
        shows(check(lines), CONTRADICTED, 21, None, "was altered or made up: the signature on it is not")


@pytest.mark.parametrize("note", ["", "\n", "no note", ORIGIN + "\n6\n", "\0\n\n— a b\n", "x" * 300_000])
def test_a_checkpoint_that_is_none(note: str) -> None:
    ledger = sample(6)
    lines = [evidence.header_line(ledger.header()._replace(checkpoint=note)), *ledger.lines()[1:]]
    shows(check(lines), NOT_PROVEN, 21, None, "the checkpoint in this file cannot be read")


def test_further_signatures_do_no_harm() -> None:
    """Cosignatures stand there; and a rotated key may have signed beside the new one."""
    ledger = sample(6)
    second = SigningKey.generate()
    note = sign_checkpoint(Checkpoint(ORIGIN, 6, cast("bytes", check(ledger.lines()).root)), [second, KEY])
    lines = [evidence.header_line(ledger.header()._replace(checkpoint=note)), *ledger.lines()[1:]]
    assert proven(check(lines)).signed_by == (str(PINNED[0]),)
    assert len(proven(check(lines, [*PINNED, second.verifier(ORIGIN)])).signed_by) == 2


# --- the range


def test_a_range_beyond_the_checkpoint() -> None:
    """Entries after the last signed one are nobody's word."""
    ledger = sample(6)
    lines = [evidence.header_line(ledger.header()._replace(checkpoint=ledger.checkpoint(4))), *ledger.lines()[1:]]
    shows(check(lines), NOT_PROVEN, 22, None, "its checkpoint covers 4 entries only")


@pytest.mark.parametrize("part", ["left", "tail"])
def test_hashes_around_the_range(part: str) -> None:
    ledger = sample(11)
    header = ledger.header(3, 6)
    good = list(header.left if part == "left" else header.tail)
    for hashes in ([], good[:-1], [*good, good[0]], [bytes(32)] * 9, [bytes(32), *good[1:]], good[::-1]):
        forged = header._replace(left=hashes) if part == "left" else header._replace(tail=hashes)
        lines = [evidence.header_line(forged), *ledger.lines(header)[1:]]
        if len(hashes) != len(good):
            shows(check(lines), NOT_PROVEN, 22, None, "are too few or too many")
        else:
            shows(check(lines), CONTRADICTED, 26, None, "the entries are not those that were signed")


def test_entry_0_opens_the_ledger_that_is_meant() -> None:
    for action, metadata, phrase in (
        ("user.joined", {"origin": ORIGIN, "tenant_id": "acme"}, "opens no ledger"),
        ("ledger.created", {"origin": "elsewhere/1", "tenant_id": "acme"}, "opens another ledger"),
        ("ledger.created", {"origin": ORIGIN, "tenant_id": 7}, "opens another ledger"),
        ("ledger.created", [], "opens another ledger"),
        ("ledger.created", None, "opens"),
    ):
        ledger = Ledger()
        ledger.append(action, {"metadata": metadata})
        report = check(ledger.lines())
        if metadata is None:
            assert report.tenant_id is None
        else:
            shows(report, CONTRADICTED, 25, 0, phrase)


def test_a_name_that_a_terminal_would_obey_is_printed_as_what_it_is() -> None:
    ledger = Ledger()
    ledger.append("ledger.created", {"metadata": {"origin": ORIGIN, "tenant_id": "\x1b[2Jacme\u202e\ud800"}})
    text = str(proven(check(ledger.lines())))
    assert "\\x1b[2Jacme\\u202e\\ud800" in text
    text.encode()


# --- erasures


def erased_ledger() -> tuple[Ledger, int]:
    ledger = sample(6)
    erasure = ledger.erase((2, "actor"), (2, "context"))
    ledger.append()
    return ledger, erasure


def test_an_erasure_is_proven_wherever_the_range_ends() -> None:
    ledger, erasure = erased_ledger()
    for start, stop in ((0, 8), (2, 3), (0, 7), (0, 6), (2, 8)):
        report = proven(check(ledger.lines(ledger.header(start, stop))))
        assert (report.counts.erased, [each.seq for each in report.erasures]) == (2, [erasure])


def test_an_erasure_without_its_record() -> None:
    ledger, _ = erased_ledger()
    report = shows(check(ledger.lines(records=[])), NOT_PROVEN, 28, None, "2 personal parts are neither shown nor")
    assert report.verdict == NOT_PROVEN


def test_a_record_that_is_not_in_the_tree() -> None:
    """Made up; of another ledger; of this one, after its checkpoint; with a proof of something else."""
    ledger, erasure = erased_ledger()
    honest = ledger.lines()
    forged = sample(6)
    forged.erase((2, "actor"), (2, "context"))
    forged.append("user.joined")
    good = ledger.record(erasure)
    made_up = good._replace(entry=good.entry.replace(b"09:30:06", b"09:30:07"))
    for record in (made_up, good._replace(proof=good.proof[:-1]), good._replace(proof=good.proof[::-1]),
                   good._replace(proof=[*good.proof, bytes(32)]), good._replace(proof=ledger.record(erasure, 7).proof),
                   good._replace(entry=good.entry.replace(b'"seq":6', b'"seq":7')),
                   good._replace(entry=good.entry.replace(b'"seq":6', b'"seq":600'))):  # fmt: skip
        lines = [honest[0], evidence.record_line(record), *honest[2:]]
        report = check(lines)
        assert any(each.step == 23 and "not in the ledger" in each.what for each in report.findings)
        assert (report.verdict, report.counts.withheld) == (CONTRADICTED, 2)


def test_a_record_that_records_something_else() -> None:
    ledger = sample(6)
    digests = list(re.findall(rb'"([A-Za-z0-9_-]{43})"', ledger.entries[2].entry)[:2])
    listed = [each.decode() for each in digests]
    ledger.entries[2] = ledger.entries[2]._replace(disclosures={})
    for action, metadata, phrase in (
        ("user.erased", {"digests": listed}, "it is 'user.erased'"),
        ("ledger.erasure", {"digests": []}, "does not say what was erased"),
        ("ledger.erasure", {"digests": [1]}, "does not say what was erased"),
        ("ledger.erasure", {}, "does not say what was erased"),
        ("ledger.erasure", listed, "does not say what was erased"),
    ):
        other = Ledger(entries=list(ledger.entries))
        seq = other.append(action, {"metadata": metadata})
        report = shows(check(other.lines(records=[seq])), CONTRADICTED, 23, seq, phrase)
        assert report.counts.withheld == 2


def test_a_record_whose_disclosure_is_another() -> None:
    ledger, erasure = erased_ledger()
    honest = ledger.lines()
    for text in (OTHER, b"", b"\xff", b"x" * 50_000):
        record = ledger.record(erasure)._replace(text=text)
        report = check([honest[0], evidence.record_line(record), *honest[2:]])
        shows(report, CONTRADICTED, 23, erasure, "was altered or added")


def test_nothing_is_erased_before_it_was_recorded() -> None:
    """A record accounts only for entries that come before it in the ledger."""
    from indelible.ledger.disclosure import digest

    later = disclose("actor", b'{"name": "Sarah"}', bytes([5, 0] * 8))
    ledger = sample(4)
    record = ledger.append("ledger.erasure", {"metadata": {"digests": [digest(later)]}}, actor=SYSTEM)
    seq = ledger.append("user.joined", {"actor": {"name": "Sarah"}})
    assert ledger.entries[seq].disclosures["actor"] == base64url.to_bytes(later)
    proven(check(ledger.lines()))
    ledger.entries[seq] = ledger.entries[seq]._replace(disclosures={})
    shows(check(ledger.lines(records=[record])), NOT_PROVEN, 28, None, "1 personal part is neither")


def test_records_stand_in_their_place_and_once() -> None:
    ledger = sample(6)
    first, second = ledger.erase((2, "actor")), ledger.erase((2, "context"))
    lines = ledger.lines()
    proven(check(lines))
    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    shows(check(swapped), NOT_PROVEN, 23, first, "not in the order")
    shows(check([lines[0], lines[1], *lines[1:]]), NOT_PROVEN, 23, first, "not in the order")
    late = [lines[0], lines[1], *lines[3:], lines[2]]
    shows(check(late), NOT_PROVEN, 20, None, "should be the file's end, and is not")
    inside = [*lines[:2], lines[3], lines[2], *lines[4:]]
    shows(check(inside), NOT_PROVEN, 20, 1, "should be this entry")
    garbled = [lines[0], lines[1].replace(b'"proof"', b'"prof"'), *lines[2:]]
    shows(check(garbled), NOT_PROVEN, 23, None, "line 2 is no erasure record")
    assert second == first + 1


def test_lines_that_anybody_can_write_are_not_read_without_end() -> None:
    """Nothing but the ledger's size bounds what is true, and a zip holds a thousand times its size of what is not."""
    ledger = sample(6)
    seq = ledger.erase((2, "actor"))
    lines = ledger.lines()
    record, others = lines[1], [lines[0], *lines[2:]]
    false = record.replace(b"usr_7", b"usr_8") if b"usr_7" in record else record.replace(b'"system"', b'"user"')
    unwritten = record.replace(b'"seq":', b'"seq" :')
    for line, kind, at in ((false, CONTRADICTED, seq), (record, NOT_PROVEN, seq), (unwritten, NOT_PROVEN, None)):
        file = io.BytesIO(ended([others[0], record, *[line] * (MAX_FINDINGS * 3), *others[1:]]))
        report = shows(verify(file, PINNED), kind, 23, at, "")
        assert report.contradicted + report.not_proven == MAX_FINDINGS + 1
        assert file.tell() == len(others[0]) + len(record) + (MAX_FINDINGS + 1) * len(line), "it read on"
    garbled = evidence.RECORD + b"\n"
    file = io.BytesIO(ended([others[0], *[garbled] * 5000, *others[1:]]))
    report = shows(verify(file, PINNED), NOT_PROVEN, 23, None, "line 2 is no erasure record, and what follows was not")
    assert (report.contradicted, report.not_proven) == (0, 1)
    assert file.tell() == len(others[0]) + len(garbled)


# --- the earlier checkpoint


def test_every_earlier_checkpoint_is_continued() -> None:
    """Before, within and after the range, with the proof that each takes."""
    ledger = sample(11)
    for start, stop in ((0, 11), (3, 6), (4, 5), (0, 1)):
        for size in range(1, 12):
            lines = ledger.lines(ledger.header(start, stop, after=size))
            assert proven(check(lines, after=ledger.checkpoint(size))).older_proven
            bare = check(ledger.lines(ledger.header(start, stop)), after=ledger.checkpoint(size))
            if start <= size <= stop or size == 11:
                assert proven(bare).older_size == size
            else:
                shows(bare, NOT_PROVEN, 27, None, "exported again with --after")


@pytest.mark.parametrize("size", [1, 2, 4, 5, 8, 9])
def test_history_rewritten_and_signed_again_shows_against_an_earlier_checkpoint(size: int) -> None:
    """The one forgery that the signing key can make, and what a kept checkpoint is for."""
    kept = sample(9)
    forged = Ledger()
    forged.append("ledger.created", {"metadata": {"origin": ORIGIN, "format": 2, "tenant_id": "acme"}}, actor=SYSTEM)
    while len(forged.entries) < 9:
        forged.append("user.left")
    for start, stop in ((0, 9), (5, 6)):
        lines = forged.lines(forged.header(start, stop, after=size))
        proven(check(lines, after=forged.checkpoint(size)))
        report = check(lines, after=kept.checkpoint(size))
        shows(report, CONTRADICTED, 27, None, "history was rewritten")
        assert not report.older_proven


def test_a_replayed_old_checkpoint_shows_against_a_newer_one() -> None:
    """The newest entries left out, under a checkpoint that was true once."""
    ledger = sample(9)
    lines = ledger.lines(ledger.header(0, 6, size=6))
    proven(check(lines))
    report = shows(check(lines, after=ledger.checkpoint(9)), NOT_PROVEN, 27, None, "either this file is older, or")
    assert report.verdict == NOT_PROVEN  # an old file is no lie
    assert not report.older_proven


def test_an_earlier_checkpoint_that_cannot_be_relied_on() -> None:
    ledger = sample(9)
    other = sample(9, origin=ORIGIN[:-1] + "B")
    mallory = sample(9, key=SigningKey.generate())
    both = [*PINNED, KEY.verifier(other.origin)]
    for kept, phrase in (
        (mallory.checkpoint(4), "not signed with any of the keys that you gave"),
        (ledger.checkpoint(4).replace("\n4\n", "\n5\n"), "the signature on it is not"),
        ("", "cannot be relied on"),
        (other.checkpoint(4), "is of another ledger"),
    ):
        report = shows(check(ledger.lines(), both, after=kept), NOT_PROVEN, 27, None, phrase)
        assert report.verdict == NOT_PROVEN


def test_a_wrong_proof_for_an_earlier_checkpoint() -> None:
    ledger = sample(11)
    header = ledger.header(6, 9, after=3)
    assert header.older is not None
    for proof in ((), header.older.proof[:-1], (*header.older.proof, bytes(32)), header.older.proof[::-1]):
        forged = header._replace(older=header.older._replace(proof=tuple(proof)))
        lines = [evidence.header_line(forged), *ledger.lines(header)[1:]]
        shows(check(lines, after=ledger.checkpoint(3)), CONTRADICTED, 27, None, "history was rewritten")


def test_an_earlier_checkpoint_is_not_compared_with_entries_that_are_not_proven() -> None:
    """An altered copy must not look like two signed histories."""
    ledger = sample(9)
    lines = altered(ledger, 1, b"usr_7", b"usr_8", chained=True)
    report = shows(check(lines, after=ledger.checkpoint(5)), NOT_PROVEN, 27, None, "cannot be compared")
    assert "history was rewritten" not in str(report)


# --- files that are damaged, or none


HONEST = ended(sample(6).lines())
LINES = HONEST.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("data", "phrase"),
    [
        (b"", "the file is empty"),
        (b"\n", "no header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100, "no header"),
        (b"\xff" * 3_000_000, "has more than 1048576 bytes"),
        (b"{" * 100_000 + b"\n", "no header"),
        (b"[" * 100_000 + b"]" * 100_000 + b"\n", "no header"),
        (b'{"evidence":' * 300 + b"1" + b"}" * 300 + b"\n", "no header"),
        (b'{"a":' + b"9" * 100_000 + b"}\n", "no header"),
        (HONEST.replace(b"\n", b"\r\n"), "an editor or a mail program"),
        (b"\xef\xbb\xbf" + HONEST, "an editor or a mail program"),
        (b"\n" + HONEST, "no header"),
        (b" " + HONEST, "no header"),
        (HONEST + b"\n", "after the file's end"),
        (HONEST + b" ", "after the file's end"),
        (HONEST + HONEST, "after the file's end"),
        (HONEST[:-1], "ends in the middle of line 8"),
        (HONEST[:-1] + b"\r\n", "should be the file's end, and is not"),
        (b"".join(LINES[:-1]), "without its end line"),
        (b"".join(LINES[:4]), "without its end line"),
        (LINES[0], "without its end line"),
        (b"".join([*LINES[:3], LINES[3][:50]]), "ends in the middle of line 4"),
        (b"".join([*LINES[:3], LINES[3].rstrip(), b" \n", *LINES[4:]]), "line 4 should be this entry"),
        (b"".join([*LINES[:3], LINES[3].rstrip(), b"\r\n", *LINES[4:]]), "line 4 should be this entry"),
        (b"".join([*LINES[:3], b"\n", *LINES[3:]]), "line 4 should be this entry"),
        (b"".join([*LINES[:3], b'{"timestamp":{}}\n', *LINES[3:]]), "line 4 should be this entry"),
        (b"".join([*LINES[:3], LINES[0], *LINES[3:]]), "line 4 should be this entry"),
        (b"".join([*LINES[:3], b"x" * 2_000_000, b"\n", *LINES[3:]]), "line 4 has more than 1048576 bytes"),
        (b"".join([*LINES[:-1], b'{"timestamp":{}}\n', LINES[-1]]), "line 8 should be the file's end"),
        (b"".join([*LINES[:-1], LINES[-2], LINES[-1]]), "line 8 is one entry more than"),
        (b"".join([*LINES[:-1], LINES[-1].replace(b":7,", b":8,")]), "counts 8 lines before it, and there are 7"),
        (b"".join([*LINES[:-1], LINES[-1][:-10] + b"A" + LINES[-1][-9:]]), ""),
        (b"".join([*LINES[:4], LINES[-1]]), "the entries 3 to 5 belong to the file's range, and are not"),
        (b"".join([LINES[0], LINES[-1]]), "the entries 0 to 5 belong to the file's range, and are not"),
        (b"".join(LINES[1:]), "no header"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_not_proven_and_says_where(data: bytes, phrase: str) -> None:
    proven(check(HONEST))
    report = check(data)
    assert report.verdict in (NOT_PROVEN, CONTRADICTED)
    assert any(each.step == 20 and phrase in each.what for each in report.findings), report.findings


def test_a_garbled_line_does_not_make_the_other_entries_look_altered() -> None:
    report = check(b"".join([*LINES[:3], LINES[3][5:], *LINES[4:]]))
    assert {each.seq for each in report.findings} == {2, None}
    assert report.verdict == NOT_PROVEN


def test_an_entry_that_is_none_is_named() -> None:
    ledger = sample(6)
    for data in (b"{}", b"null", b'"x"', b"[" * 60_000, b"\xff", b'{"a":' * 5000 + b"1" + b"}" * 5000, b""):
        lines = ledger.lines()
        lines[3] = evidence.shown_line(data, [])
        shows(check(lines), CONTRADICTED, 2, 2, "the entry ")


def test_a_file_that_cannot_be_read_to_its_end() -> None:
    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2000:
                raise OSError(5, "Input/output error")
            return super().readline(size)

    report = verify(cast("BinaryIO", Failing(HONEST)), PINNED)
    shows(report, NOT_PROVEN, 20, None, "Input/output error")


def test_findings_without_end_are_counted_and_not_kept() -> None:
    ledger = Ledger()
    ledger.append("ledger.created", {"metadata": {"origin": ORIGIN, "tenant_id": "acme"}}, actor=SYSTEM)
    for _ in range(MAX_FINDINGS + 100):
        ledger.append(targets=[Subject("team", "t1")])
    lines = [line.replace(b"team", b"Team") for line in ledger.lines()]
    report = check(lines)
    assert (len(report.findings), report.contradicted) == (MAX_FINDINGS, MAX_FINDINGS + 100)
    assert report.exit_code == 1
    assert f"and {MAX_FINDINGS + 100 - 20:,} more" in str(report)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    verify(io.BytesIO(HONEST), PINNED, progress=lambda done, entries: told.append((done, entries)))
    assert told == [(6, 6)]
