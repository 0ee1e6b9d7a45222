"""Writes verify.py: the modules that verify evidence, as one file that needs nothing but Python's standard library.

`python -m indelible.ledger.standalone` prints it; docs/verify.py is what it prints. The file is put together from the
modules' own sources, with their comments: what `main` reaches, in the order in which it was defined. Names that two
modules have, and functions that are called by way of their module, bear the module's name: `base64url.encode` becomes
`base64url_encode`. The same sources give the same bytes, whatever Python it runs on.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["source"]

_PACKAGE = "indelible.ledger"
_ENTRY_POINT = ("evidence_command", "main")

# Each after those that it imports.
_MODULES = (
    "base64url", "canonical", "tree", "disclosure", "entry", "proof", "ed25519", "note", "checkpoint", "filter",
    "evidence", "verify", "evidence_reader", "report", "evidence_checkpoints", "evidence_range",
    "evidence_verifier", "evidence_command",
)  # fmt: skip

_HEAD = '''#!/usr/bin/env python3
"""Verifies an evidence file of an audit log, offline, with nothing but Python 3.11 or newer.

    python3 -I verify.py evidence.zip --key VKEY

Give it the zip as you got it, and keep -I: it has Python take modules from its own library, and never what a zip put
into the folder that it was unpacked in.

VKEY is the public key of the ledger. Have it from whoever vouches for the log, not from where the file is from: the key
decides what is believed. --help lists the options. Exit code 0: proven; 1: contradicted; 2: not proven.

Whoever sent you the evidence may have sent this program too. Take it from the project Indelible itself, or compare its
SHA-256 with that of the published one. It is put together from the modules of `indelible.ledger`, which say what they
check by the numbers of docs/format.md; a verifier of your own can be written from that page.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Without -I Python looks for modules in this file's folder first, where somebody else may have put some.
    del sys.path[0]

'''

_TAIL = """

if __name__ == "__main__":
    sys.exit(main())
"""

# For our own tools, and of no use to the reader.
_DIRECTIVE = re.compile(r"  # (?:noqa|type: ignore|fmt: skip)\b.*")

_Global = tuple[str, str]
"""A module and a name of its top level."""


class _Reference(NamedTuple):
    """Where a name of some module's top level stands in a source."""

    node: ast.expr | ast.FunctionDef | ast.ClassDef
    name: _Global
    """Of ours; of the standard library where the module is none of ours: (import line, local name)."""
    quoted: ast.JoinedStr | None
    """The f-string it is in: of what is inside, Python 3.11 does not tell the right places."""


@dataclass
class _Part:
    """A definition with the comments before it: the lines from `first` up to, but not including, `last`."""

    first: int
    last: int
    names: set[str] = field(default_factory=set)
    references: list[_Reference] = field(default_factory=list)


@dataclass
class _Module:
    name: str
    lines: list[bytes]
    docstring: str
    parts: list[_Part]
    qualified: set[_Global]
    """What it reaches by way of a module: `base64url.encode`."""


@cache
def source() -> str:
    """The text of verify.py."""
    modules = [_read(name) for name in _MODULES]
    owners = {(m.name, name): part for m in modules for part in m.parts for name in part.names}
    reached = _reach(owners)
    names = _rename(modules, {name for name, part in owners.items() if id(part) in reached})
    sections = []
    imports: set[_Global] = set()
    for module in modules:
        parts = [part for part in module.parts if id(part) in reached]
        imports |= {r.name for part in parts for r in part.references if r.name not in owners}
        body = "\n".join(_write(module, part, names) for part in parts).strip("\n")
        title = "".join(
            f"# {line}".rstrip() + "\n" for line in ["-" * 118, module.name, "", *module.docstring.split("\n")]
        )
        sections.append(f"{title}\n\n{body}\n" if body else "")
    return _HEAD + _imports(imports) + "\n\n" + "\n\n".join(filter(None, sections)) + _TAIL


# --- reading


def _read(name: str) -> _Module:
    text = files(_PACKAGE).joinpath(f"{name}.py").read_text("utf-8")
    tree = ast.parse(text)
    module = _Module(name, text.encode().split(b"\n"), ast.get_docstring(tree) or "", [], set())
    scope = _Scope(module)
    previous = 0
    for statement in tree.body:
        first, previous = previous, statement.end_lineno or 0
        if isinstance(statement, ast.Import | ast.ImportFrom):
            scope.import_(statement)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if module.parts:
                module.parts[-1].last = previous  # it documents the name before it
        elif not _is_all(statement):
            module.parts.append(_Part(first, previous, set(_bound([statement]))))
    bodies = [s for s in tree.body if not isinstance(s, ast.Import | ast.ImportFrom | ast.Expr) and not _is_all(s)]
    scope.top |= {bound for part in module.parts for bound in part.names}
    for part, statement in zip(module.parts, bodies, strict=True):
        scope.references = part.references
        scope.visit(statement)
    return module


def _is_all(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that these statements bind in their own scope."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # An assignment expression in there would bind here: there is none.
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
                yield from _bound(ast.iter_child_nodes(node))
            case ast.MatchMapping(rest=str(name)):
                yield name
                yield from _bound(ast.iter_child_nodes(node))
            case _:
                yield from _bound(ast.iter_child_nodes(node))


class _Scope(ast.NodeVisitor):
    """Tells which names are those of a module's top level, by Python's rules of scope."""

    def __init__(self, module: _Module) -> None:
        self._module = module
        self._modules: dict[str, str] = {}  # local name -> module of ours
        self._imported: dict[str, _Global] = {}
        self._locals: list[set[str]] = []
        self._quoted: ast.JoinedStr | None = None
        self.top: set[str] = set()
        self.references: list[_Reference] = []

    def import_(self, statement: ast.Import | ast.ImportFrom) -> None:
        origin = statement.module if isinstance(statement, ast.ImportFrom) else None
        for alias in statement.names:
            local = alias.asname or alias.name
            if origin == _PACKAGE:
                self._modules[local] = alias.name
            elif origin is not None and origin.startswith(f"{_PACKAGE}."):
                self._imported[local] = (origin.removeprefix(f"{_PACKAGE}."), alias.name)
            else:
                self._imported[local] = (f"from {origin} import" if origin else "import", _as(alias))

    def visit_Name(self, node: ast.Name) -> None:
        if (name := self._global(node.id)) is not None:
            self.references.append(_Reference(node, name, self._quoted))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        match node.value:
            case ast.Name(id=local) if local in self._modules and not self._is_local(local):
                name = (self._modules[local], node.attr)
                self._module.qualified.add(name)
                self.references.append(_Reference(node, name, self._quoted))
            case _:
                self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        outer = self._quoted
        self._quoted = outer or node
        self.generic_visit(node)
        self._quoted = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node)
        for each in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(each)
        own = set(_bound(node.body))
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef):
                self.visit(statement)  # which does not see the names of the class
            else:
                self._visit_in(own, [statement])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node)
        for each in node.decorator_list:
            self.visit(each)
        parameters = self._visit_arguments(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._visit_in(parameters | set(_bound(node.body)), node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_in(self._visit_arguments(node.args), [node.body])

    def visit_GeneratorExp(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        self._visit_in(set(_bound(each.target for each in node.generators)), ast.iter_child_nodes(node))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp  # noqa: N815

    def _define(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        if not self._locals and node.name in self.top and node.col_offset == 0:
            self.references.append(_Reference(node, (self._module.name, node.name), None))

    def _visit_arguments(self, arguments: ast.arguments) -> set[str]:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        for each in every:
            if each.annotation is not None:
                self.visit(each.annotation)
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.visit(default)
        return {each.arg for each in every}

    def _visit_in(self, own: set[str], nodes: Iterable[ast.AST]) -> None:
        self._locals.append(own)
        for node in nodes:
            self.visit(node)
        self._locals.pop()

    def _is_local(self, name: str) -> bool:
        return any(name in each for each in self._locals)

    def _global(self, name: str) -> _Global | None:
        if self._is_local(name):
            return None
        if name in self.top:
            return (self._module.name, name)
        return self._imported.get(name)


def _as(alias: ast.alias) -> str:
    return alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"


# --- choosing


def _reach(owners: dict[_Global, _Part]) -> set[int]:
    """The parts, by `id`, that the entry point needs."""
    reached: set[int] = set()
    waiting = [owners[_ENTRY_POINT]]
    while waiting:
        part = waiting.pop()
        if id(part) not in reached:
            reached.add(id(part))
            waiting += [owners[r.name] for r in part.references if r.name in owners]
    return reached


def _rename(modules: Sequence[_Module], kept: set[_Global]) -> dict[_Global, str]:
    """What each name of ours is called in the file."""
    bearers = Counter(name for _, name in kept)
    qualified = {name for module in modules for name in module.qualified}
    names = {}
    for module, name in kept:
        is_function = name == name.lower()
        if (bearers[name] > 1 or ((module, name) in qualified and is_function)) and (module, name) != _ENTRY_POINT:
            prefix = module.upper() if name == name.upper() else module
            names[module, name] = f"{'_' * name.startswith('_')}{prefix}_{name.lstrip('_')}"
        else:
            names[module, name] = name
    words = {word for m in modules for line in m.lines for word in re.findall(r"\w+", line.decode())}
    new = Counter(given for (_, name), given in names.items() if given != name)
    if len(set(names.values())) != len(names) or words & set(new):
        raise AssertionError("a new name in verify.py is another name already")
    return names


# --- writing


def _write(module: _Module, part: _Part, names: dict[_Global, str]) -> str:
    lines = module.lines[part.first : part.last]
    # From the right, so that the places before stay what they are.
    for reference in sorted(part.references, key=lambda r: (r.node.lineno, r.node.col_offset), reverse=True):
        if reference.quoted is None and reference.name in names:
            _replace(lines, part.first, reference.node, names[reference.name])
    for quoted in {id(r.quoted): r.quoted for r in part.references if r.quoted is not None}.values():
        inside = [r for r in part.references if r.quoted is quoted and r.name in names]
        _replace_quoted(lines, part.first, quoted, inside, names)
    return _DIRECTIVE.sub("", b"\n".join(lines).decode())


def _replace(lines: list[bytes], first: int, node: ast.expr | ast.FunctionDef | ast.ClassDef, new: str) -> None:
    at = node.lineno - 1 - first
    line = lines[at]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        lines[at] = re.sub(rb"(def|class) \w+", rb"\1 " + new.encode(), line, count=1)
    else:
        lines[at] = line[: node.col_offset] + new.encode() + line[node.end_col_offset :]


def _replace_quoted(
    lines: list[bytes], first: int, quoted: ast.JoinedStr, inside: Sequence[_Reference], names: dict[_Global, str]
) -> None:
    """Replaces names in the braces of an f-string."""
    olds = {ast.unparse(r.node): names[r.name] for r in inside}
    changed = {old: new for old, new in olds.items() if old != new}
    if not changed:
        return
    pattern = re.compile(rf"(?<![\w.'\"])({'|'.join(map(re.escape, changed))})(?![\w'\"])")
    start, stop = quoted.lineno - 1 - first, (quoted.end_lineno or 0) - first
    replaced = 0
    for at in range(start, stop):
        text, count = _in_braces(lines[at].decode(), pattern, changed)
        lines[at] = text.encode()
        replaced += count
    if replaced != sum(ast.unparse(r.node) in changed for r in inside):
        raise AssertionError(f"the names {sorted(changed)} in an f-string cannot be told from its text")


def _in_braces(text: str, pattern: re.Pattern[str], changed: dict[str, str]) -> tuple[str, int]:
    count = 0

    def replace(braces: re.Match[str]) -> str:
        nonlocal count
        new, found = pattern.subn(lambda name: changed[name[1]], braces[0])
        count += found
        return new

    return re.sub(r"\{[^{}]*\}", replace, text.replace("{{", "\1").replace("}}", "\2")).replace("\1", "{{").replace(
        "\2", "}}"
    ), count


def _imports(names: set[_Global]) -> str:
    """But for `sys`, which the head of the file imports."""
    lines = sorted(f"import {name}" for how, name in names if how == "import" and name != "sys")
    sources: dict[str, list[str]] = {}
    for how, name in sorted(names):
        if how != "import":
            sources.setdefault(how, []).append(name)
    lines += [f"{how} {', '.join(found)}" for how, found in sources.items()]
    locals_ = Counter(name.split(" as ")[-1] for _, name in names)
    if max(locals_.values()) > 1:
        raise AssertionError("two imports of verify.py have the same name")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(source())
