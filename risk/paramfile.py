"""Parameter sets as data: a frozen dataclass per shape, a TOML file per set, one hash over the values.

A new parameter set is a file in ``risk/data``, never a class. Every field that is a number carries its bounds;
a file with a missing, unknown or unbounded value does not load.
"""

import hashlib
import json
import tomllib
from dataclasses import asdict, fields, is_dataclass
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from risk.errors import ParameterError

T = TypeVar("T")


class Within(NamedTuple):
    """Bounds of a field, as ``Annotated[float, Within(low, high)]``; of every number in a tuple."""

    low: float
    high: float


def check_fields(params: Any) -> None:
    """Raise ``ParameterError`` unless bounded fields hold numbers inside their bounds and texts are not empty."""
    for name, hint in get_type_hints(type(params), include_extras=True).items():
        value = getattr(params, name)
        if hint is str and (not isinstance(value, str) or not value.strip()):
            raise ParameterError(f"{name}: {value!r} must be a text that is not empty")
        for bounds in getattr(hint, "__metadata__", ()):
            for number in value if isinstance(value, tuple) else (value,):
                _bounded(name, number, bounds)


def load(shape: type[T], name: str) -> T:
    """The set in ``risk/data/<name>.toml``; raises ``ParameterError`` naming the file and the key."""
    path = files("risk").joinpath("data", f"{name}.toml")
    if not name.replace("_", "").isalnum() or not path.is_file():
        raise ParameterError(f"parameters {name!r}: no such file in risk/data")
    try:
        return parse(shape, path.read_text(encoding="utf-8"))
    except ParameterError as error:
        raise ParameterError(f"parameters {name!r}: {error}") from None


def parse(shape: type[T], text: str) -> T:
    """A set from the text of its file; see ``load``."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"not valid TOML ({error})") from None
    return build(shape, content)


def build(shape: type[T], content: dict[str, Any], where: str = "") -> T:
    """A set from nested mappings and lists; keys must be exactly the fields of ``shape``."""
    hints = get_type_hints(shape)
    wrong = sorted({item.name for item in fields(shape)}.symmetric_difference(content))  # type: ignore[arg-type]
    if wrong:
        raise ParameterError(f"{where}keys missing or unknown: {', '.join(wrong)}")
    return shape(**{key: _convert(hints[key], value, f"{where}{key}.") for key, value in content.items()})


def params_hash(params: Any) -> str:
    """sha256 over the values, keys sorted, shortest decimals: layout and comments do not change it."""
    text = json.dumps(asdict(params), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _convert(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, dict):
            raise ParameterError(f"{where[:-1]}: {value!r} must be a table")
        return build(hint, value, where)
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ParameterError(f"{where[:-1]}: {value!r} must be a list")
        kinds = get_args(hint)
        inner = [kinds[0]] * len(value) if kinds[-1] is ... else list(kinds)
        if len(inner) != len(value):
            raise ParameterError(f"{where[:-1]}: has {len(value)} entries, must have {len(inner)}")
        return tuple(_convert(kind, item, where) for kind, item in zip(inner, value, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise ParameterError(f"{where[:-1]}: {value!r} must be {hint.__name__}")
    return value


def _bounded(name: str, value: object, bounds: Within) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not bounds.low <= value <= bounds.high:  # type: ignore[operator]
        raise ParameterError(f"{name}: {value!r} must be a number from {bounds.low:g} to {bounds.high:g}")
