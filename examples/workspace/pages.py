"""Quayside's pages. The one with the audit log is `audit_log`; the frame below it has everything that can be done."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import httpx
from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect, Response

from examples.workspace.html import Html, html
from examples.workspace.visitors import HOME, Product, Visitor
from examples.workspace.workspace import ApiKey, Document, Member

__all__ = ["PAGES", "avatar", "home", "sign_in_page"]

LINKS = (
    (HOME, "Customers", "customers"),
    (f"{HOME}/documents", "Documents", "document"),
    (f"{HOME}/members", "Members", "members"),
    (f"{HOME}/api-keys", "API keys", "key"),
    (f"{HOME}/settings", "Settings", "settings"),
    (f"{HOME}/admin/audit-log", "Audit log", "log"),
)
NEWCOMERS = ("nora.lind", "owen.achterberg", "leila.haddad", "ben.okafor", "maya.castellano", "theo.marchetti")
OUTSIDERS = ("tenders@harbour.example", "audit@fjordcpa.example", "buying@atlas.example")
HUES = (262, 200, 150, 25, 330, 95, 290, 175)
NOTHING = ""
show = partial(get, sync_to_thread=False)


# --- the audit log


@get("/admin/audit-log", sync_to_thread=True)
def audit_log(who: Visitor) -> Response[str]:
    everything = who.session.person.is_admin or who.session.support
    lead = "Everything that happened in this workspace." if everything else "What you did, and what was done to you."
    try:
        viewer = who.audit.viewer(who.session.tenant)
    except httpx.HTTPError:
        return page(who, "Audit log", lead, html("away", bar=html("bar")), kind="log")
    element = html("viewer", api=who.audit.url, viewer=viewer, bar=html("bar"))
    return page(who, "Audit log", lead, element, head=html("viewer-scripts", viewer=viewer), kind="log")


@show("/admin/audit-log/try")
def try_it(who: Visitor) -> Response[str]:
    """The frame below the log. Each button is one of the product's own, with something to do it to."""
    workspace = who.workspace
    members = [member for member in workspace.members.values() if not member.is_admin]
    invited = [member for member in members if member.is_invited]
    taken = {member.email for member in workspace.members.values()}
    email = next((e for n in NEWCOMERS if (e := f"{n}@northwind.example") not in taken), "one.more@northwind.example")
    document = min(workspace.documents.values(), key=lambda each: len(each.shared_with))
    outsider = OUTSIDERS[len(document.shared_with) % len(OUTSIDERS)]
    buttons = [
        button("break-in", "Break in", "warning", look="danger"),
        button("members/invite", "Invite a member", "invite", email=email, role="member"),
        *(
            button(f"members/{m.id}/role", "Change a role", "role", role="manager" if m.role == "member" else "member")
            for m in members[:1]
        ),
        *(button(f"members/{member.id}/remove", "Remove a member", "remove") for member in invited[-1:]),
        button(f"documents/{document.id}/share", "Share outside", "share", email=outsider),
        button("customers/export", "Export customers", "export"),
        button("api-keys/create", "Create a key", "key", name="reporting"),
        *(button(f"api-keys/{key}/revoke", "Revoke a key", "key") for key in list(workspace.keys)[-1:]),
        button("settings/mfa", "Require no MFA" if workspace.is_mfa_required else "Require MFA", "shield"),
    ]
    hint = html("said", kind="hint", icon=icon("bolt"), said="Do something, and see it arrive in the log above.")
    return answer(who, html("try", said=toast(who) or hint, buttons=buttons), title="Try it", kind="try")


# --- the rest of the product


@show("/")
def home() -> Redirect:
    return Redirect(HOME)


@show("/")
def customers(who: Visitor) -> Response[str]:
    rows = [html("customer", customer=each, kind=each.stage.lower()) for each in who.workspace.customers]
    export = button("customers/export", "Export", "export")
    return page(who, "Customers", "Whom Northwind sells to.", table(("Customer", "Stage", "Owner"), rows), tools=export)


@show("/members")
def members(who: Visitor) -> Response[str]:
    people = who.workspace.members.values()
    me = who.session.person
    rows = [member_row(each, may_edit=me.is_admin and each is not me and each.role != "owner") for each in people]
    invite = html("invite") if me.is_admin else NOTHING
    return page(who, "Members", f"{len(people)} people.", table(("Name", "Role", ""), rows), tools=invite)


def member_row(member: Member, *, may_edit: bool) -> Html:
    role, remove = tag(member.role.title()), NOTHING
    if may_edit:
        roles = ("admin", "manager", "member")
        options = [html("role-option", role=r, selected=html("selected") if r == member.role else "") for r in roles]
        role = html("role", member=member, options=options)
        remove = button(f"members/{member.id}/remove", "Remove", look="quiet danger")
    invited = tag("Invited", "lead") if member.is_invited else NOTHING
    return html("member", member=member, face=face(member), invited=invited, role=role, remove=remove)


@show("/documents")
def documents(who: Visitor) -> Response[str]:
    rows = [document_row(each) for each in who.workspace.documents.values()]
    columns = ("Document", "Owner", "Shared with", "")
    return page(who, "Documents", "Contracts, price lists and plans.", table(columns, rows))


def document_row(document: Document) -> Html:
    shared = [tag(email, "lead") for email in document.shared_with] or "Nobody outside"
    return html("document-row", document=document, icon=icon("document"), shared=shared)


@show("/api-keys")
def api_keys(who: Visitor) -> Response[str]:
    may_edit = who.session.person.is_admin
    rows = [key_row(key, may_edit=may_edit) for key in who.workspace.keys.values()]
    new = html("new-key") if may_edit else NOTHING
    columns = ("Key", "Scopes", "Made by", "")
    return page(who, "API keys", "What other programs sign in with.", table(columns, rows), tools=new)


def key_row(key: ApiKey, *, may_edit: bool) -> Html:
    revoke = button(f"api-keys/{key.id}/revoke", "Revoke", look="quiet danger") if may_edit else NOTHING
    return html("key", key=key, icon=icon("key"), scopes=" ".join(key.scopes), revoke=revoke)


@show("/settings")
def settings(who: Visitor) -> Response[str]:
    is_on = who.workspace.is_mfa_required
    toggle = button("settings/mfa", "Turn off" if is_on else "Turn on") if who.session.person.is_admin else NOTHING
    mfa = tag("On", "won") if is_on else tag("Off", "lost")
    content = html("settings", workspace=who.workspace, mfa=mfa, toggle=toggle)
    return page(who, "Settings", "For the whole workspace.", content)


@show("/sign-in")
def sign_in_page(product: Product) -> Response[str]:
    people = [html("door-person", member=member, face=face(member)) for member in product.workspace.members.values()]
    return answer(None, html("door", workspace=product.workspace, people=people), title="Sign in", kind="door")


@show("/avatars/{id_:str}")
def avatar(product: Product, id_: str) -> Response[str]:
    """A picture for everybody: in the lists, and in the log by `avatar-url`."""
    member = product.workspace.members.get(id_)
    initials = "".join(word[0] for word in member.name.split()[:2]) if member else "?"
    picture = html("avatar", hue=HUES[sum(id_.encode()) % len(HUES)], initials=initials)
    return Response(picture, media_type="image/svg+xml", headers={"cache-control": "max-age=3600"})


# --- what pages are made of


def page(
    who: Visitor, title: str, lead: str, content: Html, *, tools: str = NOTHING, head: str = NOTHING, kind: str = ""
) -> Response[str]:
    person, support = who.session.person, who.session.support
    people = [html("person-option", id=each.id, name=each.name) for each in who.workspace.members.values()]
    banner = html("support", icon=icon("shield"), support=support, person=person) if support else NOTHING
    links = [link(path, label, symbol, is_here=label == title) for path, label, symbol in LINKS]
    body = html(
        "frame", workspace=who.workspace, person=person, face=face(person), links=links, people=people, banner=banner,
        more=icon("more"), title=title, lead=lead, tools=tools, content=content,
        toast=NOTHING if kind == "log" else toast(who),  # there the frame has it
    )  # fmt: skip
    return answer(who, body, title=title, head=head, kind=kind)


def answer(who: Visitor | None, body: Html, *, title: str, head: str = NOTHING, kind: str) -> Response[str]:
    text = html("document", title=title, head=head, kind=kind, body=body)
    headers = {"cache-control": "no-store"}
    return Response(text, media_type=MediaType.HTML, cookies=who.cookies if who else (), headers=headers)


def toast(who: Visitor) -> str:
    """What became of the record of what was done last; said once."""
    said, who.session.toast = who.session.toast, None
    if said is None:
        return NOTHING
    kind, symbol = ("toast good", "check") if said.is_good else ("toast bad", "warning")
    return html("said", kind=kind, icon=icon(symbol), said=said.text)


def button(action: str, label: str, symbol: str = "", *, look: str = "", **fields: str) -> Html:
    """A form that is a button: it works without a script."""
    hidden = [html("hidden", name=name, value=value) for name, value in fields.items()]
    picture = icon(symbol) if symbol else NOTHING
    return html("button", action=action, label=label, icon=picture, look=look, hidden=hidden)


def table(columns: Sequence[str], rows: Sequence[Html]) -> Html:
    return html("table", head=[html("column", name=name) for name in columns], rows=rows)


def link(path: str, label: str, symbol: str, *, is_here: bool) -> Html:
    return html("link", path=path, label=label, icon=icon(symbol), here=html("here") if is_here else NOTHING)


def tag(text: str, kind: str = "") -> Html:
    return html("tag", text=text, kind=kind)


def face(member: Member) -> Html:
    return html("face", id=member.id)


def icon(name: str) -> Html:
    return html("icon", name=name)


PAGES: tuple[HTTPRouteHandler, ...] = (customers, members, documents, api_keys, settings, audit_log, try_it)
