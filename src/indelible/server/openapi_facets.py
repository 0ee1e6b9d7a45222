"""The description of `/api/audit-log/facets`, `/actors`, `/targets` and `/actions`."""

from typing import Any

from indelible.server.directories import ACTIONS, ACTORS, TARGETS, ActionDirectory, ActorDirectory, TargetDirectory
from indelible.server.facets import FACETS, FacetsAnswer
from indelible.server.openapi_parts import LANGUAGE, in_language, json_answer, parameters, problems, ref
from indelible.store.directory import MOST

__all__ = ["MODELS", "paths"]

MODELS: list[Any] = [FacetsAnswer, ActorDirectory, TargetDirectory, ActionDirectory]

_NEWEST = "Looked for in the events that fit, from the newest on. Recorded as a look at the list of events."


def paths() -> dict[str, Any]:
    return {
        "/api/audit-log/facets": {"get": _facets()},
        "/api/audit-log/actors": {"get": _actors()},
        "/api/audit-log/targets": {"get": _targets()},
        "/api/audit-log/actions": {"get": _actions()},
    }


def _facets() -> dict[str, Any]:
    return {
        "operationId": "facets",
        "summary": "How many events there are of each action, actor and so on, and when",
        "description": "Of the events that the timeline lists for the same filter; the newest are counted. Recorded as "
        "that list is.",
        "parameters": parameters(FACETS),
        "responses": {"200": json_answer("The counts", ref("FacetsAnswer")), **problems(422)},
    }


def _actors() -> dict[str, Any]:
    return {
        "operationId": "actors",
        "summary": "Who does things, to choose from",
        "description": _NEWEST,
        "parameters": parameters(ACTORS),
        "responses": {"200": json_answer("Actors", ref("ActorDirectory")), **problems(422)},
    }


def _targets() -> dict[str, Any]:
    return {
        "operationId": "targets",
        "summary": "What things are done to, to choose from",
        "description": _NEWEST,
        "parameters": parameters(TARGETS),
        "responses": {"200": json_answer("Targets", ref("TargetDirectory")), **problems(422)},
    }


def _actions() -> dict[str, Any]:
    return {
        "operationId": "actions",
        "summary": "What is done, to choose from",
        "description": "All actions that there are events of; for members, and for viewer tokens with a filter, those "
        f"of the newest {MOST:,} events that they see. Recorded as a look at the list of events.",
        "parameters": [*parameters(ACTIONS), LANGUAGE],
        "responses": {"200": in_language(json_answer("Actions", ref("ActionDirectory"))), **problems(422)},
    }
