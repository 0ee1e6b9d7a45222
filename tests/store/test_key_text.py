"""What a key looks like, so that a scanner knows one, and a slip of the finger is refused without a look-up."""

from __future__ import annotations

import gzip
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.settings import Environment
from indelible.store.key_text import (
    PATTERN,
    environment_of,
    has_right_checksum,
    hint_of,
    is_well_formed,
    make_key_text,
)

environments: st.SearchStrategy[Environment] = st.sampled_from(["live", "test"])
KEY = "ind_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"


@given(environments)
def test_a_new_key_is_whole_and_of_its_environment(environment: Environment) -> None:
    text = make_key_text(environment)
    assert re.fullmatch(rf"ind_{environment}_[0-9A-Za-z]{{46}}", text)
    assert re.fullmatch(PATTERN, text)
    assert is_well_formed(text)
    assert has_right_checksum(text)
    assert environment_of(text) == environment


def test_no_two_keys_are_the_same() -> None:
    assert len({make_key_text("live") for _ in range(1000)}) == 1000


def test_all_characters_turn_up_about_as_often() -> None:
    """238 bits of chance are what nobody can guess: not if some characters were rarer."""
    count = dict.fromkeys(string.digits + string.ascii_letters, 0)
    for _ in range(1000):
        for character in make_key_text("live")[9:49]:
            count[character] += 1
    assert min(count.values()) > 450  # of 645 on average, with a standard deviation of 25
    assert max(count.values()) < 850


@pytest.mark.parametrize("text", ["ind_live_" + "0" * 40, "ind_test_" + "z" * 40, "ind_live_" + "aB3x" * 10])
def test_the_checksum_is_crc32_in_base62(text: str) -> None:
    """As docs/keys.md says, so that others can check it: here taken from the trailer of a gzip member."""
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    crc = int.from_bytes(gzip.compress(text.encode())[-8:-4], "little")
    end = ""
    while crc:
        end = alphabet[crc % 62] + end
        crc //= 62
    assert has_right_checksum(text + end.rjust(6, "0"))


@given(environments, st.data())
def test_no_slip_of_the_finger_goes_unnoticed(environment: Environment, data: st.DataObject) -> None:
    """Any one other character, anywhere: then it is of another shape, or its checksum is wrong."""
    text = make_key_text(environment)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    assert not (is_well_formed(changed) and has_right_checksum(changed))


@given(environments, st.data())
def test_two_neighbours_that_changed_places_are_noticed(environment: Environment, data: st.DataObject) -> None:
    text = make_key_text(environment)
    place = data.draw(st.integers(9, len(text) - 2))
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert swapped == text or not has_right_checksum(swapped)


@given(environments, st.integers(1, 20))
def test_a_key_that_was_cut_off_or_has_more_is_none(environment: Environment, by: int) -> None:
    text = make_key_text(environment)
    assert not is_well_formed(text[:-by])
    assert not is_well_formed(text[by:])
    assert not is_well_formed(text + "x" * by)


@pytest.mark.parametrize(
    "text",
    ["", "ind_live_", KEY[:-1], KEY + "e", KEY.replace("live", "prod"), KEY.upper(), f" {KEY}", f"{KEY}\n",
     KEY[:-1] + "-", KEY[:-1] + "_", KEY[:-1] + "é", KEY[:-1] + "１", "x" * 55],
)  # fmt: skip
def test_what_has_another_shape_is_looked_up(text: str) -> None:
    """INDELIBLE_ADMIN_KEY is any text, and keys of earlier versions have no checksum."""
    assert not is_well_formed(text)
    assert environment_of(text) is None


def test_a_hint_shows_the_end_alone() -> None:
    text = make_key_text("live")
    assert hint_of(text) == f"ind_live_…{text[-4:]}"
    assert hint_of("correct-horse-battery-staple") == "…aple"
    assert hint_of("ind_test_" + "x" * 43) == "ind_test_…xxxx"


def test_the_pattern_for_scanners_is_the_one_in_the_page_about_keys() -> None:
    """And so is its way to check one."""
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    assert f"\n{PATTERN}\n" in page
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    found: dict[str, Any] = {}
    exec(compile(example, "keys.md", "exec"), found)
    key = make_key_text("live")
    assert found["is_key"](key)
    assert not found["is_key"](key[:-1] + ("a" if key[-1] != "a" else "b"))
