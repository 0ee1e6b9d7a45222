"""In which language what happened is told: the one of `Accept-Language` (RFC 9110 section 12.5.4), else English."""

import re
from typing import Any, Final

from litestar import Request

from indelible.catalog import Catalog
from indelible.catalog.language import TAGS
from indelible.server.parameters import Parameter
from indelible.server.service import admitted

__all__ = ["ACCEPT_LANGUAGE", "catalog_for", "language_headers", "preferred"]

ACCEPT_LANGUAGE: Final = Parameter(
    "Accept-Language",
    f"In which language sentences and titles are wanted (RFC 9110): {', '.join(('en', *TAGS))}. What has no "
    "other words is said in English.",
    {"type": "string"},
    example="de-CH, de;q=0.9, en;q=0.5",
)

_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.ASCII
)
_MOST: Final = 1024
"""Characters that are read."""


def catalog_for(request: Request[Any, Any, Any]) -> Catalog:
    """The catalog in the language that whoever asks would rather have."""
    service, _ = admitted(request)
    given = request.headers.getall(ACCEPT_LANGUAGE.name, [])
    return preferred(service.catalog, ",".join(given)) if given else service.catalog


def preferred(catalog: Catalog, accepted: str) -> Catalog:
    """`catalog`, or it in another language. What cannot be read in `accepted` says nothing.

    Of ranges only the language counts, so that `de-CH` finds German. English is what there is for those who take
    nothing of ours: an answer in it is better than none.
    """
    offered = {each.language.tag: each for each in (catalog, *catalog.others)}
    weights: dict[str, float] = {}
    for part in accepted[:_MOST].split(","):
        if found := _RANGE.fullmatch(part):
            language, weight = found[1].lower(), float(found[2] or 1)
            weights[language] = max(weight, weights.get(language, 0.0))
    # Among equals the first that was named, which is before any that a star stands for.
    ranked = [*(tag for tag in weights if tag in offered), *(tag for tag in offered if tag not in weights)]
    best = max(ranked, key=lambda tag: weights.get(tag, weights.get("*", 0.0)))
    return offered[best] if weights.get(best, weights.get("*", 0.0)) > 0 else catalog


def language_headers(catalog: Catalog) -> dict[str, str]:
    """What an answer with sentences or titles says of them, also to caches."""
    return {"content-language": catalog.language.tag, "vary": "Accept-Language"}
