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
        # In any form: behind "did" a verb stands in another one.
        ("log", "sign"),
        ("logs", "sign"),
        ("logging", "sign"),
        ("open", "view"),
        ("see", "view"),
        ("saw", "view"),
        ("looking", "view"),
        ("downloading", "export"),
        ("deleting", "remov"),
        ("kicking", "remov"),
        ("promote", "role"),
        ("promoted", "role"),
        ("accounts", "user"),
        ("switching", "enabl"),
    ],
)
def test_a_word_stands_for_others(word: str, way: str) -> None:
    assert {word, way} <= ways_to_say(word)


@pytest.mark.parametrize("word", ["is", "as", "used", "role", "", "sed"])
def test_of_short_words_no_ending_goes(word: str) -> None:
    assert all(len(way) >= min(3, len(word)) for way in ways_to_say(word))


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("login", {"login", "sign"}),
        ("2fa", {"2fa", "mfa"}),
        ("exports", {"exports", "export"}),
        ("account", {"account"}),
        ("access", {"access", "acces"}),
        ("log", {"log"}),
        ("on", {"on"}),
        ("off", {"off"}),
    ],
)
def test_what_is_left_out_is_what_was_named(word: str, ways: set[str]) -> None:
    """More would hide events that nobody meant."""
    assert ways_to_say(word, excluded=True) == ways
    assert ways_to_say(word, excluded=True) <= ways_to_say(word)
