"""The words that an entry is found by, held against the entry and its disclosures: see store/verify.py."""

import re
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from indelible.ledger.entry import Entry
from indelible.ledger.verify import Contradiction
from indelible.store.words import fold, lexeme, words_of

__all__ = ["Words"]

_END = "\0\0\0"
"""Of a lexeme without positions, in PostgreSQL's binary format of a tsvector: of its text, and how many there are."""

# Wherever characters are taken for letters, or folded, these end a word.
_CHUNK = re.compile(r"[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")


class Words:
    """What the column `search` holds of each entry of one tenant."""

    def __init__(self, tenant: str, contradictions: list[Contradiction]) -> None:
        self._prefix = lexeme(tenant, "=", "")[:-1]
        self._separator = _END + self._prefix
        self._contradictions = contradictions

    def compare(
        self, seq: int, entry: Entry, disclosed: Mapping[str, Any], texts: Mapping[str, str | None], found: bytes | None
    ) -> None:
        """`disclosed` and `texts` as `words_of` takes them; `found` is the tsvector in PostgreSQL's binary format."""
        # 16. The words that it is found by are those of the entry and of what is left of its disclosures.
        if found is None:
            self._contradict(seq, "are gone")
            return
        words = set(words_of(entry, disclosed, texts))
        # As the service writes it, which is quickly seen.
        text = found[4:].decode(errors="surrogateescape")  # positions may be any bytes
        is_ours = text.startswith(self._prefix) and text.endswith(_END)
        if not is_ours or words != set(text[len(self._prefix) : -len(_END)].split(self._separator)):
            self._tell(seq, {self._prefix + word for word in words}, set(_lexemes(found)), disclosed, texts)

    def _tell(
        self, seq: int, words: set[str], found: set[str], disclosed: Mapping[str, Any], texts: Mapping[str, str | None]
    ) -> None:
        unsettled = [chunk for text in _texts(disclosed, texts) for chunk in _unsettled(text)]
        missing, more = (
            sum(not _may_differ(word.removeprefix(self._prefix), unsettled) for word in some)
            for some in (words - found, found - words)
        )
        if missing or more:
            self._contradict(seq, f"are not its own: {missing} missing, {more} that do not belong to it")

    def _contradict(self, seq: int, what: str) -> None:
        self._contradictions.append(Contradiction(seq, f"the words it is found by {what}", 16))


def _lexemes(search: bytes) -> Sequence[str]:
    """Those of a tsvector in its binary format: a count, then for each its text, NUL, and a list of positions."""
    (count,) = struct.unpack_from(">i", search)
    found, at = [], 4
    for _ in range(count):
        end = search.index(b"\0", at)
        (positions,) = struct.unpack_from(">H", search, end + 1)
        # With positions it is another one than ours, which has none.
        found.append(search[at:end].decode() + ("\0" if positions else ""))
        at = end + 3 + 2 * positions
    return found


def _texts(disclosed: Mapping[str, Any], texts: Mapping[str, str | None]) -> Sequence[str]:
    named = [str(disclosed[group]) for group in ("actor", "targets") if group in disclosed]
    return named + [text for text in texts.values() if text is not None]


# Which characters are letters, and how they are folded, is settled for those that Unicode 3.2 had: by its policy of
# stability, and because the migration that first made words is tried with each of them. Words with younger ones may
# have been made by a version of Unicode that knew them not, or by PostgreSQL's.


def _unsettled(text: str) -> Sequence[str]:
    if text.isascii():
        return ()
    return [_settled(fold(chunk)) for chunk in _CHUNK.findall(text) if not all(map(_is_settled, chunk))]


def _is_settled(character: str) -> bool:
    return character < "\U00010000" and unicodedata.ucd_3_2_0.category(character) != "Cn"


def _settled(text: str) -> str:
    return "".join(filter(_is_settled, text))


def _may_differ(word: str, unsettled: Sequence[str]) -> bool:
    """Whether a word may be one, or none, for what is not settled of the texts."""
    return word[:1] in {"a", "t", "c", "m"} and any(_settled(word[1:]) in chunk for chunk in unsettled)
