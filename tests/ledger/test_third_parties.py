"""What this ledger states is accepted by verifiers that others wrote, and what is altered is refused by them too.

- metamorphic-log (Rust): signed notes, checkpoints, inclusion and consistency, the last two also against the notes
  themselves. It computes no roots and reads no tlog-proof files.
- aics-tlog: signed notes, checkpoints, RFC 6962 roots and proofs, made and verified. It reads no tlog-proof files.
- tlog-scales: checkpoints, inclusion and consistency; it writes tlog-proof files from a log of its own, and reads
  none. Its readers are lenient (int, splitlines, base64 that is not canonical), so that it is asked about altered
  statements only, not about altered spellings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import aics_tlog
import metamorphic_log  # type: ignore[import-untyped]
import pytest
import tlog_scales.cli
import tlog_scales.signing
import tlog_scales.tiles
import tlog_scales.tlog
import tlog_scales.writer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from indelible.ledger import checkpoint, note, proof, tlog_proof
from indelible.ledger.checkpoint import Checkpoint, open_checkpoint
from indelible.ledger.note import Verifier
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import Frontier, leaf_hash
from tests.ledger.trees import StoredTree

ORIGIN = "host.example/01JD3X5Z0000000000000000AB"
PRIVATE = Ed25519PrivateKey.generate()
KEY = SigningKey(PRIVATE)
VKEY = str(KEY.verifier(ORIGIN))
ENTRIES = [b'{"seq":%d}' % i for i in range(600)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
TREE = StoredTree(LEAVES)


class Stated(NamedTuple):
    size: int
    root: bytes
    signed: str


def _state_all() -> dict[int, Stated]:
    frontier = Frontier()
    stated = {}
    for leaf in LEAVES:
        frontier.push(leaf)
        statement = Checkpoint(ORIGIN, frontier.size, frontier.root())
        stated[frontier.size] = Stated(frontier.size, frontier.root(), sign_checkpoint(statement, [KEY]))
    return stated


STATED = _state_all()


def indexes(size: int) -> set[int]:
    """The edges, and others that differ from size to size."""
    return {0, size - 1, size // 2, size * size // 3 % size, 7919 % size}


def olds(size: int) -> set[int]:
    return {size, max(size - 1, 1), 1 << (size.bit_length() - 1), size * 31 // 47 or 1}


def inclusion(index: int, size: int) -> list[bytes]:
    return TREE.hashes(proof.inclusion(index, size))


def consistency(old: int, new: int) -> list[bytes]:
    return TREE.hashes(proof.consistency(old, new))


def flipped(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def one_bit_altered(hashes: list[bytes], bit: int) -> list[bytes]:
    at = bit % len(hashes)
    return [*hashes[:at], flipped(hashes[at], bit), *hashes[at + 1 :]]


# --- metamorphic-log


def test_metamorphic_log_accepts_checkpoints_and_proofs() -> None:
    for size, root, signed in STATED.values():
        head = metamorphic_log.checkpoint_verify(signed, [VKEY])
        assert (head.origin, head.size, head.root, head.extensions) == (ORIGIN, size, root, [])
        assert metamorphic_log.verify_signed_note(signed, [VKEY]) == 1
        for index in indexes(size):
            metamorphic_log.checkpoint_verify_inclusion(signed, [VKEY], index, LEAVES[index], inclusion(index, size))
        for old in olds(size):
            before = STATED[old].signed
            metamorphic_log.checkpoint_verify_consistency(before, signed, [VKEY], consistency(old, size))


def test_metamorphic_log_refuses_what_is_altered() -> None:
    for size, root, signed in list(STATED.values())[1::7]:
        data = signed.encode()
        altered = flipped(data, size * 104_729).decode(errors="replace")
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify(altered, [VKEY])
        for index in indexes(size):
            hashes = inclusion(index, size)
            metamorphic_log.verify_inclusion(index, size, LEAVES[index], hashes, root)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.verify_inclusion(index, size, LEAVES[index], one_bit_altered(hashes, size), root)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.verify_inclusion(index, size, flipped(LEAVES[index], size), hashes, root)
        for old in olds(size) - {size}:
            hashes = consistency(old, size)
            metamorphic_log.verify_consistency(old, size, hashes, STATED[old].root, root)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.verify_consistency(old, size, one_bit_altered(hashes, size), STATED[old].root, root)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.verify_consistency(old, size, hashes, STATED[old].root, flipped(root, size))


# --- aics-tlog


def test_aics_tlog_computes_the_same_roots_and_proofs() -> None:
    tree = aics_tlog.MerkleTree(ENTRIES)
    for size, root, _ in STATED.values():
        assert tree.root(size) == root
        for index in indexes(size):
            assert tree.inclusion_proof(index, size) == inclusion(index, size)
        for old in olds(size):
            assert tree.consistency_proof(old, size) == consistency(old, size)
    assert tree.root(0) == Frontier().root()


def test_aics_tlog_accepts_checkpoints_and_proofs() -> None:
    key = aics_tlog.parse_vkey(VKEY)
    assert aics_tlog.format_vkey(key) == VKEY
    for size, root, signed in STATED.values():
        result = aics_tlog.verify_checkpoint(aics_tlog.parse_note(signed), key, expected_origin=ORIGIN)
        assert (result.ok, result.log_ok, result.size, result.root) == (True, True, size, root), result.error
        for index in indexes(size):
            assert aics_tlog.verify_inclusion(LEAVES[index], index, size, inclusion(index, size), root)
        for old in olds(size):
            assert aics_tlog.verify_consistency(old, size, STATED[old].root, root, consistency(old, size))


def test_aics_tlog_refuses_what_is_altered() -> None:
    key = aics_tlog.parse_vkey(VKEY)

    def accepts(data: bytes) -> bool:
        try:
            return bool(aics_tlog.verify_checkpoint(aics_tlog.parse_note(data), key).ok)
        except ValueError:
            return False

    for size, root, signed in list(STATED.values())[1::7]:
        assert accepts(signed.encode())
        assert not accepts(flipped(signed.encode(), size * 104_729))
        for index in indexes(size):
            hashes = inclusion(index, size)
            assert not aics_tlog.verify_inclusion(LEAVES[index], index, size, one_bit_altered(hashes, size), root)
            assert not aics_tlog.verify_inclusion(flipped(LEAVES[index], size), index, size, hashes, root)
        for old in olds(size) - {size}:
            hashes = one_bit_altered(consistency(old, size), size)
            assert not aics_tlog.verify_consistency(old, size, STATED[old].root, root, hashes)


def test_a_checkpoint_of_aics_tlog_is_read() -> None:
    theirs = aics_tlog.sign_checkpoint(aics_tlog.Checkpoint(ORIGIN, 5, STATED[5].root), PRIVATE, ORIGIN)
    assert theirs.to_bytes().decode() == STATED[5].signed
    assert open_checkpoint(theirs.to_bytes(), [KEY.verifier(ORIGIN)])[0] == Checkpoint(ORIGIN, 5, STATED[5].root)


# --- tlog-scales


def test_tlog_scales_accepts_checkpoints_and_proofs() -> None:
    vkey = tlog_scales.signing.Vkey.from_string(VKEY)
    assert vkey.serialize() == VKEY  # type: ignore[no-untyped-call]
    for size, root, signed in STATED.values():
        found = tlog_scales.tlog.Checkpoint.from_text(signed)
        found.verify(vkey)
        assert (found.origin, found.size, found.root_hash, found.serialize()) == (ORIGIN, size, root, signed)
        for index in indexes(size):
            tlog_scales.tlog.InclusionProof(index, size, inclusion(index, size)).check(LEAVES[index], root)
        for old in olds(size):
            tlog_scales.tlog.ConsistencyProof(old, size, consistency(old, size)).check(STATED[old].root, root)


def test_tlog_scales_refuses_what_is_altered() -> None:
    vkey = tlog_scales.signing.Vkey.from_string(VKEY)
    for size, root, signed in list(STATED.values())[1::7]:
        found = tlog_scales.tlog.Checkpoint.from_text(signed)
        (signature,) = found.signatures
        for altered in (
            dataclasses.replace(found, size=size + 1),
            dataclasses.replace(found, origin=f"{ORIGIN[:-1]}C"),
            dataclasses.replace(found, root_hash=flipped(root, size)),
            dataclasses.replace(
                found, signatures=[dataclasses.replace(signature, payload=flipped(signature.payload, size))]
            ),
        ):
            with pytest.raises(InvalidSignature):
                altered.verify(vkey)
        for index in indexes(size):
            hashes = one_bit_altered(inclusion(index, size), size)
            with pytest.raises(tlog_scales.tlog.InclusionProofInvalid):
                tlog_scales.tlog.InclusionProof(index, size, hashes).check(LEAVES[index], root)
        for old in olds(size) - {size}:
            hashes = one_bit_altered(consistency(old, size), size)
            with pytest.raises(tlog_scales.tlog.ConsistencyProofInvalid):
                tlog_scales.tlog.ConsistencyProof(old, size, hashes).check(STATED[old].root, root)


@pytest.mark.parametrize("size", [1, 2, 7, 256, 600])
def test_the_proof_file_that_tlog_scales_writes_is_this_one(
    size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, from a log of its own in tiles."""
    writer = tlog_scales.writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    for entry in ENTRIES[:size]:
        writer.add_leaf(entry)
    writer.commit([tlog_scales.signing.PlainEd25519Signer(ORIGIN, PRIVATE)])
    parser = tlog_scales.cli.build_parser()
    for index in indexes(size):
        arguments = parser.parse_args(["gen-proof", str(tmp_path / "log"), str(index)])
        arguments.func(arguments)
        theirs = capsys.readouterr().out
        parts = tlog_proof.InclusionProof(index, tuple(inclusion(index, size)), STATED[size].signed)
        assert theirs == tlog_proof.dump_tlog_proof(parts)
        verifiers = [KEY.verifier(ORIGIN)]
        assert tlog_proof.verify_tlog_proof(theirs.encode(), LEAVES[index], verifiers)[1].size == size


# --- all of them


def _metamorphic(signed: str) -> object:
    return metamorphic_log.checkpoint_verify(signed, [VKEY])


def _aics(signed: str) -> object:
    result = aics_tlog.verify_checkpoint(aics_tlog.parse_note(signed), aics_tlog.parse_vkey(VKEY))
    if not result.ok:
        raise ValueError(result.error)
    return result


def _scales(signed: str) -> object:
    return tlog_scales.tlog.Checkpoint.from_text(signed).verify(tlog_scales.signing.Vkey.from_string(VKEY))


@pytest.mark.parametrize("verify", [_metamorphic, _aics, _scales])
def test_other_keys_lines_do_no_harm_and_do_not_count(verify: Callable[[str], object]) -> None:
    """While one key follows another, and where witnesses add their lines."""
    other = SigningKey.generate()
    statement = Checkpoint(ORIGIN, 5, STATED[5].root)
    witness = Verifier.of("witness.example", other.public_key)
    body = checkpoint.text(statement)
    both = sign_checkpoint(statement, [other, KEY])
    verify(both)
    cosigned = note.write(body, [(witness, bytes(72)), (KEY.verifier(ORIGIN), KEY.sign(body.encode()))])
    verify(cosigned)
    assert open_checkpoint(cosigned.encode(), [KEY.verifier(ORIGIN)])[0] == statement
    with pytest.raises((metamorphic_log.VerifyError, ValueError, RuntimeError)):
        verify(sign_checkpoint(statement, [other]))
