"""Checkpoints: size and root in one spelling, signed by the ledger's own key and no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.ledger import note
from indelible.ledger.checkpoint import MAX_SIZE, Checkpoint, decimal, open_checkpoint, parse, text
from indelible.ledger.note import BadNote, Unsigned
from indelible.ledger.signing import SigningKey, sign_checkpoint
from indelible.ledger.tree import EMPTY_ROOT

ORIGIN = "host.example/01JD3X5Z0000000000000000AB"
ROOT = bytes(range(32))
ROOT_LINE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = f"{ORIGIN}\n5\n{ROOT_LINE}\n"
KEY = SigningKey.generate()
OTHER = SigningKey.generate()


def test_the_example_of_the_specification_is_read() -> None:
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found = parse(body)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert text(found) == body


def test_a_checkpoint_is_three_lines() -> None:
    assert text(Checkpoint(ORIGIN, 5, ROOT)) == BODY
    assert parse(BODY) == Checkpoint(ORIGIN, 5, ROOT)
    assert parse(text(Checkpoint(ORIGIN, 0, EMPTY_ROOT))).size == 0
    assert parse(text(Checkpoint(ORIGIN, MAX_SIZE, ROOT))).size == MAX_SIZE


@pytest.mark.parametrize(
    "size",
    [
        "",
        "05",
        "00",
        "-5",
        "+5",
        " 5",
        "5 ",
        "5_0",
        "5\r",
        "５",
        "٥",
        "5.0",
        "5e0",
        "0x5",
        "five",
        "²",
        "9" * 16,
        "1" * 5000,
        str(MAX_SIZE + 1),
    ],
)
def test_a_size_in_any_other_spelling_is_refused(size: str) -> None:
    """Python's int takes several of these; 2^53 is where other languages begin to round."""
    with pytest.raises(ValueError, match="not a decimal number"):
        decimal(size)
    with pytest.raises(BadNote, match="size"):
        parse(f"{ORIGIN}\n{size}\n{ROOT_LINE}\n")


@pytest.mark.parametrize(
    "root",
    [
        "",
        ROOT_LINE[:-1],
        ROOT_LINE + "=",
        ROOT_LINE[:-2] + "9=",  # stray bits
        ROOT_LINE + " ",
        ROOT_LINE + "\r",
        ROOT_LINE + "\u2028",
        "." + ROOT_LINE,
        ROOT_LINE.replace("A", "Ａ"),
        "_" + ROOT_LINE[1:],
        note.to_base64(ROOT[:-1]),
        note.to_base64(ROOT + b"\0"),
        note.to_base64(b""),
        ROOT.hex(),
    ],
)
def test_a_root_in_any_other_spelling_is_refused(root: str) -> None:
    with pytest.raises(BadNote, match="root"):
        parse(f"{ORIGIN}\n5\n{root}\n")


@pytest.mark.parametrize("origin", ["", " ", "two words", "a+b", "a\u2028b", "a\u00a0b", "a\tb", "a\rb", "\ud800"])
def test_an_origin_that_no_key_can_bear_is_refused(origin: str) -> None:
    with pytest.raises(BadNote, match="not a ledger's name"):
        parse(f"{origin}\n5\n{ROOT_LINE}\n")
    with pytest.raises(BadNote, match="not a ledger's name"):
        text(Checkpoint(origin, 5, ROOT))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        BODY[:-1],
        BODY + "\n",
        "\n" + BODY,
        BODY + "extension\n",
        BODY.replace("\n", "\r\n"),
        f"{ORIGIN}\n5\n",
        BODY.replace("\n", "\u2028"),
        BODY.replace("\n", "\x85"),
        BODY.replace("\n", "\n\n", 1),
    ],
)
def test_anything_but_three_lines_is_refused(body: str) -> None:
    """Extension lines would be signed and not understood."""
    with pytest.raises(BadNote):
        parse(body)


def test_a_ledger_of_no_entries_has_one_root() -> None:
    with pytest.raises(BadNote, match="no entries"):
        parse(f"{ORIGIN}\n0\n{ROOT_LINE}\n")


@pytest.mark.parametrize(
    "statement",
    [
        Checkpoint(ORIGIN, -1, ROOT),
        Checkpoint(ORIGIN, MAX_SIZE + 1, ROOT),
        Checkpoint(ORIGIN, 5, b""),
        Checkpoint(ORIGIN, 0, ROOT),
        Checkpoint(f"{ORIGIN}\n5", 5, ROOT),
        Checkpoint(BODY, 5, ROOT),
    ],
)
def test_what_cannot_be_read_is_not_signed(statement: Checkpoint) -> None:
    with pytest.raises(BadNote):
        sign_checkpoint(statement, [KEY])


def test_it_is_opened_with_the_ledgers_own_key() -> None:
    signed = sign_checkpoint(Checkpoint(ORIGIN, 5, ROOT), [KEY, OTHER]).encode()
    both = (KEY.verifier(ORIGIN), OTHER.verifier(ORIGIN))
    assert open_checkpoint(signed, both) == (Checkpoint(ORIGIN, 5, ROOT), both)
    assert open_checkpoint(signed, both[1:]) == (Checkpoint(ORIGIN, 5, ROOT), both[1:])
    with pytest.raises(Unsigned):
        open_checkpoint(signed, [SigningKey.generate().verifier(ORIGIN)])
    with pytest.raises(Unsigned):
        open_checkpoint(signed, [])


def test_the_key_of_one_ledger_says_nothing_of_another() -> None:
    """One secret signs for all tenants; the name in the pinned key is what tells their checkpoints apart."""
    mine = KEY.verifier(ORIGIN)
    theirs = KEY.verifier(ORIGIN[:-1] + "C")
    body = text(Checkpoint(theirs.name, 9, ROOT))
    genuine = note.write(body, [(theirs, KEY.sign(body.encode()))]).encode()
    swapped = note.write(body, [(mine, KEY.sign(body.encode()))]).encode()
    assert open_checkpoint(genuine, [mine, theirs])[1] == (theirs,)
    with pytest.raises(Unsigned):
        open_checkpoint(genuine, [mine])
    for verifiers in ([mine], [mine, theirs]):
        with pytest.raises(BadNote, match=r"speaks of the ledger .*AC, but it is signed by the key of .*AB"):
            open_checkpoint(swapped, verifiers)


def test_a_signed_text_that_is_no_checkpoint_is_refused() -> None:
    body = f"{ORIGIN}\nsomething else\n"
    with pytest.raises(BadNote):
        open_checkpoint(
            note.write(body, [(KEY.verifier(ORIGIN), KEY.sign(body.encode()))]).encode(), [KEY.verifier(ORIGIN)]
        )


@settings(deadline=None)
@given(st.data())
def test_an_altered_checkpoint_says_nothing_else(data: st.DataObject) -> None:
    original = sign_checkpoint(Checkpoint(ORIGIN, 5, ROOT), [KEY]).encode()
    at = data.draw(st.integers(0, len(original)))
    put = data.draw(st.binary(max_size=2) | st.sampled_from("0123456789"))
    put = put.encode() if isinstance(put, str) else put
    altered = original[:at] + put + original[at + data.draw(st.integers(0, 2)) :]
    try:
        found, _ = open_checkpoint(altered, [KEY.verifier(ORIGIN)])
    except BadNote:
        return
    assert found == Checkpoint(ORIGIN, 5, ROOT)


@given(st.text(max_size=40) | st.lists(st.sampled_from([ORIGIN, "5", "0", "05", ROOT_LINE, "", " "])).map("\n".join))
def test_whatever_is_read_is_spelled_in_the_one_way(body: str) -> None:
    try:
        found = parse(body)
    except BadNote:
        return
    assert text(found) == body
