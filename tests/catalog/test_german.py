"""The catalog in German: it is whole, and each of its sentences reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.catalog import Catalog, CatalogError
from indelible.catalog.markdown import example_event
from indelible.catalog.text import split_words
from indelible.event import Event
from indelible.store.narrowing import action_has
from indelible.store.words import fold

CATALOG = Catalog.load()
(GERMAN,) = CATALOG.others
FIELD = re.compile(r"\{((?:metadata|changes|targets?|context|other)[a-z_.0-9]*)")

EXAMPLES = {
    "user.signed_in": "Sarah Chen hat sich per SSO mit MFA angemeldet",
    "user.sign_in_failed": (
        "Sarah Chen konnte sich per Passwort nicht anmelden: falsches Passwort (Versuch 5, Konto gesperrt)"
    ),
    "user.password_reset": "Sarah Chen hat das Passwort von Alex Roman zurückgesetzt",
    "user.mfa_enrolled": "Sarah Chen hat TOTP als zweiten Faktor eingerichtet",
    "user.mfa_reset": "Sarah Chen hat die MFA von Alex Roman zurückgesetzt, genehmigt von Dana Fox (Ticket 4512)",
    "session.expired": "Die Sitzung von Sarah Chen ist abgelaufen (1 Stunde ohne Aktivität)",
    "session.revoked": "Sarah Chen hat 3 Sitzungen von Alex Roman beendet: verdächtig",
    "user.invited": "Sarah Chen hat alex@acme.example als Mitglied eingeladen",
    "user.joined": "Sarah Chen ist dem Workspace als Mitglied per Einladung beigetreten",
    "user.role_changed": "Sarah Chen hat die Rolle von Alex Roman von Mitglied auf Admin geändert",
    "user.admin_granted": "Sarah Chen hat Alex Roman Adminrechte erteilt",
    "group.created": "Sarah Chen hat Gruppe Engineering mit 4 Mitgliedern erstellt",
    "group.membership_changed": (
        "Sarah Chen hat die Mitglieder von Gruppe Engineering geändert (2 hinzugefügt, 1 entfernt)"
    ),
    "workspace.settings_changed": (
        "Sarah Chen hat die Workspace-Einstellungen geändert: Standardrolle und Gasteinladungen"
    ),
    "api_key.created": (
        "Sarah Chen hat API-Schlüssel „CI deploy“ mit der Berechtigung events:write erstellt, gültig bis 21.11.2027"
    ),
    "integration.permissions_changed": (
        "Sarah Chen hat die Berechtigungen von Integration Slack von chat:write auf chat:write und files:read geändert"
    ),
    "scim.user_created": "System Okta hat Alex Roman als Mitglied über SCIM angelegt",
    "impersonation.started": ("Ana Lima hat den Zugriff als Sarah Chen für höchstens 1 Stunde begonnen (Ticket 4512)"),
    "access.denied": "Sarah Chen hat den Zugriff auf Projekt Apollo für Alex Roman abgelehnt: not on the project",
    "document.viewed": "Sarah Chen hat Dokument „Payroll 2026“ (vertraulich) angesehen",
    "link.created": "Sarah Chen hat einen öffentlichen Link zu Dokument Roadmap erstellt, gültig bis 24.12.2026",
    "data.exported": "Sarah Chen hat 12.480 Datensätze (Kontakte) als CSV nach s3://acme-exports exportiert",
    "record.deleted": "Sarah Chen hat Rechnung inv_1042 und Rechnung inv_1043 gelöscht",
    "record.changed": "Sarah Chen hat Deal „Acme renewal“ geändert: Betrag und Inhaber",
    "privacy.erasure_requested": (
        "Sarah Chen hat die Löschung der personenbezogenen Daten von Alex Roman angefordert (Anfrage DSR-19)"
    ),
    "sso.enforced": "Sarah Chen hat SSO für alle Mitglieder zur Pflicht gemacht",
    "plan.upgraded": "Sarah Chen hat den Tarif von Team auf Enterprise heraufgestuft",
    "webhook.changed": (
        "Sarah Chen hat das Ziel von Webhook Billing von hooks.acme.example auf hooks.other.example geändert"
    ),
    "retention.changed": "Sarah Chen hat die Aufbewahrungsfrist von 365 Tagen auf 30 Tage geändert",
    "feature.toggled": "Sarah Chen hat Funktion „AI assistant“ aktiviert",
    "ip_allowlist.changed": (
        "Sarah Chen hat die IP-Zulassungsliste geändert: 203.0.113.0/24 hinzugefügt, 198.51.100.7 entfernt"
    ),
    "security.permission_denied": "Sarah Chen hatte nicht die Berechtigung „billing:write“ für Projekt Apollo",
    "security.dlp_rule_triggered": (
        "Sarah Chen hat die DLP-Regel „Card numbers“ bei Dokument Roadmap ausgelöst und wurde blockiert"
    ),
    "ledger.created": "Das System hat dieses Audit-Log angelegt",
    "ledger.erasure": (
        "Sarah Chen hat personenbezogene Daten (Akteur und Kontext) von Benutzer usr_9 aus 214 Einträgen gelöscht "
        "(Anfrage DSR-19)"
    ),
    "audit_log.access_denied": (
        "API-Schlüssel „Reporting“ hat keinen Zugriff auf das Audit-Log erhalten: es fehlt die Berechtigung export"
    ),
    "audit_log.token_issued": (
        "API-Schlüssel „Backend“ (Schlüssel des Anbieters) hat ein Viewer-Token für Alex Roman als Admin ausgestellt"
    ),
    "audit_log.settings_changed": "Sarah Chen hat Mitgliedern erlaubt, ihre eigenen Ereignisse zu lesen",
}


def event(action: str, **members: Any) -> Event:
    actor = {"type": "user", "name": "Sarah Chen"}
    return msgspec.convert({"tenant_id": "acme", "action": action, "actor": actor, **members}, Event)


def say(action: str, **members: Any) -> str:
    return GERMAN.sentence(event(action, **members))


def raw() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(
        (Path(__file__).parents[2] / "src/indelible/catalog/languages/de.toml").read_text("utf-8")
    )
    return found


def test_every_action_has_a_title_and_a_sentence() -> None:
    """An action that is new in English alone would be the one line of a German screen that is not."""
    texts = {name: action for name, action in raw().items() if name != "language"}
    assert texts.keys() == CATALOG.actions.keys()
    assert [name for name, action in texts.items() if not {"title", "sentence"} <= action.keys()] == []
    titles = [spec.title for spec in GERMAN.actions.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", CATALOG.actions)
def test_a_sentence_tells_no_less_than_the_english_one(name: str) -> None:
    """Each field that the English sentence shows is in the German one."""
    english = set(FIELD.findall(CATALOG.actions[name].sentence))
    german = set(FIELD.findall(raw()[name]["sentence"]))
    assert {field for field in english - german if not field.startswith("target")} == set()
    assert bool({f for f in english if f.startswith("target")}) == bool({f for f in german if f.startswith("target")})


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_as_written(name: str) -> None:
    """Sentences are what admins see; a change of wording must be meant."""
    assert GERMAN.sentence(example_event(CATALOG.actions[name])) == EXAMPLES[name]


@pytest.mark.parametrize("name", CATALOG.actions)
@pytest.mark.parametrize("actor", ["user", "system", "api_key"])
@pytest.mark.parametrize("outcome", ["success", "failure", "denied"])
def test_a_sentence_has_no_hole(name: str, actor: str, outcome: str) -> None:
    """The least that an event may hold still reads, and so does its example; what was not done is not told as done."""
    bare = event(name, actor={"type": actor}, outcome=outcome)
    full = msgspec.structs.replace(example_event(CATALOG.actions[name]), outcome=outcome)
    for sentence in map(GERMAN.sentence, (bare, full)):
        assert re.fullmatch(r"[A-Z][^{}\[\]|]*[\w)”“]", sentence)
        assert not re.search(r"  | [,:;.)]|\( |None|UNSET|null", sentence)
        if outcome != "success" and CATALOG.actions[name].outcome == "success":
            assert sentence.endswith(GERMAN.language.suffixes[outcome])
            assert " wollte " in sentence or name in ("session.expired", "security.token_leaked")
    assert not re.search(r"[a-z]_[a-z]", GERMAN.sentence(bare))


def test_what_the_catalog_declares_has_a_german_word() -> None:
    """Names of changed fields, and values that an action may have, stand in sentences."""
    known = GERMAN.language.words
    named = {name for spec in CATALOG.actions.values() for name in spec.changes}
    named |= {v for spec in CATALOG.actions.values() for field in spec.metadata.values() for v in field.values}
    named |= {target["type"] for spec in CATALOG.actions.values() for target in spec.example.get("targets", ())}
    lacking = {each for each in named if " ".join(split_words(each)) not in known}
    assert lacking == {"dns", "oidc", "saml", "scim", "sms", "sso", "totp", "webauthn"}  # the same in German


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"actor": {"type": "user"}}, "Jemand hat eine Gruppe gelöscht"),
        ({"actor": {"type": "user", "id": "usr_7"}}, "Benutzer usr_7 hat eine Gruppe gelöscht"),
        ({"actor": {"type": "system"}}, "Das System hat eine Gruppe gelöscht"),
        ({"actor": {"type": "system", "name": "Nightly sync"}}, "System „Nightly sync“ hat eine Gruppe gelöscht"),
        ({"actor": {"type": "api_key"}}, "Ein API-Schlüssel hat eine Gruppe gelöscht"),
        (
            {"actor": {"type": "user", "name": "Sarah Chen", "impersonator": {"email": "ana@vendor.example"}}},
            "ana@vendor.example vom Support (als Sarah Chen) hat eine Gruppe gelöscht",
        ),
        (
            {"actor": {"type": "user", "impersonator": {}}},
            "Jemand vom Support (als jemand) hat eine Gruppe gelöscht",
        ),
        ({"targets": [{"type": "group"}]}, "Sarah Chen hat Gruppe (ohne Namen) gelöscht"),
        ({"targets": [{"type": "cost_center", "id": "c_1"}]}, "Sarah Chen hat Cost center c_1 gelöscht"),
        (
            {"targets": [{"type": "group", "name": "Sales “ hat alles gelöscht"}]},
            "Sarah Chen hat Gruppe „Sales ' hat alles gelöscht“ gelöscht",
        ),
        ({"outcome": "denied"}, "Sarah Chen wollte eine Gruppe löschen – verweigert"),
    ],
)
def test_who_and_what_are_called_in_german(members: dict[str, Any], said: str) -> None:
    """Names stay as their owners write them, in quotation marks that they cannot close."""
    assert say("group.deleted", **members) == said


@pytest.mark.parametrize(
    ("action", "members", "said"),
    [
        ("record.deleted", {"metadata": {"records": 1}}, "1 Datensatz gelöscht"),
        ("record.deleted", {"metadata": {"records": 48212}}, "48.212 Datensätze gelöscht"),
        ("record.deleted", {"metadata": {"records": 10**60}}, "unzählige Datensätze gelöscht"),
        (
            "record.deleted",
            {"targets": [{"type": "invoice", "id": f"i{n}"} for n in range(5)]},
            "Rechnung i0, Rechnung i1, Rechnung i2 und 2 weitere gelöscht",
        ),
        (
            "workspace.settings_changed",
            {"changes": {"mfa_required": {"from": False, "to": True}}},
            "die Workspace-Einstellungen geändert: MFA-Pflicht von deaktiviert auf aktiviert",
        ),
        (
            "workspace.settings_changed",
            {"changes": {"rate": {"from": 1.5, "to": 2.25}}},
            "die Workspace-Einstellungen geändert: rate von 1,5 auf 2,25",
        ),
        ("api_key.rotated", {"metadata": {"expires_at": "soon"}}, "einen API-Schlüssel erneuert, gültig bis soon"),
        (
            "security.ip_blocked",
            {"metadata": {"ip_address": "::1", "duration_seconds": 176400}},
            "::1 für 2 Tage 1 Stunde blockiert",
        ),
        (
            "audit_log.viewed",
            {"targets": [{"type": "event", "id": "0192f0c4-7d3e-7c1a-9b1e-2f6d3a5b7c90"}]},
            "die Details eines Ereignisses im Audit-Log angesehen",
        ),
        (
            "audit_log.settings_changed",
            {"changes": {"member_sees": {"from": ["changes"], "to": ["changes", "request_id"]}}},
            "die Audit-Log-Einstellungen geändert; für Mitglieder sichtbar: Änderungen und Anfrage-ID",
        ),
        (
            "audit_log.searched",
            {"metadata": {"query": "sarah", "filters": {"since": "30d", "action": ["user.joined", "user.left"]}}},
            "das Audit-Log nach „sarah“ durchsucht (ab 30d; Aktion user.joined und user.left)",
        ),
    ],
)
def test_values_are_written_as_in_german(action: str, members: dict[str, Any], said: str) -> None:
    assert say(action, **members) == f"Sarah Chen hat {said}"


def test_what_nobody_declared_stays_english() -> None:
    """A guess at words of a name is made in the language of the name."""
    assert say("invoice.approved") == CATALOG.sentence(event("invoice.approved"))


def test_an_altered_sentence_in_german_is_told_as_such() -> None:
    assert "Eintrag 7 " in GERMAN.language.altered.format(seq=7)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_template_fails_for_being_german(name: str) -> None:
    """Whatever a name holds, the sentence is one line with its own words around it."""
    said = say("user.removed", targets=[{"type": "user", "name": name}])
    assert said.startswith("Sarah Chen hat")
    assert said.endswith(" entfernt")
    assert "\n" not in said


# --- a vendor's file


OWN = """
["invoice.approved"]
title = "Invoice approved"
sentence = "{actor} approved {target|default:an invoice}[ with {metadata.items|plural:item}]"
operation = "updated"
category = "data"
metadata.items = {type = "integer", description = "How many"}

["invoice.approved".de]
title = "Rechnung genehmigt"
sentence = "{actor} hat {target|default:eine Rechnung}[ mit {metadata.items|plural:Posten:Posten}] genehmigt"
"""


def load(tmp_path: Path, content: str) -> Catalog:
    (tmp_path / "actions.toml").write_text(content)
    return Catalog.load(tmp_path / "actions.toml")


def test_a_vendors_action_may_have_german(tmp_path: Path) -> None:
    catalog = load(tmp_path, OWN)
    (german,) = catalog.others
    approved = event("invoice.approved", metadata={"items": 2}, targets=[{"type": "invoice", "id": "inv_1"}])
    assert catalog.sentence(approved) == "Sarah Chen approved invoice inv_1 with 2 items"
    assert german.sentence(approved) == "Sarah Chen hat Rechnung inv_1 mit 2 Posten genehmigt"
    failed = msgspec.structs.replace(approved, outcome="failure")
    assert german.sentence(failed) == "Sarah Chen wollte Rechnung inv_1 mit 2 Posten genehmigen – fehlgeschlagen"
    assert german.actions["invoice.approved"].title == "Rechnung genehmigt"


@pytest.mark.parametrize(
    ("sentence", "failed"),
    [
        ("{actor} hat die Rechnung storniert", "Sarah Chen wollte die Rechnung stornieren – fehlgeschlagen"),
        ("{actor} hat sie als bezahlt markiert", "Sarah Chen wollte sie als bezahlt markieren – fehlgeschlagen"),
        ("{actor} hat sie auf abgelehnt gesetzt", "Sarah Chen wollte sie auf abgelehnt setzen – fehlgeschlagen"),
        ("{actor} hat sie gesperrt und gelöscht", "Sarah Chen wollte sie sperren und löschen – fehlgeschlagen"),
        ("{actor} hat sie entfernt: hat gestört", "Sarah Chen wollte sie entfernen: hat gestört – fehlgeschlagen"),
        # What does not end with a verb that is known stays as it is.
        ("{actor} ist gesperrt worden", "Sarah Chen ist gesperrt worden – fehlgeschlagen"),
        ("{actor} hat gelöscht, was da war", "Sarah Chen wollte löschen, was da war – fehlgeschlagen"),
        ("{actor} hat sie gewogen und gelöscht", "Sarah Chen hat sie gewogen und gelöscht – fehlgeschlagen"),
        ("{actor} hat sie gewogen", "Sarah Chen hat sie gewogen – fehlgeschlagen"),
        ("Gelöscht von {actor}", "Gelöscht von Sarah Chen – fehlgeschlagen"),
    ],
)
def test_an_attempt_is_told_by_the_verb_at_the_end(tmp_path: Path, sentence: str, failed: str) -> None:
    catalog = load(
        tmp_path,
        OWN.partition('["invoice.approved".de]')[0]
        + f"""
        ["invoice.approved".de]
        title = "Rechnung"
        sentence = "{sentence}"
    """,
    )
    (german,) = catalog.others
    assert german.sentence(event("invoice.approved", outcome="failure")) == failed


def test_the_example_in_the_docs_reads(tmp_path: Path) -> None:
    """docs/own-actions.md shows German that works as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "own-actions.md").read_text("utf-8")
    (german,) = load(tmp_path, "".join(part.split("```")[0] for part in page.split("```toml\n")[1:])).others
    invoice = event("invoice.approved", targets=[{"type": "invoice", "id": "inv_1"}], outcome="failure")
    assert german.sentence(invoice) == "Sarah Chen wollte Rechnung inv_1 genehmigen – fehlgeschlagen"


@pytest.mark.parametrize(
    ("content", "title", "sentence"),
    [
        # What a vendor says in its own words is not to be overruled by ours.
        ('["group.deleted"]\ntitle = "Team gone"', "Team gone", "Sarah Chen hat eine Gruppe gelöscht"),
        ('["group.deleted"]\nsentence = "{actor} went"', "Gruppe gelöscht", "Sarah Chen went"),
        ('["group.deleted"]\ndenied = "{actor} may not"', "Gruppe gelöscht", "Sarah Chen deleted a group"),
        ('["group.deleted".de]\ntitle = "Team weg"', "Team weg", "Sarah Chen hat eine Gruppe gelöscht"),
        ('["group.deleted"]\nseverity = "info"', "Gruppe gelöscht", "Sarah Chen hat eine Gruppe gelöscht"),
        (
            '["group.deleted"]\nsentence = "{actor} went"\nde = {sentence = "{actor} ging"}',
            "Gruppe gelöscht",
            "Sarah Chen ging",
        ),
    ],
)
def test_a_vendors_words_for_our_actions_count(tmp_path: Path, content: str, title: str, sentence: str) -> None:
    (german,) = load(tmp_path, content).others
    assert (german.actions["group.deleted"].title, german.sentence(event("group.deleted"))) == (title, sentence)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('de = "Gruppe"', "de: must be a table of texts; write {title"),
        ('de.titel = "x"', "de.titel: is no key of a language (did you mean 'title'?); the keys are title, sentence"),
        ("de.title = 3", "de.title: expected `str`, got `int`; write a short name"),
        ('de.sentence = "{actor} {x}"', "de.sentence: at character 10: an event has no field 'x'"),
        (
            'de.sentence = "{actor} hat [{metadata.items|plural:Ding}] x"\nmetadata.items = {type = "integer", '
            'description = "x"}',
            "de.sentence: at character 15: only English has a regular plural",
        ),
        ('fr.title = "Groupe"', "fr: is no key of an action; the keys are"),
    ],
)
def test_a_wrong_translation_is_named_with_its_fix(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, f'["group.deleted"]\n{lines}\n')
    (found,) = caught.value.problems
    assert found.partition(": group.deleted: ")[2].startswith(problem)


def test_a_failure_without_a_sentence_is_refused(tmp_path: Path) -> None:
    """It would be German, and what was done English."""
    with pytest.raises(CatalogError, match=r"de\.failed: takes de\.sentence beside it"):
        load(tmp_path, OWN.replace('sentence = "{actor} hat', 'failed = "{actor} hat'))


# --- looking for it


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("gelöscht", "group.deleted"),
        ("Rolle", "user.role_changed"),
        ("exportiert", "data.exported"),
        ("angemeldet", "user.signed_in"),
        ("eingeladen", "user.invited"),
    ],
)
def test_a_german_word_finds_the_action(word: str, action: str) -> None:
    assert action_has(fold(word), action, CATALOG)
    assert not action_has(fold(word), "feature.toggled", CATALOG)
    assert not action_has("der", action, CATALOG)
