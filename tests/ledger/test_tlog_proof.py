"""The proof file: one entry, one checkpoint, one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.ledger.checkpoint import MAX_SIZE, Checkpoint
from indelible.ledger.note import BadNote, Unsigned, to_base64
from indelible.ledger.proof import BadProof, inclusion
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tlog_proof import InclusionProof, dump_tlog_proof, parse_tlog_proof, verify_tlog_proof
from tests.ledger.trees import StoredTree, mth, numbered

ORIGIN = "host.example/01JD3X5Z0000000000000000AB"
KEY = SigningKey.generate()
VERIFIERS = [KEY.verifier(ORIGIN)]
LEAVES = numbered(7)
STATEMENT = Checkpoint(ORIGIN, 7, mth(LEAVES))
NOTE = sign_checkpoint(STATEMENT, [KEY])
PARTS = InclusionProof(3, tuple(StoredTree(LEAVES).hashes(inclusion(3, 7))), NOTE)
FILE = dump_tlog_proof(PARTS)
HASHES = [to_base64(value) for value in PARTS.hashes]


def test_the_file_is_as_the_specification_writes_it() -> None:
    assert "\n".join(["c2sp.org/tlog-proof@v1", "index 3", *HASHES, "", NOTE]) == FILE
    assert parse_tlog_proof(FILE.encode()) == PARTS
    assert verify_tlog_proof(FILE.encode(), LEAVES[3], VERIFIERS) == (PARTS, STATEMENT)


def test_extra_data_is_read_and_proves_nothing() -> None:
    extra = dump_tlog_proof(PARTS._replace(extra=b"anything"))
    assert extra == FILE.replace("index", "extra YW55dGhpbmc=\nindex")
    assert verify_tlog_proof(extra.encode(), LEAVES[3], VERIFIERS)[0].extra == b"anything"


def test_the_only_entry_needs_no_hashes() -> None:
    signed = sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[0]), [KEY])
    written = dump_tlog_proof(InclusionProof(0, (), signed))
    assert written.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nhost.example/")
    verify_tlog_proof(written.encode(), LEAVES[0], VERIFIERS)


def test_another_entry_is_not_proven() -> None:
    for index in range(7):
        other = dump_tlog_proof(PARTS._replace(index=index)).encode()
        with pytest.raises(BadProof):
            verify_tlog_proof(other, LEAVES[0 if index == 3 else 3], VERIFIERS)
    with pytest.raises(BadProof, match="there is no entry 7 among 7"):
        verify_tlog_proof(dump_tlog_proof(PARTS._replace(index=7)).encode(), LEAVES[3], VERIFIERS)


def test_another_key_proves_nothing() -> None:
    with pytest.raises(Unsigned):
        verify_tlog_proof(FILE.encode(), LEAVES[3], [SigningKey.generate().verifier(ORIGIN)])


WRONG = {
    "nothing": "",
    "another version": FILE.replace("@v1", "@v2"),
    "a byte order mark": "\ufeff" + FILE,
    "a line before": "\n" + FILE,
    "carriage returns": FILE.replace("\n", "\r\n"),
    "a line separator for a newline": FILE.replace("@v1\n", "@v1\u2028"),
    "no index": FILE.replace("index 3\n", ""),
    "an index and no number": FILE.replace("index 3", "index "),
    "a leading zero": FILE.replace("index 3", "index 03"),
    "a sign": FILE.replace("index 3", "index +3"),
    "an underscore": FILE.replace("index 3", "index 1_0"),
    "a full-width digit": FILE.replace("index 3", "index ３"),
    "two spaces": FILE.replace("index 3", "index  3"),
    "a space after it": FILE.replace("index 3", "index 3 "),
    "beyond all ledgers": FILE.replace("index 3", f"index {MAX_SIZE + 1}"),
    "thousands of digits": FILE.replace("index 3", "index " + "3" * 5000),
    "another case": FILE.replace("index", "Index"),
    "extra of nothing": FILE.replace("index", "extra \nindex"),
    "extra twice": FILE.replace("index", "extra YQ==\nextra YQ==\nindex"),
    "extra not base64": FILE.replace("index", "extra YR==\nindex"),
    "extra after the index": FILE.replace("index 3", "index 3\nextra YQ=="),
    "a hash without padding": FILE.replace(HASHES[0], HASHES[0][:-1]),
    "a hash too short": FILE.replace(HASHES[0], to_base64(PARTS.hashes[0][:-1])),
    "a hash too long": FILE.replace(HASHES[0], to_base64(PARTS.hashes[0] + b"\0")),
    "a hash with a space": FILE.replace(HASHES[0], HASHES[0] + " "),
    "too many hashes": FILE.replace("index 3", "\n".join(["index 3", *(HASHES[:1] * 54)])),
    "no blank line": FILE.replace("\n\n", "\n"),
    "two blank lines": FILE.replace("\n\n", "\n\n\n", 1),
    "cut off before the checkpoint": FILE[: FILE.index("\n\n") + 2],
    "cut off within the checkpoint": FILE[: FILE.rindex("\n\n") + 2],
    "no newline at the end": FILE[:-1],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_any_other_spelling_is_refused(wrong: str) -> None:
    assert WRONG[wrong] != FILE
    with pytest.raises((BadProof, BadNote)):
        verify_tlog_proof(WRONG[wrong].encode(), LEAVES[3], VERIFIERS)


@pytest.mark.parametrize("data", [b"\xff", FILE.encode("utf-16"), FILE.encode() + b"\xff", b"x" * 2_000_001])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(BadProof):
        parse_tlog_proof(data)


@pytest.mark.parametrize(
    "parts",
    [
        PARTS._replace(index=-1),
        PARTS._replace(index=MAX_SIZE + 1),
        PARTS._replace(hashes=(b"",)),
        PARTS._replace(hashes=(bytes(32),) * 54),
        PARTS._replace(checkpoint=""),
        PARTS._replace(checkpoint="\ud800"),
    ],
)
def test_what_cannot_be_read_is_not_written(parts: InclusionProof) -> None:
    with pytest.raises(BadProof):
        dump_tlog_proof(parts)


@settings(deadline=None)
@given(st.data())
def test_an_altered_file_proves_nothing_else(data: st.DataObject) -> None:
    original = FILE.encode()
    at = data.draw(st.integers(0, len(original)))
    put = data.draw(st.binary(max_size=2) | st.sampled_from([b"\n", b"0", b"\nextra YQ=="]))
    altered = original[:at] + put + original[at + data.draw(st.integers(0, 2)) :]
    try:
        parts, statement = verify_tlog_proof(altered, LEAVES[3], VERIFIERS)
    except (BadProof, BadNote):
        return
    assert (parts.index, parts.hashes, statement) == (3, PARTS.hashes, STATEMENT)


@given(
    st.binary(max_size=100)
    | st.lists(st.sampled_from(["c2sp.org/tlog-proof@v1", "index 3", "extra YQ==", *HASHES, "", NOTE])).map(
        lambda lines: "\n".join(lines).encode()
    )
)
def test_whatever_is_read_is_spelled_in_the_one_way(data: bytes) -> None:
    try:
        parts = parse_tlog_proof(data)
    except BadProof:
        return
    assert dump_tlog_proof(parts).encode() == data
