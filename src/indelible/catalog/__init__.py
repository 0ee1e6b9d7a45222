"""The catalog: what each action is called, how it reads as a sentence, and which fields it has."""

from indelible.catalog.registry import Catalog
from indelible.catalog.spec import ActionSpec, CatalogError, Category, FieldSpec, Operation, Severity

__all__ = ["ActionSpec", "Catalog", "CatalogError", "Category", "FieldSpec", "Operation", "Severity"]
