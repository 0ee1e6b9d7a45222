"""What belongs to one customer given out as another's, or what is old as new, or what proves itself."""

from __future__ import annotations

import json
import re

import pytest

from indelible.ledger import canonical
from indelible.ledger.signing import SigningKey
from tests.hostile.attacker import Attacker
from tests.hostile.vendor import Vendor, lines_of, write

LEDGER = ("ledgers", "events", "event_personal")


@pytest.mark.parametrize("with_checkpoints", [True, False])
def test_two_ledgers_exchanged(vendor: Vendor, attacker: Attacker, with_checkpoints: bool) -> None:
    """Each is consistent in itself, and signed. The pinned key is of one ledger alone."""
    pinned = vendor.vkey()
    vendor.sign()
    vendor.sign(vendor.umbra)
    attacker.exchange(vendor.acme, vendor.umbra, *LEDGER, *["checkpoints"] * with_checkpoints)

    assert vendor.command("verify", "--tenant", vendor.acme).code == 1
    file, exported = vendor.export()
    if with_checkpoints:
        assert exported.code == 0
        done = vendor.verify(file, key=pinned)
        assert done.code == 2
        assert "not signed with the key that you gave" in done.out
    else:
        assert (exported.code, file.exists()) == (2, False)
        assert "was altered: it speaks of the ledger" in exported.err
        assert "find out who wrote into the database" in exported.err


def test_two_tenants_checkpoints_exchanged(vendor: Vendor, attacker: Attacker) -> None:
    vendor.sign()
    vendor.sign(vendor.umbra)
    attacker.exchange(vendor.acme, vendor.umbra, "checkpoints")

    assert re.search("another ledger|exchanged", vendor.refusal())
    assert vendor.verify_database().code == 1
    file, exported = vendor.export()
    assert (exported.code, file.exists()) == (2, False)
    assert "the stored checkpoint of" in exported.err
    assert "was altered: it speaks of the ledger" in exported.err


def test_a_checkpoint_of_another_ledger_in_the_file(vendor: Vendor) -> None:
    """Also where the customer trusts the keys of both."""
    file = vendor.exported()
    other = lines_of(vendor.exported(tenant=vendor.umbra))
    header = json.loads(lines_of(file)[0]) | {"checkpoint": json.loads(other[0])["checkpoint"]}
    forged = write(file, [canonical.encode(header) + b"\n", *lines_of(file)[1:]])
    done = vendor.verify(forged)
    assert done.code == 2, done.out
    assert "not signed with the key that you gave" in done.out
    done = vendor.verify(forged, "--key", vendor.vkey(vendor.umbra))
    assert done.code == 1, done.out
    assert "entry 0 opens another ledger than" in done.out


def test_a_file_that_brings_its_own_key(vendor: Vendor) -> None:
    """Whoever takes the key from the file believes anything; whoever pinned one does not."""
    pinned = vendor.vkey()
    vendor.key = SigningKey.generate()
    file = vendor.exported()
    assert vendor.verify(file).code == 0
    done = vendor.verify(file, key=pinned)
    assert done.code == 2, done.out
    assert "not signed with the key that you gave" in done.out


def test_a_forged_signature(vendor: Vendor) -> None:
    """The name and the key's id are public; the signature is not to be had."""
    file = vendor.exported()
    lines = lines_of(file)
    header = json.loads(lines[0])
    text, signature = header["checkpoint"].rsplit(" ", 1)
    header["checkpoint"] = text + " " + signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:]
    done = vendor.verify(write(file, [canonical.encode(header) + b"\n", *lines[1:]]))
    assert done.code == 1, done.out
    assert "the checkpoint in this file was altered or made up: the signature on it is not that of its key" in done.out


def test_another_size_or_root_in_the_checkpoint(vendor: Vendor) -> None:
    file = vendor.exported()
    lines = lines_of(file)
    header = json.loads(lines[0])
    header["checkpoint"] = header["checkpoint"].replace("\n10\n", "\n9\n")
    header["to"] = 9
    done = vendor.verify(write(file, [canonical.encode(header) + b"\n", *lines[1:-1]]))
    assert done.code == 1, done.out
    assert "the checkpoint in this file was altered or made up: the signature on it is not that of its key" in done.out


def test_an_old_checkpoint_given_out_again(vendor: Vendor) -> None:
    """An old file is what it was. To who kept a newer checkpoint it shows that it is old."""
    old = vendor.exported()
    vendor.log(3)
    kept = vendor.sign()
    assert vendor.verify(old).code == 0
    done = vendor.verify(old, "--after", str(kept))
    assert done.code == 2, done.out
    assert "the checkpoint that you kept covers 13 entries, and the one in this file only 10" in done.out


def test_an_old_checkpoint_put_into_a_newer_file(vendor: Vendor) -> None:
    old = json.loads(lines_of(vendor.exported())[0])["checkpoint"]
    vendor.log(3)
    file = vendor.exported()
    lines = lines_of(file)
    header = canonical.encode(json.loads(lines[0]) | {"checkpoint": old}) + b"\n"
    done = vendor.verify(write(file, [header, *lines[1:]]))
    assert done.code == 2, done.out
    assert "goes up to entry 13, and its checkpoint covers 10 entries only" in done.out


def test_an_older_checkpoint_in_the_database(vendor: Vendor, attacker: Attacker) -> None:
    """The newest checkpoint deleted: the signer goes on from the one before, and signs the same again."""
    vendor.sign()
    vendor.log(3)
    kept = vendor.sign()
    attacker.forget_checkpoints(vendor.acme, 9)
    assert vendor.verify(vendor.exported(), "--after", str(kept)).code == 0
