"""Values of an event as text that can stand in a sentence.

Every string in an event may come from an attacker, who would like to forge a sentence by a name. So what is
shown is one line, without control and direction-changing characters, of bounded length, and in quotation
marks wherever it could be mistaken for our own words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from indelible.catalog.language import ENGLISH, Language

__all__ = [
    "clean",
    "duration",
    "enumerate_",
    "label",
    "pairs",
    "person",
    "plain",
    "plural",
    "quoted",
    "spoken",
    "thing",
    "words",
]

LIMIT = 80
"""The longest value shown, in characters."""

_JOINERS = "\u200c\u200d"  # Persian, the Indic scripts and emoji are spelled with them.
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"  # Letters and symbols that show nothing: they would pass for a space.
_AMBIGUOUS = re.compile(r'[()（）<>{}"“”„‟«»;!?—–…|]|, ')
_QUOTES = re.compile(r'["“”„‟«»″＂]')
# A digit makes it an id or an amount, a dot a host or a scope: both are shown as they are.
_IDENTIFIER = re.compile(r"[a-z]+(?:[_-][a-z]+)*|[A-Z]+(?:_[A-Z]+)+", re.ASCII)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W_A-Za-z0-9]+")

_SPELLING = {
    word.lower(): word
    for word in (
        "2FA API AWS CI CLI CPU CSV DLP DNS EKM GCP GDPR HR HTTP HTTPS ID IP IT JSON JSONL LDAP MFA NDJSON OIDC OTP "
        "PDF PII PIN PR RBAC SAML SCIM SDK SIEM SLA SMS SQL SSH SSL SSO TLS TOTP UI URL US USB VPN WAF XLSX XML ZIP "
        "OAuth OAuth2 IdP WebAuthn GitHub GitLab Git Google Microsoft Okta Slack Slackbot Salesforce Dependabot Intune "
        "Datadog Splunk Jira"
    ).split()
}


def clean(value: str, limit: int = LIMIT) -> str:
    """`value` as one line of at most `limit` characters, "" if nothing of it can be seen.

    A value in a right-to-left script is set in isolates, so that it can't reorder the words around it.
    """
    if value.isascii() and value.isprintable():
        value = " ".join(value.split())
        return value if len(value) <= limit else f"{value[: limit - 1].rstrip()}…"
    # Nobody sees past the limit, so what is cleaned is bounded too.
    line = " ".join("".join(map(_shown, value[: limit * 8])).split())
    if not any(unicodedata.category(c)[0] in "LNPS" for c in line):
        return ""
    if len(line) > limit:
        line = f"{line[: limit - 1].rstrip()}…"
    if any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in line):
        line = f"\u2068{line}\u2069"
    return line


def _shown(char: str) -> str:
    if char in _BLANKS:
        return " "
    match unicodedata.category(char):
        case "Cc" | "Zs" | "Zl" | "Zp":
            return " "
        case "Cf":
            return char if char in _JOINERS else ""
        case "Cs":
            return ""
    return char


def plain(value: object, language: Language = ENGLISH) -> str | None:
    """A JSON value as it is shown without a filter; None where there is nothing to show."""
    if isinstance(value, str):
        return clean(value) or None
    if isinstance(value, bool):
        return language.on if value else language.off
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else language.huge
    if isinstance(value, float):
        return f"{value:.12g}".replace(".", language.decimal)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return enumerate_(value, language=language)
    return None


def quoted(shown: str, language: Language = ENGLISH) -> str:
    """`shown` (clean already) in quotation marks that it can't close."""
    return f"{language.opening}{_QUOTES.sub(chr(39), shown)}{language.closing}"


def person(name: str | None, language: Language = ENGLISH) -> str | None:
    """A person's name or address: bare where it looks like one, else in quotation marks."""
    shown = clean(name, 60) if name else ""
    if not shown:
        return None
    return quoted(shown, language) if _AMBIGUOUS.search(shown) or shown.count(" ") > 4 else shown


def thing(name: str | None, language: Language = ENGLISH) -> str | None:
    """The name or id of anything else: bare only where it is one word."""
    shown = clean(name) if name else ""
    if not shown:
        return None
    return quoted(shown, language) if " " in shown or _AMBIGUOUS.search(shown) else shown


def pairs(values: Mapping[str, object], most: int, language: Language = ENGLISH) -> str | None:
    """ "action user.joined; outcome denied"; beyond `most` of them "… and 2 more"."""
    found = []
    for name, value in values.items():
        items = [
            shown for v in (value if isinstance(value, list | tuple) else [value]) if (shown := _item(v, language))
        ]
        if items:
            found.append(f"{words(name, language)} {join(items, language=language)}")
    if len(found) > most:
        return f"{'; '.join(found[:most])} {_and_more(len(found) - most, language)}"
    return "; ".join(found) or None


def _item(value: object, language: Language) -> str | None:
    if isinstance(value, str):
        return thing(value, language)
    return None if isinstance(value, list | tuple) else plain(value, language)


def _and_more(count: int, language: Language) -> str:
    return f"{language.conjunction} {language.number(count)} {language.more}"


def enumerate_(values: Iterable[object], most: int = 3, language: Language = ENGLISH) -> str | None:
    """ "a, b and c"; beyond `most` of them "a, b, c and 2 more". None where there is nothing to name."""
    items = [shown for value in values if not isinstance(value, list | tuple) and (shown := plain(value, language))]
    return join(items, most, language)


def join(items: Sequence[str], most: int = 3, language: Language = ENGLISH) -> str | None:
    """The same for what is text already."""
    if not items:
        return None
    if len(items) > most:
        return f"{', '.join(items[:most])} {_and_more(len(items) - most, language)}"
    return f"{', '.join(items[:-1])} {language.conjunction} {items[-1]}" if len(items) > 1 else items[0]


def split_words(name: str) -> list[str]:
    """`member_roleUpdated` as its words, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def spell(names: Iterable[str]) -> str:
    """Words as they are written: `sso` is "SSO"."""
    return " ".join(_SPELLING.get(word, word) for word in names)


def spoken(names: Sequence[str], language: Language) -> str:
    """The same in the language, where it has a word for it."""
    if language is not ENGLISH and (known := language.words.get(" ".join(names))):
        return known
    return spell(names)


def words(value: str, language: Language = ENGLISH) -> str:
    """An identifier in words: `magic_link` is "magic link". What is no identifier is prose, and stays."""
    shown = clean(value)
    return spoken(split_words(shown), language) if _IDENTIFIER.fullmatch(shown) else _SPELLING.get(shown, shown)


def label(value: str, language: Language = ENGLISH) -> str:
    """The same with a capital: `super_admin` is "Super admin"."""
    shown = words(value, language)
    return shown[:1].upper() + shown[1:] if _IDENTIFIER.fullmatch(clean(value)) else shown


def pluralise(noun: str) -> str:
    """The regular plural of an English noun phrase."""
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def plural(count: int, one: str, many: str, language: Language = ENGLISH) -> str:
    """ "1 record", "12,480 records"."""
    if count.bit_length() > 128:
        return f"{language.huge_of} {many}"
    return f"{language.number(count)} {one if count == 1 else many}"


def duration(seconds: float, language: Language = ENGLISH) -> str | None:
    """Seconds as the two largest units that count: "1 hour 5 minutes". None below zero or beyond a century."""
    if not 0 <= seconds < 3_200_000_000:
        return None
    left, parts = round(seconds), []
    for (one, many), size in zip(language.units, (86_400, 3_600, 60, 1), strict=True):
        count, left = divmod(left, size)
        if count:
            parts.append(plural(count, one, many, language))
    return " ".join(parts[:2]) or plural(0, *language.units[-1], language)
