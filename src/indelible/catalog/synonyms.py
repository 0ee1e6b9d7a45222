"""Other ways to say what actions are called, for those who look for them."""

from collections.abc import Mapping
from functools import lru_cache

from indelible.catalog.english import base_form, past_form

__all__ = ["ways_to_say"]


def _table(same: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """By each of the words on the left those on the right."""
    return {word: tuple(others.split()) for words, others in same.items() for word in words.split()}


_NAMES = _table(
    {
        "login logins logon logged logout": "sign",
        "signin": "sign login",
        "2fa": "mfa",
        "mfa": "2fa",
        "download downloads downloaded": "export",
    }
)
"""Other names of one thing, as below: also of one that is left out."""

_SAME = _table(
    {
        "log": "sign",
        "ins": "in",
        "promote demote": "role",
        "give": "grant assign role made shar",
        "rights": "grant permission privilege role",
        "access": "permission view read",
        "kick out": "remov deprovision",
        "delete": "remov deprovision destroy",
        "remove": "delet deprovision destroy",
        "turn switch": "enabl disabl activat deactivat chang",
        "off": "disabl deactivat",
        "on": "enabl activat",
        "set setup up": "configur",
        "lock block ban": "suspend",
        "look open see seen": "view access read",
        "account": "user",
        "angemeldet abgemeldet": "sign",
        "eingeladen": "invit",
        "entfernt geloscht": "delet remov deprovision",
        "erstellt angelegt": "creat",
        "exportiert": "export",
        "freigegeben geteilt": "shar",
        "geandert": "chang updat",
        "gesperrt": "suspend",
        "widerrufen": "revok",
        "zuruckgesetzt": "reset",
    }
)
"""Beginnings of words that an action may have in place of one that somebody writes, in any form, folded; also German
ones."""

_ENDINGS = ("ing", "ed", "es", "s")
_STEM = 3
"""Letters that have to be left of a word without its ending."""


@lru_cache(maxsize=1000)  # it is asked of each action, or of each event, and the words are those of few searches
def ways_to_say(word: str, *, excluded: bool = False) -> frozenset[str]:
    """`word`, folded, with beginnings of words that mean the same: `exports` is `export`, `login` is `signed`.

    Of one that is `excluded` only endings go, and names of the same thing come: more would hide what nobody named.
    """
    stems = {word.removesuffix(end) for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _STEM}
    if excluded:
        return frozenset({word, *stems, *_NAMES.get(word, ())})
    # The t of resetting is there once more, and the e of deleting is not.
    stems |= {stem[:-1] for stem in stems if len(stem) > _STEM and stem[-1] == stem[-2]}
    stems |= {f"{stem}e" for stem in stems if past_form(f"{stem}e")}
    forms = {word, *stems, *filter(None, (form(each) for each in (word, *stems) for form in (base_form, past_form)))}
    return frozenset(forms.union(*(same.get(form, ()) for form in forms for same in (_NAMES, _SAME))))
