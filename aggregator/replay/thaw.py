"""From plain JSON values back to the frozen values of the other layers, by their annotations."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any


def thaw(kind: Any, value: Any) -> Any:
    """A value of an annotated type; raises ValueError where the plain value is of another shape."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, UnionType}:
        return _one_of(parts, value)
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return tuple(thaw(parts[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {thaw(parts[0], key): thaw(parts[1], item) for key, item in value.items()}
    if origin is frozenset:
        return frozenset(thaw(parts[0], item) for item in value)
    if (base := getattr(kind, "__supertype__", None)) is not None:
        return thaw(base, value)
    return _plain(kind, value)


def _plain(kind: Any, value: Any) -> Any:
    """A value of a class."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is Decimal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return kind(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__}, was {type(value).__name__}")
    return value


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    """The alternative that the value fits: None, or the dataclass with exactly its fields."""
    if value is None and NoneType in kinds:
        return None
    rest = [kind for kind in kinds if kind is not NoneType]
    if len(rest) == 1:
        return thaw(rest[0], value)
    for kind in rest:
        known = isinstance(kind, type) and is_dataclass(kind)
        if known and isinstance(value, dict) and set(_hints(kind)) == set(value):
            return thaw(kind, value)
    raise ValueError(f"no alternative has the fields {sorted(value) if isinstance(value, dict) else value!r}")


def _dataclass(kind: Any, value: Any) -> Any:
    """One with every field; a field that older versions did not have takes its default."""
    hints = _hints(kind)
    if not isinstance(value, dict) or not set(value) <= set(hints):
        raise ValueError(f"{kind.__name__}: fields of another version")
    missing = [name for name in hints if name not in value and name not in _optional(kind)]
    if missing:
        raise ValueError(f"{kind.__name__}: no field {missing[0]}")
    return kind(**{name: thaw(hints[name], item) for name, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    found = typing.get_type_hints(kind)
    return {item.name: found[item.name] for item in fields(kind)}


@cache
def _optional(kind: Any) -> frozenset[str]:
    return frozenset(
        item.name for item in fields(kind) if item.default is not MISSING or item.default_factory is not MISSING
    )
