"""Every public function of the risk layer that takes bare numbers: what is no number is refused, never carried on.

One usable call of each stands in ``CALLS``; every number in it is replaced in turn by nan, inf and -inf, single
elements of arrays too. Allowed are an error of the risk layer, or an answer without a nan. What takes only values
that check themselves (portfolios, scenario sets, knots, parameter files) stands in ``CHECKED``: their constructors
are in ``CALLS``.
"""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import pytest
from scipy.sparse import issparse

import risk
from tests.kit.risk_calls import CALLS, CHECKED, MISSING, POISONS, Call


def named(one: Call) -> str:
    function = one[0]
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"


def poisoned(value: Any, bad: float) -> Iterator[Any]:
    """The value with one number replaced, once for each place that may hold one (an array: a middle element)."""
    if isinstance(value, float):
        yield bad
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        other = value.copy()
        finite = np.flatnonzero(np.isfinite(other.ravel()))
        if len(finite):
            other.ravel()[finite[len(finite) // 2]] = bad
            yield other
    elif issparse(value) and value.nnz:
        other = value.copy()
        other.data[len(other.data) // 2] = bad
        yield other
    elif isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        for place, item in enumerate(value):
            for put in poisoned(item, bad):
                yield type(value)([*value[:place], put, *value[place + 1 :]])
    elif isinstance(value, dict):
        for key, item in value.items():
            for put in poisoned(item, bad):
                yield {**value, key: put}


def variants(one: Call, bad: float) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    _, arguments, given = one
    for place, value in enumerate(arguments):
        for put in poisoned(value, bad):
            yield f"argument {place}", (*arguments[:place], put, *arguments[place + 1 :]), dict(given)
    for name, value in given.items():
        for put in poisoned(value, bad):
            yield name, arguments, {**given, name: put}


def nans(value: Any) -> int:
    """How many numbers of an answer are none."""
    if isinstance(value, (float, np.floating)):
        return int(math.isnan(value))
    if isinstance(value, np.ndarray):
        return int(np.isnan(value).sum()) if value.dtype.kind == "f" else 0
    if issparse(value):
        return nans(value.data)
    if isinstance(value, Mapping):
        return sum(map(nans, value.values()))
    if isinstance(value, (str, Enum)):
        return 0
    if is_dataclass(value):
        return sum(nans(getattr(value, f.name)) for f in fields(value))
    return sum(map(nans, value)) if isinstance(value, Sequence) else 0


def public() -> Iterator[str]:
    """Every public function of the risk layer as ``module.name``."""
    for found in pkgutil.walk_packages(risk.__path__, "risk."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            plain = value.__wrapped__ if hasattr(value, "cache_info") else value  # its answers are kept
            if inspect.isfunction(plain) and plain.__module__ == found.name and not name.startswith("_"):
                yield f"{found.name.removeprefix('risk.')}.{name}"


def test_every_public_function_is_called_or_takes_checked_values_only() -> None:
    called = {named(one).removeprefix("tests.kit.risk_calls.").removeprefix("risk.") for one in CALLS}
    called = {name.partition(" ")[0] for name in called}
    left = {name for name in public() if name not in called and not name.startswith("checks.")}
    assert left == CHECKED


@pytest.mark.parametrize("one", CALLS, ids=named)
def test_the_call_is_usable(one: Call) -> None:
    function, arguments, given = one
    function(*arguments, **given)


@pytest.mark.parametrize("bad", POISONS)
@pytest.mark.parametrize("one", CALLS, ids=named)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_number_is_refused_or_leaves_no_nan(one: Call, bad: float) -> None:
    function, arguments, given = one
    usual = nans(function(*arguments, **given))
    for where, values, options in variants(one, bad):
        try:
            found = function(*values, **options)
        except ValueError:
            continue
        if not any(word in named(one) for word in MISSING):
            assert nans(found) <= usual, (where, bad)
            assert not math.isnan(bad), (where, "was not refused")
