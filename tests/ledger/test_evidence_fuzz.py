"""No bit of an evidence file can be flipped, and no bytes make the verifier stumble."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ledger import ed25519, evidence
from indelible.ledger.filter import Filter
from tests.ledger.evidence_files import Lines, check, ended, sample


def files() -> dict[str, tuple[Lines, str]]:
    """Small files that hold every kind of line between them, each with an earlier checkpoint."""
    ledger = sample(4)
    ledger.erase((2, "actor"))
    wanted = Filter(action=frozenset({"user.left"}), since="2026-11-21T09:30:00.000Z")
    return {
        "whole": (ledger.lines(), ledger.checkpoint(3)),
        "range": (ledger.lines(ledger.header(1, 3, after=4)), ledger.checkpoint(4)),
        "filtered": (ledger.lines(ledger.header(wanted=wanted)), ledger.checkpoint(5)),
        "hidden": (ledger.lines(ledger.header(2, 5, wanted=wanted, after=1), hide=True), ledger.checkpoint(1)),
    }


FILES = files()


@pytest.fixture(autouse=True, scope="module")
def signatures_are_computed_once() -> Iterator[None]:
    """Nearly every file here has the same two signatures, and they are most of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ed25519, "verify", lru_cache(maxsize=64)(ed25519.verify))
        yield


def is_accepted(data: bytes | Lines, after: str) -> bool:
    report = check(data, after=after, accept_hidden=True)
    # Whatever it is, the report can be shown.
    str(report).encode()
    assert report.to_json()["exit_code"] == report.exit_code
    assert (report.exit_code == 0) == (report.findings == [])
    return report.exit_code == 0


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def flips(name: str, bits: Iterator[int] | range) -> list[int]:
    """Of these bits those that can be flipped without being noticed."""
    lines, after = FILES[name]
    data = ended(lines)
    assert is_accepted(data, after)
    return [bit for bit in bits if is_accepted(flipped(data, bit), after)]


def forged_flips(name: str, line: int, bits: Iterator[int] | range) -> list[int]:
    """The same within one line, with the end line made to fit."""
    lines, after = FILES[name]
    return [bit for bit in bits if is_accepted([*lines[:line], flipped(lines[line], bit), *lines[line + 1 :]], after)]


PLACES = [(name, line) for name, (lines, _) in FILES.items() for line in range(len(lines))]


@pytest.mark.parametrize("name", FILES)
def test_no_bit_can_be_flipped(name: str) -> None:
    size = len(ended(FILES[name][0])) * 8
    assert flips(name, iter(random.Random(7).sample(range(size), 400))) == []


@pytest.mark.parametrize(("name", "line"), PLACES)
def test_no_bit_can_be_flipped_by_whoever_writes_the_end(name: str, line: int) -> None:
    """The end line tells damage only: this is what the hashes and the signature hold."""
    lines, _ = FILES[name]
    size = len(lines[line]) * 8
    survivors = forged_flips(name, line, iter(random.Random(line).sample(range(size), 100)))
    assert all_harmless(name, line, survivors)


def all_harmless(name: str, line: int, bits: list[int]) -> bool:
    """The one thing that may be changed is the filter, to another one that the same entries match: nobody signs it, and
    it is evaluated again, so that what the report then says is true as well."""
    lines, _ = FILES[name]
    if line:
        return bits == []
    header = evidence.cut_header(lines[0])
    for bit in bits:
        changed = evidence.cut_header(flipped(lines[0], bit))
        if changed._replace(filter=header.filter) != header:
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_no_bit_at_all_can_be_flipped(name: str) -> None:
    lines, _ = FILES[name]
    assert flips(name, range(len(ended(lines)) * 8)) == []
    for line in range(len(lines)):
        assert all_harmless(name, line, forged_flips(name, line, range(len(lines[line]) * 8)))


@given(st.data())
def test_lines_cut_doubled_moved_and_joined_are_not_accepted(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    lines, after = FILES[name]
    changed = list(lines)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["drop", "double", "move", "cut", "join", "other"])):
            case "drop":
                del changed[at]
            case "double":
                changed.insert(at, changed[at])
            case "move":
                changed.insert(data.draw(st.integers(0, len(changed))), changed.pop(at))
            case "cut":
                changed[at] = changed[at][: data.draw(st.integers(0, len(changed[at])))]
            case "join":
                changed[at] = changed[at].rstrip(b"\n")
            case _:
                other, _ = FILES[data.draw(st.sampled_from(sorted(FILES)))]
                changed[at] = data.draw(st.sampled_from(other))
        if not changed:
            break
    # An erasure record that is not needed here may be there or not.
    needed = [line for line in changed if not line.startswith(evidence.RECORD)]
    is_same = b"".join(changed) == b"".join(lines)
    honest = [[line for line in every if not line.startswith(evidence.RECORD)] for every, _ in FILES.values()]
    if is_accepted(changed, after):
        assert is_same or needed in honest


@given(st.binary(max_size=200), st.integers(0, 7))
def test_rubbish_anywhere_is_not_accepted(rubbish: bytes, line: int) -> None:
    lines, after = FILES["whole"]
    line = min(line, len(lines))
    if rubbish:
        assert not is_accepted([*lines[:line], rubbish, *lines[line:]], after)
        assert not is_accepted([*lines[:line], rubbish + b"\n", *lines[line:]], after)
    assert not is_accepted(io.BytesIO(rubbish).getvalue(), after)
