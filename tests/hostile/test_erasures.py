"""What is missing from an entry was erased on record, or somebody withholds it. There is no third way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from indelible.ledger import base64url, canonical, evidence
from indelible.ledger.disclosure import digest, text_digest
from indelible.ledger.evidence import Record
from tests.hostile.attacker import Attacker
from tests.hostile.vendor import Vendor, disclosed, lines_of, write
from tests.store.samples import rows

WITHHELD = "neither shown nor recorded as erased: "
ONE_WITHHELD = f"1 personal part is {WITHHELD}it is withheld"


@pytest.fixture
def sarah(vendor: Vendor) -> None:
    """Who did entry 9, and is erased by entry 11 (`erase`) where nothing was exported before."""
    vendor.log(actor={"type": "user", "id": "usr_s", "name": "Sarah", "email": "s@example.com"})
    vendor.log()


@pytest.mark.usefixtures("sarah")
@pytest.mark.parametrize("options", [[], ["--to", "11"], ["--from", "9", "--to", "10"], ["--action", "user.left"]])
def test_an_erasure_on_record_is_proven(vendor: Vendor, options: list[str]) -> None:
    """In the range and outside of it; and what was exported before still is."""
    before = vendor.exported(*options)
    kept = vendor.sign()
    vendor.erase("--actor", "usr_s")
    after = vendor.exported(*options, "--after", str(kept))
    assert vendor.verify(before, "--after", str(kept)).code == 0
    done = vendor.verify(after, "--after", str(kept))
    assert done.code == 0
    if not options or options[0] != "--action":
        assert ", 2 erased, 0 withheld" in done.out
        assert "recorded by entry 12 at" in done.out  # 11 records the first export
        assert b'"Sarah"' in disclosed(before)
        assert b'"Sarah"' not in disclosed(after)
    assert vendor.verify_database().code == 0


@pytest.mark.usefixtures("sarah")
def test_a_disclosure_deleted_without_a_record(vendor: Vendor, attacker: Attacker) -> None:
    vendor.sign()
    attacker.run("UPDATE indelible.event_personal SET actor = NULL WHERE tenant_id = %(tenant)s AND seq = 9",
                 tenant=vendor.acme)  # fmt: skip
    assert vendor.verify_database().code == 1
    done = vendor.verify(vendor.exported())
    assert done.code == 2, done.out
    assert ONE_WITHHELD in done.out


@pytest.mark.usefixtures("sarah")
@pytest.mark.parametrize(
    ("record", "code", "said"),
    [
        (3, 1, "the file gives it as an erasure record, but it is 'user.role_changed'"),
        (11, 2, ONE_WITHHELD),
        (10**6, None, "is said to record an erasure"),
    ],
    ids=["no record", "that of another one", "none"],
)
def test_a_disclosure_deleted_with_a_record_that_does_not_say_so(
    vendor: Vendor, attacker: Attacker, record: int, code: int | None, said: str
) -> None:
    """The database says that entry `record` recorded it."""
    vendor.erase("--actor", "usr_s", "--groups", "context")  # entry 11
    attacker.run(
        "UPDATE indelible.event_personal SET actor = NULL, "
        "erased = coalesce(erased, '{}') || jsonb_build_object('actor', %(record)s::bigint) "
        "WHERE tenant_id = %(tenant)s AND seq = 9",
        tenant=vendor.acme,
        record=record,
    )
    assert vendor.verify_database().code == 1
    file, exported = vendor.export()
    if code is None:
        assert (exported.code, file.exists()) == (2, False)
        assert said in exported.err
        return
    done = vendor.verify(file)
    assert done.code == code, done.out
    assert said in done.out


# --- records forged in the file

Forge = Callable[[Vendor, list[bytes]], list[bytes]]
"""Given the lines of a file in which entry 9 lacks its actor, and 11 records that the *context* of 9 was erased."""


def record_of(line: bytes) -> Record:
    return evidence.cut_record(line)


def digest_of_actor(lines: list[bytes]) -> str:
    """Of the actor's disclosure of entry 9, that nobody recorded as erased."""
    entry, texts = evidence.cut_entry(
        next(line for line in lines if line.startswith(evidence.ENTRY) and b'"seq":9,' in line)
    )
    recorded = opened(record_of(lines[1]).text)[2]["digests"]
    (digest,) = {*json.loads(entry)["_sd"]} - {*map(text_digest, texts or [])} - {*recorded}
    return str(digest)


def opened(text: bytes) -> Any:
    return json.loads(base64url.decode(text.decode()))


def closed(value: object) -> bytes:
    return base64url.to_bytes(msgspec.json.encode(value))


def more_digests(_: Vendor, lines: list[bytes]) -> list[bytes]:
    """The record's disclosure says more than was recorded."""
    record = record_of(lines[1])
    salt, name, value = opened(record.text)
    value["digests"].append(digest_of_actor(lines))
    text = closed([salt, name, value])
    return [lines[0], evidence.record_line(record._replace(text=text)), *lines[2:]]


def made_up(_: Vendor, lines: list[bytes]) -> list[bytes]:
    """A record that is in no ledger, whose parts fit each other."""
    record = record_of(lines[1])
    salt, name, value = opened(record.text)
    value["digests"] = [digest_of_actor(lines)]
    text = closed([salt, name, value])
    entry = json.loads(record.entry)
    entry["_sd"] = [text_digest(text)]
    forged = Record(canonical.encode(entry), text, record.proof)
    return [lines[0], evidence.record_line(forged), *lines[2:]]


def of_another_ledger(vendor: Vendor, lines: list[bytes]) -> list[bytes]:
    """The neighbour's record, with the neighbour's proof."""
    other = lines_of(vendor.exported(tenant=vendor.umbra))
    return [lines[0], other[1], *lines[2:]]


def proven_for_another_entry(_: Vendor, lines: list[bytes]) -> list[bytes]:
    """The record with the proof of the erasure after it."""
    one, two = record_of(lines[1]), record_of(lines[2])
    return [lines[0], evidence.record_line(one._replace(proof=two.proof)), *lines[2:]]


def two_orders(_: Vendor, lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def left_out(_: Vendor, lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[3:]]


NOT_IN_THE_LEDGER = "the erasure record that the file gives is not in the ledger"


@pytest.mark.usefixtures("sarah")
@pytest.mark.parametrize(
    ("forge", "code", "said"),
    [
        (
            more_digests,
            1,
            "the erasure record that the file gives is wrong: its personal part 'metadata' was",
        ),
        (made_up, 1, NOT_IN_THE_LEDGER),
        (of_another_ledger, 1, NOT_IN_THE_LEDGER),
        (proven_for_another_entry, 1, NOT_IN_THE_LEDGER),
        (two_orders, 2, "the erasure records are not in the order of their numbers"),
        (left_out, 2, WITHHELD),
    ],
)
def test_a_record_of_an_erasure_forged_in_the_file(
    vendor: Vendor, attacker: Attacker, forge: Forge, code: int, said: str
) -> None:
    vendor.erase("--actor", "usr_s", "--groups", "context")  # entry 11
    vendor.erase("--actor", "usr_7", "--groups", "context")  # entry 12
    vendor.erase("--actor", "usr_7", "--groups", "context", tenant=vendor.umbra)
    attacker.run("UPDATE indelible.event_personal SET actor = NULL WHERE tenant_id = %(tenant)s AND seq = 9",
                 tenant=vendor.acme)  # fmt: skip
    file = vendor.exported()
    lines = lines_of(file)
    assert [line.startswith(evidence.RECORD) for line in lines[:4]] == [False, True, True, False]
    done = vendor.verify(write(file, forge(vendor, lines)))
    assert done.code == code, done.out
    assert said in done.out


@pytest.mark.usefixtures("sarah")
def test_a_record_before_the_entry_does_not_count(vendor: Vendor, attacker: Attacker) -> None:
    """Whoever could write the ledger might name digests of what is yet to come; nothing is erased before it is there.

    The record is rewritten into entry 4, in the ledger and before it is signed, and everything fits.
    """
    stored = "SELECT {} FROM indelible.event_personal WHERE tenant_id = %s AND seq = {}"
    ((metadata,),) = rows(vendor.database, stored.format("metadata", 4), vendor.acme)
    ((actor,),) = rows(vendor.database, stored.format("actor", 9), vendor.acme)
    salt, name, _ = json.loads(metadata)
    value = {"digests": [digest(actor.encode())], "entries": 1, "reason": "none"}
    forged = msgspec.json.encode([salt, name, value]).decode()

    def edit(seq: int, entry: dict[str, Any]) -> None:
        if seq == 4:
            old, new = digest(metadata.encode()), digest(forged.encode())
            entry["action"] = "ledger.erasure"
            entry["_sd"] = sorted(new if each == old else each for each in entry["_sd"])

    attacker.rewrite(vendor.acme, edit)
    attacker.run(
        "UPDATE indelible.event_personal SET metadata = %(forged)s WHERE tenant_id = %(tenant)s AND seq = 4",
        "UPDATE indelible.event_personal SET actor = NULL, erased = '{\"actor\": 4}' "
        "WHERE tenant_id = %(tenant)s AND seq = 9",
        tenant=vendor.acme,
        forged=forged,
    )
    done = vendor.verify(vendor.exported())
    assert done.code == 2, done.out
    assert ONE_WITHHELD in done.out


# --- withholding


@pytest.mark.parametrize("group", ["actor", "metadata"])
def test_a_vendor_who_withholds_is_not_believed_unless_it_was_agreed(vendor: Vendor, group: str) -> None:
    file = vendor.exported("--withhold", group)
    done = vendor.verify(file)
    assert done.code == 2, done.out
    # Of eight events, and of the entry that records the export.
    assert f"9 personal parts are {WITHHELD}they are withheld" in done.out
    agreed = vendor.verify(file, "--accept-withheld")
    assert agreed.code == 0
    assert "withheld from this file, which was accepted" in agreed.out


def test_a_vendor_who_hides_is_not_believed_unless_it_was_agreed(vendor: Vendor) -> None:
    file = vendor.exported("--action", "user.left", "--hide")
    done = vendor.verify(file)
    assert done.code == 2, done.out
    assert "10 entries are hidden, so that nobody can tell whether they match the filter" in done.out
    agreed = vendor.verify(file, "--accept-hidden")
    assert agreed.code == 0
    assert "10 of them are hidden: that none of these matches the filter is not proven, and was accepted." in agreed.out
