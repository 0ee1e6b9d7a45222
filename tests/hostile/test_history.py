"""History rewritten, shortened, forked, set back or dated back: in the database everything agrees afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from indelible.archive import open_archive
from tests.hostile.attacker import Attacker, Edit
from tests.hostile.vendor import Vendor

NOT_THE_ROOT = "the entries are not those that were signed: one was altered, added, left out or moved"
TWO_HISTORIES = (
    "the first 9 entries are not those of the earlier checkpoint: history was rewritten, and two different ones were "
    "signed"
)


def blame_another(at: int) -> Edit:
    """Entry `at` says that somebody else did it."""

    def edit(seq: int, entry: dict[str, Any]) -> None:
        if seq == at:
            entry["actor"]["id"] = "usr_6"

    return edit


@pytest.mark.parametrize("at", [1, 4, 8])
def test_history_rewritten_under_a_checkpoint_contradicts_it(vendor: Vendor, attacker: Attacker, at: int) -> None:
    """The signer does not sign it, `verify` says so, and the exported file convicts itself."""
    vendor.sign()
    attacker.rewrite(vendor.acme, blame_another(at))

    assert "the first 9 entries of the ledger are not those that were signed" in vendor.refusal()
    assert vendor.verify_database().code == 1
    file, exported = vendor.export()
    assert exported.code == 1
    assert "what is stored contradicts the checkpoint that was signed of it: entries were altered" in exported.err
    done = vendor.verify(file)
    assert done.code == 1, done.out
    assert NOT_THE_ROOT in done.out
    # And the neighbour's is proven, signed afterwards.
    assert vendor.verify(vendor.exported(tenant=vendor.umbra), key=vendor.vkey(vendor.umbra)).code == 0


@pytest.mark.parametrize("at", [1, 8])
def test_history_rewritten_and_signed_anew_contradicts_what_a_customer_kept(
    vendor: Vendor, attacker: Attacker, at: int
) -> None:
    """With the checkpoints deleted a signer that remembers nothing signs a second history: it is proven by itself, and
    convicted by the older checkpoint."""
    kept = vendor.sign()
    attacker.rewrite(vendor.acme, blame_another(at))
    attacker.forget_checkpoints(vendor.acme)

    vendor.log(2)
    assert vendor.verify(vendor.exported()).code == 0
    for options in ([], ["--from", "9"], ["--to", "5"], ["--from", "10"]):
        file, exported = vendor.export(*options, "--after", str(kept))
        assert exported.code == 1
        assert "the ledger does not continue the earlier checkpoint" in exported.err
        done = vendor.verify(file, "--after", str(kept))
        assert done.code == 1
        assert TWO_HISTORIES in done.out


def test_history_rewritten_is_not_signed_by_who_remembers(vendor: Vendor, attacker: Attacker, tmp_path: Path) -> None:
    """The signer that is running, and one that was just started and has the archive."""
    (tmp_path / "archive").mkdir()
    archive = open_archive(str(tmp_path / "archive"), retention=timedelta(days=1))
    running = vendor.signer(archive)
    vendor.sign(signer=running)
    vendor.runner.run(running.publish())

    attacker.rewrite(vendor.acme, blame_another(3))
    attacker.forget_checkpoints(vendor.acme)
    vendor.log()
    assert "the first 9 entries of the ledger are not those that were signed before, by this signer" in vendor.refusal(
        signer=running
    )
    assert "are not those that were signed, by the checkpoint in the archive" in vendor.refusal(
        signer=vendor.signer(archive)
    )
    # Nor by who has the key, and the list of refusals.
    file, exported = vendor.export()
    assert (exported.code, file.exists()) == (2, False)
    assert "not signed since" in exported.err


@pytest.mark.parametrize("with_tree", [True, False])
def test_an_entry_below_a_stored_subtree_rewritten(vendor: Vendor, attacker: Attacker, with_tree: bool) -> None:
    """With the roots of subtrees computed anew, or left as they were. What was not touched is proven all the same."""
    vendor.log(300, at_once=True)
    vendor.sign()
    if with_tree:
        attacker.rewrite(vendor.acme, blame_another(10))
    else:
        attacker.run(
            "UPDATE indelible.events SET entry = replace(encode(entry, 'escape'), 'usr_7', 'usr_6')::bytea "
            "WHERE tenant_id = %(tenant)s AND seq = 10",
            "UPDATE indelible.events SET leaf_hash = sha256('\\x00'::bytea || entry) "
            "WHERE tenant_id = %(tenant)s AND seq = 10",
            tenant=vendor.acme,
        )
    assert vendor.verify_database().code == 1
    for options in ([], ["--from", "5", "--to", "300"], ["--to", "11"]):
        file, exported = vendor.export(*options)
        assert exported.code == 1
        done = vendor.verify(file)
        assert done.code == 1, done.out
        assert NOT_THE_ROOT in done.out
    file, exported = vendor.export("--from", "256")
    done = vendor.verify(file)
    assert done.code == (1 if with_tree else 0), done.out


def test_a_ledger_begun_anew_is_another_one(vendor: Vendor, attacker: Attacker) -> None:
    """Everything of the tenant deleted, and its next event logged: the pinned key is not that ledger's."""
    pinned, kept = vendor.vkey(), vendor.sign()
    for table in ("events", "event_personal", "ledgers", "checkpoints"):
        attacker.run(f"DELETE FROM indelible.{table} WHERE tenant_id = %(tenant)s", tenant=vendor.acme)
    vendor.log(9)
    file = vendor.exported()
    done = vendor.verify(file, "--after", str(kept), key=pinned)
    assert done.code == 2, done.out
    assert "not signed with the key that you gave" in done.out
    done = vendor.verify(file, "--after", str(kept), "--key", pinned)
    assert done.code == 2, done.out
    assert "the earlier checkpoint is of another ledger" in done.out


# --- shortened


def test_the_newest_removed_under_a_checkpoint_leave_nothing_to_export(vendor: Vendor, attacker: Attacker) -> None:
    vendor.sign()
    attacker.remove(vendor.acme, 6, 8)

    assert "the ledger has 6 entries, and its last checkpoint says 9" in vendor.refusal()
    assert vendor.verify_database().code == 1
    file, exported = vendor.export()
    assert (exported.code, file.exists()) == (2, False)
    assert "is incomplete: there is no hash of entry" in exported.err


@pytest.mark.parametrize(
    ("first", "last", "added", "code", "said"),
    [
        # An old file would look the same. It has one entry more than what was left: that which records the export.
        (6, 8, 0, 2, "the checkpoint that you kept covers 9 entries, and the one in this file only 7"),
        (7, 8, 0, 2, "if the vendor cannot give you one, entries were removed"),
        (8, 8, 0, 1, TWO_HISTORIES),
        (6, 8, 3, 1, TWO_HISTORIES),
        (3, 3, 1, 1, TWO_HISTORIES),
        (1, 2, 4, 1, TWO_HISTORIES),
    ],
    ids=["newest", "last two", "last", "replaced", "one", "first"],
)
def test_entries_removed_and_signed_anew_contradict_what_a_customer_kept(
    vendor: Vendor, attacker: Attacker, first: int, last: int, added: int, code: int, said: str
) -> None:
    kept = vendor.sign()
    attacker.remove(vendor.acme, first, last)
    attacker.forget_checkpoints(vendor.acme)
    if added:
        vendor.log(added)
    file = vendor.exported()
    assert vendor.verify(file).code == 0
    done = vendor.verify(file, "--after", str(kept))
    assert done.code == code, done.out
    assert said in done.out


# --- forked, and set back


def forked(vendor: Vendor, attacker: Attacker) -> tuple[Path, Path]:
    """Two checkpoints of ten entries, the last of which differs, by two signers that know nothing of each other."""
    vendor.sign()
    before = attacker.dump(vendor.acme)
    vendor.log(actor={"type": "user", "id": "usr_1"})
    one = vendor.sign()
    attacker.restore(vendor.acme, before)
    vendor.log(actor={"type": "user", "id": "usr_2"})
    return one, vendor.sign()


def test_two_histories_from_one_point_contradict_each_other(vendor: Vendor, attacker: Attacker) -> None:
    one, other = forked(vendor, attacker)
    vendor.log(2)
    file = vendor.exported()
    assert vendor.verify(file, "--after", str(other)).code == 0
    done = vendor.verify(file, "--after", str(one))
    assert done.code == 1, done.out
    assert TWO_HISTORIES.replace("9", "10") in done.out


def test_two_checkpoints_of_one_size_contradict_each_other(vendor: Vendor, attacker: Attacker) -> None:
    one, _ = forked(vendor, attacker)
    done = vendor.verify(vendor.exported(), "--after", str(one))
    assert done.code == 1, done.out
    assert TWO_HISTORIES.replace("9", "10") in done.out


def test_a_range_that_says_nothing_of_the_earlier_checkpoint_is_not_proven(vendor: Vendor, attacker: Attacker) -> None:
    """A vendor who leaves the proof out is not believed either."""
    one, _ = forked(vendor, attacker)
    vendor.log(2)
    done = vendor.verify(vendor.exported("--from", "11"), "--after", str(one))
    assert done.code == 2, done.out
    assert "the file does not say how the ledger of 10 entries was continued" in done.out


def test_an_older_backup_restored_is_not_signed_by_who_remembers(vendor: Vendor, attacker: Attacker) -> None:
    running = vendor.signer()
    vendor.sign(signer=running)
    backup = attacker.dump(vendor.acme)
    vendor.log(3)
    kept = vendor.sign(signer=running)

    attacker.restore(vendor.acme, backup)
    assert "the ledger has 9 entries, and this signer saw 12 of it" in vendor.refusal(signer=running)
    vendor.log(5)
    assert "the first 12 entries of the ledger are not those that were signed" in vendor.refusal(signer=running)
    # Another one, without memory and archive, does sign it, once the refusal is gone. The customer notices.
    attacker.run("DELETE FROM indelible.refusals WHERE tenant_id = %(tenant)s", tenant=vendor.acme)
    file = vendor.exported()
    assert vendor.verify(file).code == 0
    done = vendor.verify(file, "--after", str(kept))
    assert done.code == 1, done.out
    assert TWO_HISTORIES.replace("9", "12") in done.out


# --- dated back


def dated_back(name: str) -> Edit:
    """Entry 5, to the beginning of its month."""

    def edit(seq: int, entry: dict[str, Any]) -> None:
        if seq == 5:
            entry[name] = entry[name][:8] + "01T00:00:00.000" + entry[name][23:]

    return edit


@pytest.mark.parametrize(
    ("name", "said"),
    [("occurred_at", NOT_THE_ROOT), ("recorded_at", "and an entry that precedes it at")],
)
def test_an_entry_dated_back_contradicts_its_checkpoint(
    vendor: Vendor, attacker: Attacker, name: str, said: str
) -> None:
    vendor.sign()
    attacker.rewrite(vendor.acme, dated_back(name))
    assert vendor.verify_database().code == 1
    assert "are not those that were signed" in vendor.refusal()
    file, exported = vendor.export()
    assert exported.code == 1
    done = vendor.verify(file)
    assert done.code == 1, done.out
    assert said in done.out


def test_an_entry_dated_back_before_it_was_signed_shows_by_its_order(vendor: Vendor, attacker: Attacker) -> None:
    """No checkpoint knows better yet; time does not run backwards all the same."""
    attacker.rewrite(vendor.acme, dated_back("recorded_at"))
    done = vendor.verify(vendor.exported())
    assert done.code == 1, done.out
    assert "and an entry that precedes it at" in done.out
