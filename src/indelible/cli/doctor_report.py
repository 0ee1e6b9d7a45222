"""What `indelible doctor` found, as text, Markdown or JSON."""

import shutil
import textwrap
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from indelible.store.doctor import GRADES, Attempt, Examination, Outcome

__all__ = ["as_json", "as_markdown", "as_text"]

_WIDEST = 120

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def as_json(examination: Examination) -> str:
    found = msgspec.to_builtins(examination)
    for grade in GRADES[1:]:
        found[f"{grade}s"] = examination.count(grade)
    return msgspec.json.format(msgspec.json.encode(found)).decode()


class _Answer(NamedTuple):
    outcome: Outcome
    text: str
    who: str


def as_text(examination: Examination) -> str:
    width = min(_WIDEST, max(60, shutil.get_terminal_size((_WIDEST, 24)).columns))
    lines = [*_head(examination), ""]
    for area, checks in _grouped(examination.checks, lambda check: check.area):
        lines += [area]
        for check in checks:
            lines += _wrapped(f"  {check.grade:8} ", check.said, width)
            lines += _wrapped(f"  {'':8} → ", check.fix, width) if check.fix and check.grade != "ok" else []
        lines += [""]
    lines += ["What was tried, each in a transaction that was rolled back, and what PostgreSQL answered", ""]
    for area, attempts in _grouped(examination.attempts, lambda attempt: attempt.area):
        lines += [area]
        for answer, names in _by_answer(attempts):
            lines += _wrapped(f"  {answer.outcome:9} ", f"{answer.text}   ({answer.who})", width)
            lines += _wrapped(f"  {'':9}   ", " · ".join(names), width)
        lines += [""]
    return "\n".join([*lines, *_holes(examination, width), _summary(examination)])


def as_markdown(examination: Examination) -> str:
    lines = [
        "# What can be done to the audit log's database",
        "",
        *(f"- {line}" for line in _head(examination)),
        f"- {_summary(examination)}",
        "",
        "`indelible doctor` compared the database with what this version of Indelible makes, and tried, with each login"
        " that the service uses, what must not be possible. Each attempt was rolled back.",
        "",
        "## Checks",
        "",
        "| | | found | to do |",
        "|---|---|---|---|",
    ]
    for check in examination.checks:
        to_do = check.fix if check.fix and check.grade != "ok" else ""
        lines.append(_row(check.area, check.grade, _escaped(check.said), _escaped(to_do)))
    lines += ["", "## Attempts", "", "Each as one login, or as one role that it takes."]
    for area, attempts in _grouped(examination.attempts, lambda attempt: attempt.area):
        lines += ["", f"### {area}", "", "| tried | by | PostgreSQL's answer | |", "|---|---|---|---|"]
        for statements, group in _grouped(attempts, lambda attempt: attempt.statements):
            for answer in _answers(group, attempts):
                lines.append(_row(_code("; ".join(statements)), answer.who, _escaped(answer.text), answer.outcome))
    return "\n".join(lines) + "\n"


def _holes(examination: Examination, width: int) -> Iterator[str]:
    """Once more, below the long list."""
    found = [check.said for check in examination.checks if check.grade == "hole"]
    tried = [attempt for attempt in examination.attempts if attempt.outcome == "hole"]
    for (name, text), same in _grouped(tried, lambda attempt: (attempt.name, _text(attempt))):
        found.append(f"{_who(same, examination.attempts)}: {name}: {text}")
    for hole in found:
        yield from _wrapped("HOLE  ", hole, width)
    if found:
        yield ""


def _head(examination: Examination) -> Iterator[str]:
    yield (
        f"Indelible {examination.version}, PostgreSQL {examination.postgresql}, database {examination.database}, "
        f"{examination.examined_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    for patient in examination.patients:
        yield f"Login {patient.login}: takes {', '.join(patient.roles) or 'no role'}"


def _summary(examination: Examination) -> str:
    holes, warnings = examination.count("hole"), examination.count("warning")
    tried = len(examination.attempts)
    refused = sum(attempt.outcome == "refused" for attempt in examination.attempts)
    vain = sum(attempt.outcome in ("no rows", "no effect") for attempt in examination.attempts)
    return (
        f"{_count(holes, 'hole') if holes else 'No hole'}, {_count(warnings, 'warning')}. "
        f"Of {_count(tried, 'attempt')} PostgreSQL refused {refused:,}, and {vain:,} came to nothing."
    )


def _by_answer(attempts: Sequence[Attempt]) -> Iterator[tuple[_Answer, list[str]]]:
    """Of one area: what was answered to whom, and to which attempts."""
    found: dict[_Answer, list[str]] = {}
    for name, group in _grouped(attempts, lambda attempt: attempt.name):
        for answer in _answers(group, attempts):
            found.setdefault(answer, []).append(name)
    yield from sorted(found.items(), key=lambda item: item[0].outcome not in ("hole", "unclear"))


def _answers(group: Sequence[Attempt], area: Sequence[Attempt]) -> Iterator[_Answer]:
    """Of one act: each answer, and who got it."""
    for (outcome, text), same in _grouped(group, lambda attempt: (attempt.outcome, _text(attempt))):
        yield _Answer(outcome, text, _who(same, area))


def _who(same: Sequence[Attempt], area: Sequence[Attempt]) -> str:
    """Names them; all that tried anything in the area by one word."""
    roles = dict.fromkeys(attempt.role for attempt in same if attempt.role)
    logins = dict.fromkeys(attempt.login for attempt in same if not attempt.role)
    parts = [", ".join(roles)] if roles else []
    if len(roles) > 1 and roles.keys() == {attempt.role for attempt in area if attempt.role}:
        parts = ["every role"]
    if len(logins) > 1 and logins.keys() == {attempt.login for attempt in area if not attempt.role}:
        parts.append("each login as itself")
    elif logins:
        parts.append(f"{', '.join(logins)} as {'itself' if len(logins) == 1 else 'themselves'}")
    return ", ".join(parts)


def _text(attempt: Attempt) -> str:
    if attempt.sqlstate is not None:
        return f"{attempt.sqlstate} {attempt.answer}"
    if attempt.outcome == "hole":
        return f"not refused: {attempt.answer}"
    if attempt.outcome != "no rows" or attempt.there_was_something is None:
        return attempt.answer
    return "though it finds some where it may" if attempt.there_was_something else "there are none to be found"


def _grouped(found: Iterable[T], key: Callable[[T], K]) -> Iterable[tuple[K, list[T]]]:
    """Those of one key together, in the order in which the keys come first."""
    groups: dict[K, list[T]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups.items()


def _wrapped(start: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "|*_<`\\[" else c for c in text)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
