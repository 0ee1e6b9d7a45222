"""An honest export, forged as a file. Its end line counts and hashes what is there then: only the proof tells.

All of them forge two exports of one database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from indelible.catalog import Catalog
from indelible.ledger import base64url, canonical, evidence
from indelible.ledger.disclosure import disclose
from indelible.ledger.tree import leaf_hash
from tests.conftest import Cluster
from tests.hostile.vendor import Vendor, lines_of, opened_vendor, write

NOT_THE_ROOT = "the entries are not those that were signed: one was altered, added, left out or moved"

Lines = list[bytes]


def reheaded(lines: Lines, **members: Any) -> Lines:
    """The lines with another header."""
    return [canonical.encode(json.loads(lines[0]) | members) + b"\n", *lines[1:]]


def altered(line: bytes, change: Callable[[bytes, list[bytes]], tuple[bytes, list[bytes] | None]]) -> bytes:
    entry, shown = evidence.cut_entry(line)
    entry, texts = change(entry, shown or [])
    return evidence.bare_line(entry) if texts is None else evidence.shown_line(entry, texts)


@pytest.fixture(scope="module")
def vendor(
    clusters: Callable[[int], Cluster], catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vendor]:
    """Entries 9 and 10 of ACME are the last, before those that record the exports."""
    cluster = clusters(18)
    database = cluster.databases.clone(cluster.template)
    with opened_vendor(database, catalog, tmp_path_factory.mktemp("files")) as vendor:
        vendor.log(action="user.deleted", actor={"type": "user", "id": "usr_7", "name": "Mallory"})
        vendor.log(metadata={}, changes={})
        yield vendor
    cluster.databases.drop(database)


@pytest.fixture(scope="module")
def file(vendor: Vendor) -> Path:
    """Entries 0 to 11, the last of which records the export; the line of entry n is number n + 1."""
    return vendor.exported()


def test_the_file_forged_into_itself_is_proven(vendor: Vendor, file: Path) -> None:
    """What the others do, without doing anything."""
    lines = lines_of(file)
    same = reheaded([*lines[:4], *(altered(line, lambda *parts: parts) for line in lines[4:])])
    assert write(file, same).read_bytes() == file.read_bytes()
    assert vendor.verify(write(file, same)).code == 0


def without_one(lines: Lines) -> Lines:
    del lines[4]
    return lines


def without_one_and_fewer(lines: Lines) -> Lines:
    del lines[4]
    return reheaded(lines, to=11)


def without_the_last(lines: Lines) -> Lines:
    return reheaded(lines[:-1], to=11)


def without_the_first(lines: Lines) -> Lines:
    del lines[1]
    return reheaded(lines, **{"from": 1})


def two_exchanged(lines: Lines) -> Lines:
    lines[4], lines[5] = lines[5], lines[4]
    return lines


def one_twice(lines: Lines) -> Lines:
    lines[5] = lines[4]
    return lines


def one_more(lines: Lines) -> Lines:
    return [*lines, lines[-1]]


def entry_altered(lines: Lines) -> Lines:
    lines[4] = lines[4].replace(b"usr_7", b"usr_6")
    return lines


def entry_as_hash(lines: Lines) -> Lines:
    lines[4] = evidence.hidden_line(b"\1" * 32)
    return lines


@pytest.mark.parametrize(
    ("forge", "code", "said"),
    [
        (without_one, 1, "entry 3 (step 3): entry 3 is missing"),
        (without_one_and_fewer, 2, "the hashes that stand for what is after its last entry are too few or too many"),
        (without_the_last, 2, "the hashes that stand for what is after its last entry are too few or too many"),
        (without_the_first, 2, "the hashes that stand for what is before its first entry are too few or too many"),
        (two_exchanged, 1, "entry 3 (step 3): it stands where entry 5 belongs: it was moved there"),
        (one_twice, 1, "entry 3 (step 3): it stands where entry 4 belongs: it was moved there, or is in the"),
        (one_more, 2, "line 14 is one entry more than the file's first line announces"),
        (entry_altered, 1, NOT_THE_ROOT),
        (entry_as_hash, 1, NOT_THE_ROOT),
    ],
)
def test_an_entry_left_out_moved_or_altered(
    vendor: Vendor, file: Path, forge: Callable[[Lines], Lines], code: int, said: str
) -> None:
    done = vendor.verify(write(file, forge(lines_of(file))), "--accept-hidden", "--accept-withheld")
    assert done.code == code, done.out
    assert said in done.out


# --- a filter that leaves out what it should show


@pytest.fixture(scope="module")
def filtered(vendor: Vendor, file: Path) -> Path:
    """Of the entries 0 to 12 the filter shows number 9. 11 and 12 record the exports of `file` and of this."""
    assert file.exists()
    return vendor.exported("--action", "user.deleted")


def test_the_filtered_file_is_proven_and_shows_what_matches(vendor: Vendor, filtered: Path) -> None:
    done = vendor.verify(filtered)
    assert done.code == 0
    assert "1 of them matches the filter (the action is 'user.deleted') and is shown with" in done.out
    assert [evidence.cut_entry(line)[1] is None for line in lines_of(filtered)[1:]] == [True] * 9 + [False] + [True] * 3


def leaf_of(line: bytes) -> bytes:
    return leaf_hash(evidence.cut_entry(line)[0])


@pytest.mark.parametrize(
    ("forge", "options", "code", "said"),
    [
        # Shown without what it discloses, as if the filter left it out.
        (lambda line: altered(line, lambda entry, _: (entry, None)), [], 1,
         "it belongs in this selection, but was left out as if it did not match the filter"),
        (lambda line: evidence.hidden_line(leaf_of(line)), [], 2,
         "1 entry is hidden, so that nobody can tell whether it matches the filter"),
        (lambda _: b"", [], 1, "entry 9 (step 3): entry 9 is missing"),
        (lambda line: altered(line, lambda entry, _: (entry, [])), [], 2, "are neither shown nor recorded as erased"),
        # Another event, in its place.
        (lambda line: altered(line, lambda entry, _: (entry.replace(b"user.deleted", b"user.invited"), None)), [], 1,
         NOT_THE_ROOT),
    ],
    ids=["bare", "hidden", "dropped", "emptied", "replaced"],
)  # fmt: skip
def test_a_matching_event_dropped_from_a_filtered_file(
    vendor: Vendor, filtered: Path, forge: Callable[[bytes], bytes], options: list[str], code: int, said: str
) -> None:
    lines = lines_of(filtered)
    lines[10] = forge(lines[10])
    done = vendor.verify(write(filtered, [line for line in lines if line]), *options)
    assert done.code == code, done.out
    assert said in done.out


def test_another_filter_than_the_entries_were_chosen_by(vendor: Vendor, filtered: Path) -> None:
    done = vendor.verify(write(filtered, reheaded(lines_of(filtered), filter={"action": ["user.joined"]})))
    assert done.code == 1, done.out
    assert "it does not match the filter, but is shown in this selection as if it did" in done.out


def test_a_filter_taken_out_of_the_file(vendor: Vendor, filtered: Path) -> None:
    done = vendor.verify(write(filtered, reheaded(lines_of(filtered), filter=None)))
    assert done.code == 2, done.out
    assert "the file has no filter, and yet 12 entries are not shown with what was recorded" in done.out


# --- disclosures


def opened(text: bytes) -> Any:
    return json.loads(base64url.decode(text.decode()))


def test_a_disclosure_altered(vendor: Vendor, file: Path) -> None:
    """The name of who did it, exchanged for another's."""

    def change(entry: bytes, texts: list[bytes]) -> tuple[bytes, list[bytes]]:
        salt, name, value = opened(texts[0])
        assert (name, value["name"]) == ("actor", "Sarah Chen")
        forged = msgspec.json.encode([salt, name, value | {"name": "Sarah Roman"}])
        return entry, [base64url.to_bytes(forged), *texts[1:]]

    lines = lines_of(file)
    lines[4] = altered(lines[4], change)
    done = vendor.verify(write(file, lines))
    assert done.code == 1, done.out
    assert "entry 3 (step 6): its personal part 'actor' was altered or added: it is not what was sealed" in done.out


def test_a_disclosure_added(vendor: Vendor, file: Path) -> None:
    """To an entry that had none of its group."""
    text = base64url.to_bytes(disclose("metadata", b'{"note":"he knew"}', b"0" * 16))
    lines = lines_of(file)
    lines[11] = altered(lines[11], lambda entry, texts: (entry, [*texts, text]))
    done = vendor.verify(write(file, lines))
    assert done.code == 1, done.out
    assert "entry 10 (step 6): its personal part 'metadata' was altered or added" in done.out


def test_a_disclosure_of_another_entry(vendor: Vendor, file: Path) -> None:
    """Genuine, but not what this entry says."""
    lines = lines_of(file)
    (_, others) = evidence.cut_entry(lines[10])
    assert others
    lines[4] = altered(lines[4], lambda entry, texts: (entry, [others[0], *texts[1:]]))
    done = vendor.verify(write(file, lines))
    assert done.code == 1, done.out
    assert "entry 3 (step 6): its personal part 'actor' was altered or added" in done.out


def test_a_disclosure_twice(vendor: Vendor, file: Path) -> None:
    lines = lines_of(file)
    lines[4] = altered(lines[4], lambda entry, texts: (entry, [texts[0], *texts]))
    done = vendor.verify(write(file, lines))
    assert done.code == 1, done.out


# --- damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-20], "it was cut off"),
        (lambda data: data[: len(data) // 2], "it was cut off"),
        (lambda data: data + b"\n", "there is something after the file's end"),
        (lambda data: data.replace(b"\n", b"\r\n"), "the first line is no header of an evidence file"),
        (lambda _: b"", "the file is empty"),
        (lambda data: data[: data.rindex(b'"sha256":"') + 10] + b"A" * 43 + b'"}}\n', "it was damaged or altered"),
    ],
)
def test_a_damaged_file_is_not_proven(vendor: Vendor, file: Path, damage: Callable[[bytes], bytes], said: str) -> None:
    """It may be nobody's fault, so nobody is accused."""
    damaged = file.with_name("damaged.jsonl")
    damaged.write_bytes(damage(file.read_bytes()))
    done = vendor.verify(damaged)
    assert done.code == 2, done.out
    assert said in done.out
