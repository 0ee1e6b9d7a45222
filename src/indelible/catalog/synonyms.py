"""Other ways to say what actions are called, for those who look for them."""

from indelible.catalog.english import base_form, past_form

__all__ = ["ways_to_say"]

_SAME = {
    way: tuple(same.split())
    for ways, same in {
        "login logins logon logged": "sign",
        "signin": "sign login",
        "logout": "sign",
        "ins": "in",
        "2fa": "mfa",
        "mfa": "2fa",
        "download downloads downloaded": "export",
        "promoted demoted": "role",
        "gave give given": "grant assign role made shar",
        "rights": "grant permission privilege role",
        "access": "permission view",
        "kicked kick out": "remov deprovision",
        "deleted delete deletes": "remov deprovision destroy",
        "removed remove removes": "delet deprovision destroy",
        "turned turn switched switch": "enabl disabl activat deactivat chang",
        "off": "disabl deactivat",
        "on": "enabl activat",
        "set setup up": "configur",
        "locked lock blocked block banned ban": "suspend",
        "looked looks looking opened saw seen accessed": "view access read",
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
    }.items()
    for way in ways.split()
}
"""Beginnings of words that an action may have in place of one that somebody writes, folded; also German ones."""

_ENDINGS = ("ing", "ed", "es", "s")
_STEM = 3
"""Letters that have to be left of a word without its ending."""


def ways_to_say(word: str) -> frozenset[str]:
    """`word`, folded, with beginnings of words that mean the same: `exports` is `export`, `login` is `signed`."""
    stems = {word.removesuffix(end) for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _STEM}
    # The t of resetting is there once more.
    stems |= {stem[:-1] for stem in stems if len(stem) > _STEM and stem[-1] == stem[-2]}
    return frozenset({word, *stems, *_SAME.get(word, ()), *filter(None, (base_form(word), past_form(word)))})
