"""Quayside's data: one customer's workspace, in memory, as Northwind left it after the demo's history."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Literal, NamedTuple

from indelible.cli.northwind import PEOPLE, SOFIA, THINGS
from indelible.event import Actor, Target

__all__ = ["ADMINS", "ApiKey", "Customer", "Document", "Member", "Role", "Workspace", "northwind"]

Role = Literal["owner", "admin", "manager", "member"]
ADMINS = frozenset({"owner", "admin"})


@dataclass
class Member:
    id: str
    name: str
    email: str
    role: Role
    is_invited: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role in ADMINS

    @property
    def actor(self) -> Actor:
        return Actor("user", self.id, self.name, self.email)

    @property
    def target(self) -> Target:
        return Target("user", self.id, self.name)


@dataclass
class Document:
    id: str
    name: str
    owner: str
    shared_with: list[str] = field(default_factory=list)

    @property
    def target(self) -> Target:
        return Target("document", self.id, self.name)


@dataclass
class ApiKey:
    id: str
    name: str
    scopes: tuple[str, ...]
    made_by: str

    @property
    def target(self) -> Target:
        return Target("api_key", self.id, self.name)


class Customer(NamedTuple):
    name: str
    stage: str
    owner: str


@dataclass
class Workspace:
    tenant: str
    name: str
    members: dict[str, Member]
    documents: dict[str, Document]
    customers: tuple[Customer, ...]
    keys: dict[str, ApiKey] = field(default_factory=dict)
    is_mfa_required: bool = True
    _ids: count[int] = field(default_factory=lambda: count(20))

    def invite(self, email: str, role: Role) -> Member:
        name = email.partition("@")[0].replace(".", " ").title()
        member = Member(f"usr_{next(self._ids)}", name, email, role, is_invited=True)
        self.members[member.id] = member
        return member

    def create_key(self, name: str, scopes: tuple[str, ...], made_by: str) -> ApiKey:
        key = ApiKey(f"key_{next(self._ids)}", name, scopes, made_by)
        self.keys[key.id] = key
        return key


def northwind() -> Workspace:
    """The people and things of the demo's history. Yours are in your database."""
    staff = [person for person in PEOPLE if not person.left]
    members = {person.id: _member(person.id, person.name, person.role) for person in staff}
    members[SOFIA.id].role = "manager"
    owners = [person.name for person in staff]
    documents = {
        f"doc_{100 + n}": Document(f"doc_{100 + n}", name, owners[n]) for n, name in enumerate(THINGS["document"])
    }
    stages = ("Offer", "Won", "Qualified", "Lead", "Won")
    customers = tuple(Customer(name, stages[n], owners[3 + n]) for n, name in enumerate(THINGS["deal"]))
    made = Workspace("northwind", "Northwind", members, documents, customers)
    made.keys["key_3"] = ApiKey("key_3", "website-sync", ("documents:read",), owners[1])
    return made


def _member(id_: str, name: str, role: str) -> Member:
    email = f"{name.lower().replace(' ', '.')}@northwind.example"
    match role:
        case "owner" | "admin" | "manager" | "member":
            return Member(id_, name, email, role)
        case _:
            raise ValueError(role)
