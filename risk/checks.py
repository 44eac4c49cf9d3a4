"""Guards for the public edge of this package; the kernels behind them assume what is checked here."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from risk.errors import RiskInputError

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]

Array = TypeVar("Array", F64, I32, Bool)

INF = float("inf")


def as_floats(name: str, values: object, shape: tuple[int, ...]) -> F64:
    """Read-only float64 copy of ``values``; refuses another shape and what is no number."""
    try:
        given: Any = np.asarray(values)
        if given.dtype.kind not in "fiuO":
            raise RiskInputError(f"{name}: holds {given.dtype}, must hold numbers")
        array: F64 = np.array(given, dtype=np.float64)
    except RiskInputError:
        raise
    except (TypeError, ValueError) as error:
        raise RiskInputError(f"{name}: must hold numbers ({error})") from None
    return frozen(name, array, shape)


def as_indices(name: str, values: object, shape: tuple[int, ...], low: int, high: int) -> I32:
    """Read-only int32 copy of ``values``, each in [low, high]; refuses floats (no silent truncation)."""
    array: Any = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise RiskInputError(f"{name}: holds {array.dtype}, must hold integers")
    require(name, array, (array < low) | (array > high), f"an index from {low} to {high}")
    indices: I32 = array.astype(np.int32)
    return frozen(name, indices, shape)


def as_flags(name: str, values: object, shape: tuple[int, ...]) -> Bool:
    """Read-only bool copy of ``values``; refuses numbers."""
    array: Any = np.asarray(values)
    if array.size and array.dtype.kind != "b":
        raise RiskInputError(f"{name}: holds {array.dtype}, must hold booleans")
    flags: Bool = array.astype(np.bool_)
    return frozen(name, flags, shape)


def frozen(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """Refuse another shape; forbid writing (a frozen dataclass does not freeze its arrays)."""
    if array.shape != shape:
        raise RiskInputError(f"{name}: has shape {array.shape}, must have {shape}")
    array.setflags(write=False)
    return array


def require(name: str, values: npt.NDArray[Any], bad: Bool, bound: str) -> None:
    """Raise ``RiskInputError`` for the first place where ``bad`` is true."""
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = ", ".join(map(str, place))
        raise RiskInputError(f"{name}[{where}] = {values[place]}: must be {bound}")


def between(
    name: str, values: F64, low: float = -INF, high: float = INF, *, where: Bool | None = None, above: bool = False
) -> None:
    """Each value finite and in [low, high], or in (low, high] with ``above``; only ``where`` if given."""
    under = values <= low if above else values < low
    bad = ~np.isfinite(values) | under | (values > high)
    if where is not None:
        bad = bad & where
    start = "(" if above or low == -INF else "["
    require(name, values, bad, f"finite and in {start}{low:g}, {high:g}{')' if high == INF else ']'}")


def number(name: str, value: object, low: float, high: float) -> None:
    """Raise ``RiskInputError`` unless ``value`` is a finite number in [low, high]."""
    usable = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
    if not usable or not low <= value <= high:  # type: ignore[operator]
        raise RiskInputError(f"{name}: {value!r} must be a finite number in [{low:g}, {high:g}]")


def distinct(name: str, names: Sequence[str]) -> None:
    """Refuse empty and repeated names."""
    seen: set[str] = set()
    for index, item in enumerate(names):
        if not item or item in seen:
            raise RiskInputError(f"{name}[{index}] = {item!r}: must be a name that is not used twice")
        seen.add(item)
