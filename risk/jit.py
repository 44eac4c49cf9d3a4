"""Where numba is met: a typed decorator, machine code kept on disk.

Importing this module imports numba (about half a second); callers therefore import the kernels lazily and keep
their numpy twin for small work. Where no folder can be written, code is compiled anew in every process.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

REORDER = {"contract", "reassoc", "nsz", "nnan", "ninf", "arcp"}
"""Kernels see finite numbers only (checked before), so sums may be reordered and fused."""


def kernel(function: Function) -> Function:
    """Compile on first use, without the interpreter lock."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": REORDER, "boundscheck": False}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache: a read-only installation without a home
        compiled = numba.njit(**options)(function)
    typed: Function = compiled
    return typed


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2^n for a whole float n in [-1022, 1023], by its bits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = builder.fptosi(arguments[0], ir.IntType(64))
        biased = builder.add(whole, ir.Constant(ir.IntType(64), 1023))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(64), 52)), ir.DoubleType())

    return numba.float64(numba.float64), emit
