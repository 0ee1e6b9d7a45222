"""Northwind: the people, the things and the story of the demo's customer. `history` makes days of them.

Nobody in it exists; addresses and domains are those kept for documentation (RFC 5737, RFC 3849, RFC 2606).
Times are UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from indelible.event import Actor, Change, Context, Impersonator, Source, Target

Details = dict[str, Any]
"""Further fields of an `Event`, as they are given to its constructor."""

PLAIN: Details = {}

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile"
OFFICE, VPN = "203.0.113.10", "203.0.113.40"


class Person(NamedTuple):
    id: str
    name: str
    role: str
    zone: int
    """Hours ahead of UTC; the clocks of Northwind never change."""
    pace: float
    """Things done on a usual day, besides signing in and out."""
    home: str
    agent: str
    joined: int = -999
    """The day before the first at work, and `left` the one after the last; counted back from the end (-1 is last)."""
    left: int = 0

    @property
    def actor(self) -> Actor:
        return Actor("user", self.id, self.name, f"{self.name.lower().replace(' ', '.')}@northwind.example")

    @property
    def target(self) -> Target:
        return Target("user", self.id, self.name)


PEOPLE = (
    Person("usr_01", "Ingrid Solberg", "owner", 1, 2.5, "198.51.100.11", MAC),
    Person("usr_02", "Marcus Adeyemi", "admin", 0, 5, "198.51.100.23", LINUX),
    Person("usr_03", "Tomas Varga", "admin", 1, 4, "198.51.100.37", WINDOWS),
    Person("usr_04", "Helene Dufour", "manager", 1, 4.5, "2001:db8:41:7::12", MAC),
    Person("usr_05", "Priya Raman", "manager", 0, 5, "198.51.100.52", MAC),
    Person("usr_06", "Jakub Zielinski", "member", 1, 6, "198.51.100.64", LINUX),
    Person("usr_07", "Aoife Brennan", "member", 0, 5.5, "2001:db8:90:2::5", WINDOWS),
    Person("usr_08", "Matteo Ricci", "member", 1, 5, "198.51.100.88", WINDOWS),
    Person("usr_09", "Sofia Lindqvist", "member", 1, 6, "198.51.100.95", MAC),
    Person("usr_10", "Dev Malhotra", "member", 5, 6.5, "198.51.100.120", WINDOWS),
    Person("usr_11", "Carmen Ortega", "member", -5, 5, "198.51.100.133", PHONE),
    Person("usr_12", "Noah Whitfield", "member", -5, 5.5, "198.51.100.147", MAC, left=-37),
    Person("usr_13", "Lena Hartmann", "member", 1, 5.5, "198.51.100.160", WINDOWS, joined=-71),
    Person("usr_14", "Yusuf Demir", "member", 1, 5.5, "198.51.100.171", LINUX, joined=-43),
)
INGRID, MARCUS, TOMAS = PEOPLE[:3]
SOFIA, NOAH, LENA, YUSUF = PEOPLE[8], *PEOPLE[11:]
FREE_DAYS = {(1, 1), (5, 1), (12, 24), (12, 25), (12, 26)}

THINGS = {
    "document": (
        "Board pack", "Master services agreement", "Price list", "Supplier contacts", "Payroll summary",
        "Onboarding checklist", "Warehouse plan", "Customer list EMEA", "Brand guidelines", "Travel policy",
    ),
    "deal": ("Harbour tender", "Lindqvist Foods", "Atlas Shipping", "Brightwater Schools", "Corvo Retail"),
    "group": ("Sales", "Warehouse", "Finance"),
    "project": ("Autumn catalogue", "New warehouse", "ERP migration", "Website relaunch"),
}  # fmt: skip


def details(outcome: str = "success", **metadata: object) -> Details:
    return {"outcome": outcome, "metadata": metadata}


def _changed(field: str, *steps: object) -> Callable[[Random], Details]:
    def change(rng: Random) -> Details:
        at = rng.randrange(len(steps) - 1)
        return {"changes": {field: Change(steps[at], steps[at + 1])}}

    return change


class Work(NamedTuple):
    """Something people do on a usual day; a heavier `weight` is done more often."""

    weight: int
    action: str
    kind: str
    details: Callable[[Random], Details] = lambda _: {}
    roles: frozenset[str] = frozenset({"owner", "admin", "manager", "member"})


MANAGERS, ADMINS = frozenset({"owner", "admin", "manager"}), frozenset({"owner", "admin"})
WORK = (
    Work(300, "document.viewed", "document"),
    Work(150, "record.changed", "deal", _changed("stage", "lead", "qualified", "offer", "won")),
    Work(90, "record.changed", "project", _changed("status", "planned", "active", "in review", "done")),
    Work(60, "record.changed", "invoice", _changed("status", "draft", "sent", "paid")),
    Work(25, "link.created", "document", lambda _: details(audience="organization", permission="view")),
    Work(8, "document.shared_externally", "document",
         lambda rng: details(recipients=[rng.choice(("tenders@harbour.example", "audit@fjordcpa.example"))])),
    Work(12, "record.deleted", "invoice"),
    Work(4, "record.restored", "invoice"),
    Work(5, "security.permission_denied", "document", lambda _: details("denied", permission="document:edit")),
    Work(16, "data.exported", "", lambda rng: details(records=rng.randrange(40, 900), format="csv",
                                                      resource_type="invoices"), MANAGERS),
    Work(8, "group.membership_changed", "group", lambda rng: details(added=rng.randrange(1, 3)), ADMINS),
    Work(6, "workspace.settings_changed", "", _changed("default_view", "board", "list", "board"), ADMINS),
)  # fmt: skip

NOWHERE = Context()
SHOP = Context("203.0.113.61", "northwind-shop/4.2")
WEBSITE, PRICE_LIST = Actor("api_key", "key_3", "website-sync"), Target("document", "doc_102", "Price list")
BACKUP, SCIM = Actor("system", "backup", "Weekly backup"), Actor("system", "scim", "Keyhouse directory")
BILLING = Actor("system", "billing", "Billing")


class Moment(NamedTuple):
    """One scripted event; `day` counts from the end of the history in `STORY`, from the night in `INCIDENT`."""

    day: int
    at: str
    actor: Actor
    action: str
    target: Target | None = None
    details: Details = PLAIN
    context: Context = Context(OFFICE, MAC)
    source: Source = "ui"


SSO_FROM = -62
"""The day from which all but Tomas sign in through the directory; after the incident, he too."""

STORY = (
    Moment(-88, "00:00:31", BILLING, "plan.downgraded", None,
           {"changes": {"plan": Change("business", "team")}}, NOWHERE, "background"),
    Moment(-78, "09:40:12", INGRID.actor, "plan.upgraded", None,
           {"changes": {"plan": Change("team", "business"), "seats": Change(10, 25)}}),
    Moment(-72, "10:05:31", INGRID.actor, "user.invited", LENA.target, details(role="member")),
    Moment(-71, "14:31:02", LENA.actor, "user.joined", None, details(role="member", method="invitation")),
    Moment(SSO_FROM, "08:12:44", MARCUS.actor, "sso.configured", None, details(protocol="saml")),
    Moment(-61, "08:55:10", MARCUS.actor, "integration.installed", Target("integration", "int_2", "Calendar sync")),
    Moment(-57, "10:12:26", INGRID.actor, "plan.upgraded", None,
           {"changes": {"plan": Change("business", "enterprise"), "seats": Change(25, 60)}}),
    Moment(-44, "04:20:09", SCIM, "scim.user_created", YUSUF.target, PLAIN, NOWHERE, "background"),
    Moment(-33, "17:00:20", SCIM, "scim.user_deprovisioned", NOAH.target, PLAIN, NOWHERE, "background"),
    Moment(-29, "15:48:03", INGRID.actor, "plan.downgraded", None,
           {"changes": {"plan": Change("enterprise", "business"), "seats": Change(60, 25)}}),
    Moment(-25, "11:15:37", INGRID.actor, "user.role_changed", SOFIA.target,
           {"changes": {"role": Change("member", "manager")}}),
)  # fmt: skip

# A stranger has Tomas' password, and talks the vendor's support into resetting his second factor. Then a Thursday night
# is long. Marcus sees it on Friday morning.
STRANGER = Context("192.0.2.66", LINUX, session_id="ses_5d81c0f2")
KEY_USED = Context("192.0.2.91", "python-requests/2.32.5")
SUPPORT = Context("203.0.113.200", WINDOWS, session_id="ses_77e0b91a")
DANA = Actor("user", "sup_31", "Dana Whitlock", "dana.whitlock@vendor.example")
HELPED = replace(TOMAS.actor, impersonator=Impersonator(DANA.id, DANA.name, DANA.email, "ticket 48213: lost phone"))
SAM, HOOK = Target("user", "usr_15", "Sam Keller"), Target("webhook", "wh_4", "collector")
KEY = Target("api_key", "key_7", "backup-sync")
TAKEN = tuple(Target("document", f"doc_{100 + n}", THINGS["document"][n]) for n in (3, 4, 7))
TO_SAM = details(recipients=["sam.keller@keller-consulting.example"], permission="view")
MFA_OFF, MFA_ON = ({"changes": {"mfa_required": Change(not on, on)}} for on in (False, True))
FAILED = [details("failure", method="password", attempts=n + 1, reason="wrong_password") for n in range(4)]
FAILED += [details("failure", method="password", attempts=n + 5, reason="mfa_failed") for n in range(2)]


def _theirs(at: str, action: str, target: Target | None = None, told: Details = PLAIN) -> Moment:
    return Moment(0, at, TOMAS.actor, action, target, told, STRANGER)


def _marcus(at: str, action: str, target: Target | None = None, told: Details = PLAIN) -> Moment:
    return Moment(1, at, MARCUS.actor, action, target, told, Context(MARCUS.home, LINUX, None, "ses_83ab17e4"))


INCIDENT = (
    *(_theirs(f"20:5{n}:1{n}", "user.sign_in_failed", None, failed) for n, failed in enumerate(FAILED)),
    Moment(0, "21:22:05", DANA, "impersonation.started", TOMAS.target,
           details(ticket="48213", duration_seconds=1800), SUPPORT, "admin_panel"),
    Moment(0, "21:24:40", HELPED, "user.mfa_reset", TOMAS.target, details(ticket="48213"), SUPPORT, "admin_panel"),
    Moment(0, "21:25:31", DANA, "impersonation.ended", TOMAS.target,
           details(ticket="48213", duration_seconds=206), SUPPORT, "admin_panel"),
    _theirs("21:31:08", "user.signed_in", None, details(method="password", mfa="not_enrolled")),
    _theirs("21:36:52", "api_key.created", KEY, details(scopes=["admin:all", "data:all"])),
    _theirs("21:41:15", "user.invited", SAM, details(role="member")),
    _theirs("21:44:03", "user.admin_granted", SAM, {"changes": {"role": Change("member", "admin")}}),
    _theirs("21:47:29", "workspace.settings_changed", None, MFA_OFF),
    _theirs("21:52:11", "webhook.created", HOOK, details(destination="https://in.collector.example/nw")),
    Moment(0, "22:03:47", Actor("api_key", KEY.id, KEY.name), "data.exported", None,
           details(records=48212, resource_type="customers", destination="s3://nw-mirror.collector.example"),
           KEY_USED, "api"),
    *(_theirs(f"22:1{n}:26", "document.shared_externally", document, TO_SAM) for n, document in enumerate(TAKEN)),
    _theirs("22:31:05", "webhook.deleted", HOOK),
    _theirs("22:32:44", "api_key.revoked", KEY),
    _theirs("22:34:18", "user.removed", SAM),
    _theirs("22:35:02", "user.signed_out"),
    _marcus("07:58:12", "user.signed_in", None, details(method="sso")),
    _marcus("08:21:33", "user.suspended", TOMAS.target, details(reason="signed in from an address that is not his")),
    _marcus("08:22:10", "session.revoked", TOMAS.target, details(reason="suspicious", sessions=2)),
    _marcus("08:24:51", "user.password_reset", TOMAS.target, details(method="admin")),
    _marcus("08:27:19", "workspace.settings_changed", None, MFA_ON),
    _marcus("09:05:48", "sso.enforced", None, details(scope="all users")),
    _marcus("13:40:27", "user.reactivated", TOMAS.target),
    _marcus("16:12:55", "user.signed_out"),
)  # fmt: skip
