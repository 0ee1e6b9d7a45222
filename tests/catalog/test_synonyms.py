"""Other ways to say what actions are called."""

import pytest

from indelible.catalog.synonyms import ways_to_say


@pytest.mark.parametrize(
    ("word", "way"),
    [
        ("exports", "export"),
        ("keys", "key"),
        ("login", "sign"),
        ("2fa", "mfa"),
        ("deleting", "delet"),
        ("x", "x"),
        ("resetting", "reset"),
        ("sent", "send"),
        ("send", "sent"),
        ("gave", "grant"),
        ("geloscht", "delet"),
    ],
)
def test_a_word_stands_for_others(word: str, way: str) -> None:
    assert {word, way} <= ways_to_say(word)


@pytest.mark.parametrize("word", ["is", "as", "used", "role", "", "sed"])
def test_of_short_words_no_ending_goes(word: str) -> None:
    assert all(len(way) >= min(3, len(word)) for way in ways_to_say(word))
