"""Other ways to say what actions are called, for those who look for them."""

__all__ = ["ways_to_say"]

_SAME = {
    "login": ("sign", "signed"),
    "logins": ("sign", "signed"),
    "logon": ("sign", "signed"),
    "logged": ("sign", "signed"),
    "signin": ("sign", "signed", "login"),
    "logout": ("sign", "signed"),
    "2fa": ("mfa",),
    "mfa": ("2fa",),
    "download": ("export",),
    "downloads": ("export",),
    "downloaded": ("export",),
    "promoted": ("role",),
    "demoted": ("role",),
}

_ENDINGS = ("ing", "ed", "es", "s")
_STEM = 3
"""Letters that have to be left of a word without its ending."""


def ways_to_say(word: str) -> frozenset[str]:
    """`word`, folded, with beginnings of words that mean the same: `exports` is `export`, `login` is `signed`."""
    ways = {word, *_SAME.get(word, ())}
    ways |= {word.removesuffix(end) for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _STEM}
    return frozenset(ways)
