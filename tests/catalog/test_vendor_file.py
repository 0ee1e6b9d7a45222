"""The vendor's own file: it adds, it overrides, and each mistake in it is named with its fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from indelible.catalog import ActionSpec, Catalog, CatalogError
from indelible.catalog.__main__ import main
from indelible.catalog.filters import FILTERS
from indelible.event import Event

GOOD = '''
["invoice.approved"]
title = "Invoice approved"
sentence = """{actor} approved {target|default:an invoice}[ over {metadata.amount} {metadata.currency}]\\
  [ ({metadata.extra.note})]"""
operation = "updated"
category = "data"
severity = "notice"
metadata.amount = {type = "number", description = "The sum"}
metadata.currency = {type = "string", description = "ISO 4217", values = ["EUR", "CHF"], required = true}
metadata.extra = {type = "map", description = "Whatever the app adds"}
example = {targets = [{type = "invoice", id = "inv_1"}], metadata = {amount = 12, currency = "EUR"}}
'''


def load(tmp_path: Path, text: str) -> Catalog:
    file = tmp_path / "actions.toml"
    file.write_text(text, "utf-8")
    return Catalog.load(file)


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return tuple(p.removeprefix(f"{tmp_path / 'actions.toml'}: ") for p in caught.value.problems)


def event(action: str, **members: Any) -> Event:
    actor = {"type": "user", "name": "Sarah Chen"}
    return msgspec.convert({"tenant_id": "acme", "action": action, "actor": actor, **members}, Event)


def test_a_new_action_reads_and_is_checked(tmp_path: Path) -> None:
    """A vendor's own action is worth as much as a built-in one."""
    catalog = load(tmp_path, GOOD)
    spec = catalog.get("invoice.approved")
    assert spec is not None
    assert (spec.category, spec.severity, spec.default) == ("data", "notice", True)
    shown = catalog.sentence(
        event(
            "invoice.approved",
            targets=[{"type": "invoice", "id": "inv_1"}],
            metadata={"amount": 12.5, "currency": "EUR", "extra": {"note": "late"}},
        )
    )
    assert shown == "Sarah Chen approved invoice inv_1 over 12.5 EUR (late)"
    assert list(catalog.actions)[-1] == "invoice.approved"


def test_one_key_of_a_built_in_action_can_be_overridden(tmp_path: Path) -> None:
    """The rest of the action stays as it is, down to the keys of a field."""
    catalog = load(
        tmp_path,
        """
        category = "data"
        ["user.signed_in"]
        severity = "notice"
        metadata.method.values = ["password", "sso", "carrier_pigeon"]
        metadata.region = {type = "string", description = "Where"}
        """,
    )
    before, after = Catalog.load().actions["user.signed_in"], catalog.actions["user.signed_in"]
    assert after.severity == "notice"
    assert after.category == "auth"
    assert after.metadata["method"].values[-1] == "carrier_pigeon"
    assert after.metadata["method"].description == before.metadata["method"].description
    assert {"mfa", "region"} <= after.metadata.keys()
    assert after.sentence == before.sentence


def test_an_overridden_sentence_is_used_for_every_outcome(tmp_path: Path) -> None:
    """Own words for a failure take the place of those that are derived."""
    catalog = load(
        tmp_path,
        """
        ["user.signed_out"]
        sentence = "{actor} left"
        denied = "{actor} may not leave {{yet}} {[}{|}{]}"
        """,
    )
    assert catalog.sentence(event("user.signed_out")) == "Sarah Chen left"
    assert catalog.sentence(event("user.signed_out", outcome="failure")) == "Sarah Chen tried to leave, but it failed"
    assert catalog.sentence(event("user.signed_out", outcome="denied")) == "Sarah Chen may not leave {yet} [|]"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('severty = "info"', "severty: is no key of an action (did you mean 'severity'?); the keys are"),
        (
            'operation = "create"',
            "operation: 'create' is not allowed; write one of created, updated, deleted, accessed",
        ),
        ('category = "misc"', "category: 'misc' is not allowed; write one of auth, access, data, config, security"),
        ('severity = "high"', "severity: 'high' is not allowed; write one of info, notice, warning, critical"),
        ("title = 3", "title: expected `str`, got `int`; write a short name"),
        ('default = "yes"', "default: expected `bool`, got `str`; write true or false"),
        ('controls = "SOC 2"', "controls: expected `array`, got `str`; write a list"),
        ('metadata = "x"', "metadata: must be a table of fields; write {type ="),
        ('metadata.a = {type = "text", description = "x"}', "metadata.a: type is not allowed; write {type ="),
        ('metadata.a = {type = "string"}', "metadata.a: object missing required field `description`; write {type ="),
        (
            'metadata.a = {type = "string", description = "x", vals = ["a"]}',
            "metadata.a.vals: is no key of a field (did you mean 'values'?)",
        ),
        (
            'metadata.a = {type = "integer", description = "x", values = ["1"]}',
            "metadata.a.values: only a string or a list has values",
        ),
        ('metadata."a b" = {type = "string", description = "x"}', "metadata.a b: is no name of a field"),
        ('example = {actor = {type = "robot"}}', "example: is no part of an event: Invalid enum value 'robot'"),
        ('example = {metadata = {method = "smoke"}}', "example.metadata.method: must be one of password, sso"),
    ],
)
def test_a_wrong_key_is_named_with_its_fix(tmp_path: Path, line: str, problem: str) -> None:
    """FILE: ACTION: KEY: what is wrong and what to write."""
    (found,) = problems(tmp_path, f'["user.signed_in"]\n{line}\n')
    assert found.startswith(f"user.signed_in: {problem}")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{actor} did {x", "at character 13: this { is never closed"),
        ("{actor} did [x", "at character 13: this [ is never closed"),
        ("{actor} did x]", "at character 14: this ] closes nothing"),
        ("{actor} did x}", "at character 14: this } closes nothing"),
        ("{actor} did {metadata.nope}", "at character 14: the action declares no metadata.nope; it declares method"),
        ("{actor} did [{changes.nope.to}]", "at character 15: the action declares no changes.nope: declare it"),
        ("{actor} did [{metadata.method.name}]", "at character 15: metadata.method is a string and has nothing inside"),
        ("{actor} did {target}", "at character 14: {target} may be missing: give it |default:some words"),
        ("{actor} did [{method}]", "at character 15: an event has no field 'method'; there are target"),
        ("{actor} did [{metadata.method|upper}]", "at character 15: there is no filter 'upper'; there are default"),
        ("{actor} did [{metadata.method|plural}]", "at character 15: the filter plural is written {metadata.records"),
        ("{actor} did [{metadata.method|list:x}]", "at character 15: the filter list takes a number from 1 to 9"),
        ("{actor|words} x", "at character 2: {actor} is in words already; only the filter default can follow it"),
        ("{metadata.method|default:a|words} x", "at character 2: the filter default comes last"),
        ("{actor} [{metadata.method|quote|words}]", "at character 11: the filter quote comes last"),
        ("{metadata.method|default: } x", "at character 2: the filter default is written {metadata.name"),
        ("[{target}]", "at character 1: nothing is left of it when its sections vanish"),
        ("[[[[[x]]]]] {actor}", "at character 5: sections are nested too deeply"),
    ],
)
def test_a_wrong_template_is_named_with_the_place(tmp_path: Path, template: str, problem: str) -> None:
    """A template that is accepted can't break later, so every doubt is raised when it is read."""
    (found,) = problems(tmp_path, f'["user.signed_in"]\nsentence = "{template}"\n')
    assert found.startswith(f"user.signed_in: sentence: {problem}")


@pytest.mark.parametrize(
    "path",
    [
        "actor.__class__", "__class__", "target.__class__.__mro__", "metadata.__class__", "changes.__class__",
        "metadata.method.__class__", "actor.impersonator.__init__.__globals__", "targets.0", "targets.__len__",
        "targets[0]", "actor!r", "0", "", "metadata", "metadata.", "changes.", "context", "context.__dict__",
        "config.SECRET",
    ],
)  # fmt: skip
def test_no_path_leads_into_python(tmp_path: Path, path: str) -> None:
    """A template can name fields of the event that are declared, and nothing else."""
    (found,) = problems(tmp_path, f"""["user.signed_in"]\nsentence = "{{actor}} did [{{{path}}}]"\n""")
    assert found.startswith("user.signed_in: sentence: at character ")


def test_a_map_is_read_as_data_only(tmp_path: Path) -> None:
    """Inside a map only its own keys are found, never attributes of what holds them."""
    catalog = load(tmp_path, GOOD.replace("extra.note", "extra.__class__"))
    shown = catalog.sentence(event("invoice.approved", metadata={"extra": {}}))
    assert shown == "Sarah Chen approved an invoice"


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    """A vendor mends a file in one go."""
    found = problems(
        tmp_path,
        """
        stray = 1
        ["ledger.created"]
        title = "Mine"
        ["audit_log.viewed"]
        severity = "info"
        ["Invoice"]
        title = "x"
        ["invoice.paid"]
        sentence = "{actor} paid {x}"
        [invoice.sent]
        title = "Invoice sent"
        """,
    )
    for start in (
        "stray: is no table",
        "ledger.created: ledger.* and audit_log.* are the service's own actions",
        "audit_log.viewed: ledger.* and audit_log.* are the service's own actions",
        "Invoice: is no name of an action",
        "invoice.paid: title: is missing; write a short name",
        "invoice.paid: operation: is missing; write one of created",
        "invoice.paid: category: is missing; write one of auth",
        """invoice: put the action's name in quotes: ["invoice.sent"]""",
    ):
        assert [p for p in found if p.startswith(start)], start


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"x = [", "is not TOML"), (b"\xff", "is not UTF-8"), (None, "can't be read: No such file or directory")],
)
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """The setting to mend is told, without a traceback."""
    file = tmp_path / "actions.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        Catalog.load(file)
    assert str(caught.value).startswith(f"{file}: {problem}")


def test_the_command_prints_problems_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m indelible.catalog FILE` is the check a vendor runs in CI."""
    file = tmp_path / "actions.toml"
    file.write_text('["user.signed_in"]\nseverity = "high"\n')
    assert main([str(file)]) == 1
    assert "user.signed_in: severity: 'high' is not allowed" in capsys.readouterr().err
    file.write_text(GOOD)
    assert main([str(file)]) == 0
    assert "### `invoice.approved`" in capsys.readouterr().out
    assert main(["--help"]) == 2


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"metadata": {"currency": "EUR"}}, []),
        ({"metadata": {"currency": "EUR", "own": object.__name__}}, []),
        ({"metadata": {"currency": "[masked]", "amount": "[masked]"}}, []),
        ({}, [("/metadata/currency", "is required for invoice.approved: ISO 4217")]),
        ({"metadata": {"currency": "USD"}}, [("/metadata/currency", "must be one of EUR, CHF, not 'USD'")]),
        (
            {"metadata": {"currency": "EUR", "amount": "12"}},
            [("/metadata/amount", "must be a number, not '12'")],
        ),
        (
            {"metadata": {"currency": 1, "amount": True, "extra": []}},
            [
                ("/metadata/amount", "must be a number, not True"),
                ("/metadata/currency", "must be a string, not 1"),
                ("/metadata/extra", "must be a map, not []"),
            ],
        ),
    ],
)
def test_strict_mode_points_at_each_field(
    tmp_path: Path, members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """In CI a vendor learns which field breaks its own declaration; fields that aren't declared are free."""
    found = load(tmp_path, GOOD).check(event("invoice.approved", **members))
    assert [(e.pointer, e.detail) for e in found] == expected


def test_strict_mode_checks_both_sides_of_a_change_and_times() -> None:
    """A side that was not sent is no mistake, a wrong one is."""
    catalog = Catalog.load()
    role = {"role": {"from": 3, "to": "admin"}}
    assert [e.pointer for e in catalog.check(event("user.role_changed", changes=role))] == ["/changes/role/from"]
    assert [e.pointer for e in catalog.check(event("user.role_changed"))] == ["/changes/role"]
    for good in ("2026-11-21", "2026-11-21T09:30:00Z", "2026-11-21T09:30:00.123+01:00"):
        assert catalog.check(event("api_key.rotated", metadata={"expires_at": good})) == []
    for bad in ("soon", "2026-13-01", "２０２６-11-21", "1763717400", 1763717400):
        assert len(catalog.check(event("api_key.rotated", metadata={"expires_at": bad}))) == 1


def test_strict_mode_suggests_the_name_that_was_meant() -> None:
    """A typo in an action's name is the mistake that would go unseen for months."""
    (found,) = Catalog.load().check(event("user.role_change"))
    assert found.pointer == "/action"
    assert found.detail.startswith("'user.role_change' is not in the catalog (did you mean 'user.role_changed'?)")
    (found,) = Catalog.load().check(event("zzz.qqq"))
    assert "did you mean" not in found.detail


def test_the_example_in_the_docs_loads(tmp_path: Path) -> None:
    """docs/own-actions.md shows a file that works as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "own-actions.md").read_text("utf-8")
    catalog = load(tmp_path, page.split("```toml\n")[1].split("```")[0])
    assert catalog.actions["user.signed_in"].metadata["region"].type == "string"
    invoice = event("invoice.approved", targets=[{"type": "invoice", "id": "inv_1"}])
    assert catalog.sentence(invoice) == "Sarah Chen approved invoice inv_1"


def test_every_path_and_filter_is_in_the_docs() -> None:
    """The reference of the template language is whole."""
    page = (Path(__file__).parents[2] / "docs" / "own-actions.md").read_text("utf-8")
    assert [name for name in FILTERS if f"| `{name}" not in page] == []
    assert [key for key in ActionSpec.__struct_fields__ if key != "name" and f"`{key}" not in page] == []
