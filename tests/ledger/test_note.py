"""Signed notes: one way to write each, and no other exception than a refusal, whatever is in the file."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.ledger import note
from indelible.ledger.note import BadKey, BadNote, Note, Signature, Unsigned, Verifier, open_note, parse, write

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
TEXT = "This is an example message.\n"
ENCODED = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
LINE = f"— example.com/foo {ENCODED}\n"
NOTE = f"{TEXT}\n{LINE}"

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OWN = Verifier.of("host.example/ledger", PRIVATE.public_key().public_bytes_raw())
OTHER = Verifier.of(
    "witness.example", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32).public_key().public_bytes_raw()
)


def signed(body: str, *more: str) -> bytes:
    return (write(body, [(OWN, PRIVATE.sign(body.encode()))]) + "".join(more)).encode()


def test_the_published_example() -> None:
    verifier = Verifier.parse(VKEY)
    assert (verifier.name, verifier.key_id.hex(), len(verifier.public_key)) == ("example.com/foo", "530d903a", 32)
    assert str(verifier) == VKEY
    assert Verifier.of("example.com/foo", verifier.public_key) == verifier
    assert open_note(NOTE.encode(), [verifier]) == (TEXT, (verifier,))
    (signature,) = parse(NOTE.encode()).signatures
    assert write(TEXT, [(verifier, signature.signature)]) == NOTE


def test_the_example_of_the_specification_is_read() -> None:
    """Its text has a blank line of its own: the last one divides."""
    body = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    encoded = "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc="
    found = parse(f"{body}\n— quasimodo.example/salvatore {encoded}\n".encode())
    assert found.text == body
    assert [(s.name, s.key_id.hex(), len(s.signature)) for s in found.signatures] == [
        ("quasimodo.example/salvatore", "367ba04b", 64)
    ]


KEY = VKEY.rpartition("+")[2]


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        VKEY + "\n",
        " " + VKEY,
        VKEY + " ",
        VKEY[:-1],
        VKEY[:-4],
        VKEY + "=",
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530d903"),
        VKEY.replace("530d903a", "５30d903a"),
        VKEY.replace("foo", "fop"),
        VKEY.replace("foo", "f oo"),
        VKEY.replace("foo", "f\u2028oo"),
        VKEY.replace("foo", "f\noo"),
        VKEY.replace("foo", "f\0oo"),
        VKEY.replace("foo", "f\ud800oo"),
        VKEY.replace("foo", "f+oo"),
        VKEY.replace("example.com/foo", ""),
        VKEY.replace("+Aek", "+Bek"),  # another type
        VKEY.replace("k", "l", 1),
        f"example.com/foo+530d903a+{KEY[:-1]}l",  # stray bits
        f"example.com/foo+530d903a+{KEY.replace('/', '_')}=",
        "example.com/foo+530d903a+" + b64encode(b"\x01" * 34).decode(),
    ],
)
def test_a_key_in_any_other_spelling_is_refused(vkey: str) -> None:
    with pytest.raises(BadKey):
        Verifier.parse(vkey)


@pytest.mark.parametrize(
    "key", [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31), b"\xff" * 32, b"\2" + bytes(31)]
)
def test_a_key_that_proves_nothing_is_refused(key: bytes) -> None:
    """Of another length, of small order, not canonical, not on the curve."""
    with pytest.raises(BadKey, match="no Ed25519 public key"):
        Verifier.of("name", key)


@given(st.integers(0, len(VKEY) - 1), st.characters() | st.sampled_from("+/=\n 0aA"), st.integers(0, 1))
def test_an_altered_key_is_refused(at: int, character: str, replaced: int) -> None:
    altered = VKEY[:at] + character + VKEY[at + replaced :]
    if altered != VKEY:
        with pytest.raises(BadKey):
            Verifier.parse(altered)


@given(st.text(max_size=30) | st.text("+ab/=1 \n", max_size=30))
def test_nothing_but_refusal_comes_of_a_text_that_is_no_key(text: str) -> None:
    with pytest.raises(BadKey):
        Verifier.parse(text)


@pytest.mark.parametrize(
    "data",
    {
        "nothing": "",
        "no signature": TEXT,
        "no signature after the blank line": TEXT + "\n",
        "no blank line": TEXT + LINE,
        "no text": LINE,
        "no newline at the end": NOTE[:-1],
        "a blank line at the end": NOTE + "\n",
        "carriage returns": NOTE.replace("\n", "\r\n"),
        "a carriage return": NOTE.replace("\n", "\r\n", 1),
        "a tab": NOTE.replace(" is", "\tis"),
        "NUL": NOTE.replace(" is", "\0is"),
        "a vertical tab": NOTE.replace(" is", "\x0bis"),
        "a hyphen": NOTE.replace("—", "-"),
        "an en dash": NOTE.replace("—", "–"),
        "two spaces": NOTE.replace("foo Uw", "foo  Uw"),
        "a space after the dash missing": NOTE.replace("— ", "—"),
        "a space at the end of the line": NOTE[:-1] + " \n",
        "another space": NOTE.replace("foo Uw", "foo\u00a0Uw"),
        "a line separator for the last newline": NOTE[:-1] + "\u2028",
        "a line separator between signatures": NOTE[:-1] + "\u2028" + LINE,
        "a name with a line separator": NOTE.replace("foo Uw", "fo\u2028o Uw"),
        "a name with a plus": NOTE.replace("foo Uw", "f+o Uw"),
        "no name": NOTE.replace("example.com/foo ", ""),
        "an empty name": NOTE.replace("example.com/foo", ""),
        "no base64": NOTE.replace(ENCODED, ""),
        "base64 without its padding": NOTE.replace("=", ""),
        "base64 with more padding": NOTE.replace("=", "=="),
        "base64 with stray bits": NOTE.replace("yaQM=", "yaQN="),
        "base64 with a character that decoders skip": NOTE.replace("Uw2Q", "Uw2Q."),
        "base64url": NOTE.replace(ENCODED, "_" * 92),
        "a signature of no bytes": NOTE.replace(ENCODED, "Uw2QOg=="),
        "a signature of three bytes": NOTE.replace(ENCODED, "Uw2Q"),
        "101 signatures": TEXT + "\n" + LINE * 101,
        "too long": "x" * note.MAX_NOTE_BYTES + "\n\n" + LINE,
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_note_is_refused(data: tuple[str, str]) -> None:
    with pytest.raises(BadNote):
        parse(data[1].encode())


@pytest.mark.parametrize(
    "data", [b"\xff", NOTE.encode("utf-16"), NOTE.encode().replace(b"\x80\x94", b"\x80"), b"\xc0\x8a"]
)
def test_what_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(BadNote, match="UTF-8"):
        parse(data)


def test_one_hundred_signatures_are_read() -> None:
    assert len(parse((TEXT + "\n" + LINE * 100).encode()).signatures) == 100
    assert open_note((TEXT + "\n" + LINE * 3).encode(), [Verifier.parse(VKEY)])[1] == (Verifier.parse(VKEY),)


def test_lines_of_unknown_keys_are_ignored() -> None:
    """Cosignatures, of whichever algorithm and length, and keys that share the name or the id but not both."""
    ids = {OWN.name: b"\0\0\0\0", "another.example": OWN.key_id, "pq.example": b"abcd"}
    lines = [f"— {name} {note.to_base64(key_id + bytes(2420))}\n" for name, key_id in ids.items()]
    assert open_note(signed("text\n", *lines), [OWN, OTHER]) == ("text\n", (OWN,))
    with pytest.raises(Unsigned):
        open_note(("text\n\n" + "".join(lines)).encode(), [OWN, OTHER])


def test_a_note_is_refused_if_one_known_signature_is_wrong() -> None:
    """Even beside a right one, even of the same key."""
    right = signed("text\n")
    for verifier, signature in [(OTHER, bytes(64)), (OWN, bytes(64)), (OWN, b"x"), (OTHER, PRIVATE.sign(b"text\n"))]:
        line = f"— {verifier.name} {note.to_base64(verifier.key_id + signature)}\n"
        with pytest.raises(BadNote, match="is wrong") as refusal:
            open_note(right + line.encode(), [OWN, OTHER])
        assert not isinstance(refusal.value, Unsigned)


def test_a_wrong_signature_of_an_unknown_key_is_ignored() -> None:
    line = f"— {OTHER.name} {note.to_base64(OTHER.key_id + bytes(64))}\n"
    assert open_note(signed("text\n", line), [OWN]) == ("text\n", (OWN,))


def test_a_note_is_not_signed_by_those_who_are_not_trusted() -> None:
    for trusted in ([], [OTHER], [Verifier.of("another.name", OWN.public_key)]):
        with pytest.raises(Unsigned, match="not signed by any"):
            open_note(signed("text\n"), trusted)


def test_a_key_that_takes_anothers_id_changes_nothing() -> None:
    """Four bytes are soon found again. The right key is found among those of one name and id."""
    forged = Verifier(OWN.name, OWN.key_id, OTHER.public_key)
    assert open_note(signed("text\n"), [forged, OWN]) == ("text\n", (OWN,))
    with pytest.raises(BadNote, match="is wrong"):
        open_note(signed("text\n"), [forged])


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=60).map(lambda t: t + "\n")


@settings(deadline=None)
@given(texts)
def test_what_is_written_is_read(body: str) -> None:
    """U+2028 and its like stand in the text as any other character; so do blank lines and signature lines."""
    assert open_note(signed(body), [OWN]) == (body, (OWN,))
    quoted = f"{NOTE}\n{body}"
    assert open_note(signed(quoted), [OWN]) == (quoted, (OWN,))


@pytest.mark.parametrize("body", ["", "text", "text\r\n", "te\txt\n", "\ud800\n", "text\n\0\n"])
def test_what_cannot_be_read_is_not_written(body: str) -> None:
    with pytest.raises(BadNote):
        write(body, [(OWN, bytes(64))])
    with pytest.raises(BadNote):
        write("text\n", [])
    with pytest.raises(BadNote):
        write("text\n", [(OWN, b"")])


@settings(deadline=None)
@given(st.data())
def test_an_altered_note_says_nothing_else(data: st.DataObject) -> None:
    """Wherever bytes are changed, put in or taken out: it is refused, or says what was signed."""
    original = signed("host.example/ledger\n5\nroot\n")
    at = data.draw(st.integers(0, len(original)))
    until = data.draw(st.integers(at, min(at + 3, len(original))))
    put = data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b"\n\n", "—".encode(), b"=", b" "]))
    try:
        body, _ = open_note(original[:at] + put + original[until:], [OWN])
    except BadNote:
        return
    assert body == "host.example/ledger\n5\nroot\n"


@given(
    st.binary(max_size=200)
    | st.text("—\n aA+/=\r\u2028", max_size=40).map(str.encode)
    | st.text("—\n aA+/=\r\u2028", max_size=40).map(lambda t: f"{TEXT}\n— {t}\n".encode())
)
def test_whatever_is_read_is_spelled_in_the_one_way(data: bytes) -> None:
    """And no other exception than a refusal comes of it."""
    try:
        found = parse(data)
    except BadNote:
        return
    assert spelled(found) == data


def spelled(found: Note) -> bytes:
    def line(signature: Signature) -> str:
        return f"— {signature.name} {b64encode(signature.key_id + signature.signature).decode()}\n"

    return f"{found.text}\n{''.join(map(line, found.signatures))}".encode()
