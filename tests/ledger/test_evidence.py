"""The evidence file's lines: one spelling each, and cut apart the same whatever is in them."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger import evidence
from indelible.ledger.entry import Subject
from indelible.ledger.evidence import BadLine, End, Header, Older, Record, Writer
from indelible.ledger.filter import Filter
from tests.ledger.evidence_files import Ledger, check, ended, sample

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple)
HEADERS = st.builds(
    Header,
    checkpoint=st.text(st.characters(exclude_categories=["Cs"])),
    start=st.integers(0, 9),
    stop=st.integers(10, 2**53 - 1),
    left=HASHES,
    tail=HASHES,
    older=st.none() | st.builds(Older, st.integers(0, 2**53 - 1), HASHES),
    filter=st.none() | st.just(Filter(action=frozenset({"a", "b"}), until="2026-11-21T09:30:00.000Z")),
)
HEADER = Header("note\n", 1, 3, [b"l" * 32], [b"t" * 32], Older(1, [b"p" * 32]), Filter(action=frozenset({"a"})))


@given(HEADERS)
def test_a_header_is_read_as_it_was_written(header: Header) -> None:
    assert evidence.cut_header(evidence.header_line(header)) == header


def test_the_format_is_what_it_was() -> None:
    """Bytes: a file that was written years ago has to be read the same."""
    leaf, t, p = ("bGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGw", "dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQ",
               "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA")  # fmt: skip
    assert evidence.header_line(HEADER) == (
        f'{{"after":{{"proof":["{p}"],"size":1}},"checkpoint":"note\\n","evidence":"indelible/evidence@v1",'
        f'"filter":{{"action":["a"]}},"from":1,"left":["{leaf}"],"tail":["{t}"],"to":3}}\n'.encode()
    )
    assert evidence.record_line(Record(b'{"v":1}', b"WyI", [b"p" * 32, b"t" * 32])) == (
        f'{{"erasure":{{"v":1}},"disclosures":["WyI"],"proof":["{p}","{t}"]}}\n'.encode()
    )
    assert evidence.shown_line(b'{"v":1}', [b"WyI", b"WyJ"]) == b'{"entry":{"v":1},"disclosures":["WyI","WyJ"]}\n'
    assert evidence.shown_line(b'{"v":1}', []) == b'{"entry":{"v":1},"disclosures":[]}\n'
    assert evidence.bare_line(b'{"v":1}') == b'{"entry":{"v":1}}\n'
    assert evidence.hidden_line(b"l" * 32) == f'{{"leaf":"{leaf}"}}\n'.encode()
    assert evidence.end_line(End(7, b"l" * 32)) == f'{{"end":{{"lines":7,"sha256":"{leaf}"}}}}\n'.encode()


WORDS = st.lists(
    st.sampled_from(['"', ",", ":", "[", "]", "{", "}", "\\", "\n", "x", "disclosures", '"entry"', ',"disclosures":[',
                     '],"proof":[', '"]}', "é", "\u2028"]), max_size=8,
).map("".join)  # fmt: skip


@given(WORDS, WORDS, st.integers(0, 2))
def test_nothing_in_an_entry_is_taken_for_what_follows_it(action: str, target: str, count: int) -> None:
    """What an entry says comes from outside: it may look like the format's own separators."""
    ledger = Ledger()
    groups = [{}, {"actor": {"name": action}}, {"actor": {}, "metadata": {action: target}}][count]
    ledger.append(action, groups, targets=[Subject(target, action)])
    data, disclosures = ledger.entries[0]
    texts = list(disclosures.values())
    line = evidence.shown_line(data, texts)
    assert evidence.cut_entry(line) == (data, texts)
    assert evidence.cut_entry(evidence.bare_line(data)) == (data, None)
    record = Record(data, b"WyI", (b"p" * 32,))
    assert evidence.cut_record(evidence.record_line(record)) == record
    assert json.loads(line) == {"entry": json.loads(data), "disclosures": [text.decode() for text in texts]}
    assert line.count(b"\n") == 1


def test_the_writer_writes_what_the_verifier_reads() -> None:
    ledger = sample(7)
    erasure = ledger.erase((1, "actor"))
    wanted = Filter(action=frozenset({"user.joined"}))
    file = io.BytesIO()
    writer = Writer(file, ledger.header(wanted=wanted))
    writer.record(ledger.record(erasure))
    for seq, (data, disclosures) in enumerate(ledger.entries):
        if b'"action":"user.joined"' in data:
            writer.shown(data, disclosures.values())
        elif seq % 4:
            writer.bare(data)
        else:
            writer.hidden(ledger.leaves()[seq])
        if seq < erasure:
            with pytest.raises(ValueError, match="more than were written"):
                writer.end()
    writer.end()
    assert file.getvalue() == ended(file.getvalue().splitlines(keepends=True)[:-1])
    report = check(file.getvalue(), accept_hidden=True)
    assert (report.verdict, report.counts.shown, report.counts.bare, report.counts.hidden) == ("proven", 3, 3, 2)


def spelled(old: bytes, new: bytes) -> bytes:
    line = evidence.header_line(HEADER)
    assert line.count(old) == 1
    return line.replace(old, new)


HASH = b'"' + b"A" * 43 + b'"'


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 50_000 + b"\n",
        b'{"evidence":"indelible/evidence@v1"}\n',
        b"\xef\xbb\xbf" + evidence.header_line(HEADER), evidence.header_line(HEADER)[:-1] + b"\r\n",
        spelled(b'"from":1', b'"from": 1'), spelled(b'"from":1', b'"from":1.0'), spelled(b'"from":1', b'"from":-1'),
        spelled(b'"from":1', b'"from":true'), spelled(b'"from":1', b'"from":"1"'),
        spelled(b'"from":1', b'"from":1,"from":1'),
        spelled(b'"from":1', b'"from":3'), spelled(b'"to":3', b'"to":' + b"9" * 5000),
        spelled(b'"to":3', b'"to":3,"z":1'),
        spelled(b'"size":1', b'"size":-1'), spelled(b'"size":1', b'"size":true'),
        spelled(b'"size":1', b'"size":1,"z":1'),
        spelled(b"@v1", b"@v2"), spelled(b'"evidence":"indelible/evidence@v1",', b""),
        spelled(b'{"action":["a"]}', b"{}"), spelled(b'{"action":["a"]}', b'{"q":["a"]}'),
        spelled(b'["bGxs', b'["bGx'), spelled(b'"left":["', b'"left":[null,"'), spelled(b'GxsbGw"]', b'GxsbGx"]'),
        spelled(b'"note\\n"', b"null"), spelled(b'"note\\n"', b'"\\ud800"'),
    ],
)  # fmt: skip
def test_nothing_else_is_a_header(line: bytes) -> None:
    evidence.cut_header(evidence.header_line(HEADER))
    with pytest.raises(BadLine):
        evidence.cut_header(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"entry":{"v":1}}', b'{"entry":{"v":1}\n', b'{"entry":{"v":1}}\r\n', b'{"entry":{"v":1} }\n',
        b'{"entry":1}\n',
        b'{"entry":{"v":1},"disclosures":["WyI"]}', b'{"entry":{"v":1},"disclosures":["WyI"]} \n',
        b'{"entry":{"v":1},"disclosures":["WyI"],"x":1}\n', b'{"entry":{"v":1},"disclosures":["WyI]}\n',
        b'{"entry":{"v":1},"disclosures":[WyI"]}\n', b'{"entry":{"v":1},"disclosures":["]}\n',
        b'{"entry":{"v":1},"disclosures":null}\n', b'{"entry":{"v":1},"disclosures":["WyI"]}}\n',
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused_or_is_not_one_as_a_whole(line: bytes) -> None:
    """The cut looks at the line's ends only: then there is something in it that no entry and no disclosure is."""
    try:
        data, texts = evidence.cut_entry(line)
    except BadLine:
        return
    assert data != b'{"v":1}' or texts not in (None, [b"WyI"])


@pytest.mark.parametrize(
    "line",
    [
        b'{"erasure":{"v":1},"disclosures":["WyI"]}\n', b'{"erasure":{"v":1},"disclosures":[],"proof":[]}\n',
        b'{"erasure":{"v":1},"disclosures":["WyI","WyI"],"proof":[]}\n', b'{"erasure":{"v":1},"proof":[]}\n',
        b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":["AA"]}\n',
        b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":[' + HASH[:-1] + b"]}\n",
        b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":["\xff"]}\n',
        b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":[' + HASH + b", " + HASH + b"]}\n",
        b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":[' + HASH + b"] }\n",
    ],
)  # fmt: skip
def test_nothing_else_is_an_erasure_record(line: bytes) -> None:
    evidence.cut_record(b'{"erasure":{"v":1},"disclosures":["WyI"],"proof":[' + HASH + b"]}\n")
    with pytest.raises(BadLine):
        evidence.cut_record(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"leaf":"' + b"A" * 42 + b'"}\n', b'{"leaf":"' + b"A" * 42 + b'B"}\n', b'{"leaf":"' + b"A" * 43 + b'" }\n',
        b'{"leaf":"' + b"A" * 43 + b'"}', b'{"leaf":"' + b"A" * 43 + b'"}\r\n', b'{"leaf":"\xff"}\n',
    ],
)  # fmt: skip
def test_nothing_else_is_a_hidden_entry(line: bytes) -> None:
    evidence.cut_hidden(b'{"leaf":"' + b"A" * 43 + b'"}\n')
    with pytest.raises(BadLine):
        evidence.cut_hidden(line)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"7", b"07"), (b"7", b"-7"), (b"7", b"7.0"), (b"7", b"true"), (b'"}}', b'"},"x":1}'), (b'"}}', b'","x":1}}'),
     (b'"}}', b'"} }'), (b"\n", b""), (b"\n", b"\r\n"), (b"AAAA", b"AAA"), (b"sha256", b"sha512")],
)  # fmt: skip
def test_nothing_else_is_an_end(old: bytes, new: bytes) -> None:
    line = evidence.end_line(End(7, bytes(32)))
    assert evidence.cut_end(line) == End(7, bytes(32))
    with pytest.raises(BadLine):
        evidence.cut_end(line.replace(old, new, 1))
