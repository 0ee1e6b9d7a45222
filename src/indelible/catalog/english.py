"""The little English that sentences need: the verbs of actions, in both tenses."""

from __future__ import annotations

import re

__all__ = ["BASE", "NOUNISH", "PAST", "base_form", "past_form"]

_REGULAR = """
accept access acknowledge activate add allow anonymise anonymize apply approve archive assign attach authenticate
authorise authorize blacklist block book bypass cancel change charge check clear clone close comment commit complete
configure confirm connect convert copy create deactivate decline decrease decrypt delegate delete demote deny deploy
deprovision destroy detach detect disable disconnect dismiss downgrade download duplicate edit elevate enable
encrypt end enforce enqueue enrol enroll erase escalate exceed execute exempt expand expire export extend fail fetch
finish flag follow force generate grant ignore impersonate import increase index initiate install invalidate invite
issue join kick label launch link list lock log lower mask merge migrate modify monitor mount move mute notify open
order pause pin post process promote protect provision publish purchase push quarantine query raise reactivate
receive reconfigure reconnect record recover redact refresh refund regenerate register reject release reload remove
rename renew reopen replace replay reply report request requeue require reschedule resolve respond restart restore
restrict resume retry return reveal revert review revoke rotate sample save scan schedule search share show
sign skip snooze start subscribe succeed suspend switch sync tag terminate test toggle transfer trash trigger turn
unarchive unassign unblock undelete unenroll uninstall unlink unlock unmask unmute unpin unpublish unregister
unshare unsubscribe unsuspend update upgrade upload use validate verify view violate void vote whitelist wipe
""".split()
_DOUBLING = (
    "ban commit debug drop flag map permit pin plan scan ship skip stop submit swap tag trim unpin unzip zip".split()
)
_IRREGULAR = {
    "begin": "began", "bring": "brought", "build": "built", "buy": "bought", "find": "found",
    "forget": "forgot", "get": "got", "give": "gave", "hide": "hid", "leave": "left", "lose": "lost",
    "make": "made", "override": "overrode", "pay": "paid", "put": "put", "read": "read", "reset": "reset",
    "rebuild": "rebuilt", "resend": "resent", "run": "ran", "see": "saw", "sell": "sold", "send": "sent", "set": "set",
    "split": "split", "sync": "synced", "take": "took", "undo": "undid", "upset": "upset", "withdraw": "withdrew",
    "write": "wrote", "show": "showed",
    "transfer": "transferred", "log": "logged", "control": "controlled", "cancel": "cancelled",
    "enrol": "enrolled", "refer": "referred", "occur": "occurred",
}  # fmt: skip
_PARTICIPLES = {"overridden": "override", "written": "write", "taken": "take", "given": "give", "hidden": "hide",
                "canceled": "cancel", "shown": "show", "begun": "begin", "withdrawn": "withdraw",
                "enrolled": "enrol"}  # fmt: skip

NOUNISH = frozenset(
    "access book change check comment copy download export flag import index invite issue label link list lock log "
    "monitor order pin post process query record refund release report request reset return review sample search share "
    "sync tag test transfer update upgrade upload use view vote kick restart build buy run set split mount plan".split()
)
"""Verbs that are nouns as often: `access_request` is a request, `transfer_start` the start of a transfer."""


def _regular_past(verb: str) -> str:
    if verb.endswith("e"):
        return f"{verb}d"
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    return f"{verb}{verb[-1]}ed" if verb in _DOUBLING else f"{verb}ed"


PAST: dict[str, str] = {verb: _regular_past(verb) for verb in [*_REGULAR, *_DOUBLING]} | _IRREGULAR
"""The past tense of each verb known."""

BASE: dict[str, str] = {past: verb for verb, past in PAST.items()} | _PARTICIPLES
"""The verb of each past tense or participle known."""


def past_form(word: str) -> str | None:
    """The past tense that `word`, a verb in any form we know, stands for."""
    if word in PAST:
        return PAST[word]
    base = BASE.get(word)
    return PAST.get(base, word) if base else None


def base_form(word: str) -> str | None:
    """The verb whose past tense `word` is; None for one that isn't known."""
    return BASE.get(word)
