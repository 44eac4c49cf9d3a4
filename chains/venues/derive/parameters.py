"""Parameters of PM2: from its library's getters to the names of ``risk/data/pm2_v1.toml``.

The order of the words is that of the structs in derivexyz/v2-core, IPMRMLib_2 and IPMRM_2.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from chains.caip import Address
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode
from chains.venues.derive.decode import whole

DAY_S: Final = 86_400
SHOCKS: Final = ("none", "up", "down", "linear", "abs")
"""VolShockDirection by its number."""


def _getter(name: str, *types: str) -> Function:
    return Function(f"{name}()", f"(({','.join(types)}))")


GETTERS: Final[Mapping[str, Function]] = {
    "margin": _getter("getMarginParams", *["uint256"] * 8),
    "vol": _getter("getVolShockParams", "uint256", "uint256", "int256", "int256", "uint256", "uint256"),
    "skew": _getter("getSkewShockParams", "uint256", "uint256", *["int256"] * 6),
    "basis": _getter("getBasisContingencyParams", *["uint256"] * 4),
    "other": _getter("getOtherContingencyParams", *["uint256"] * 8),
}
"""Functions of the library; each answers one struct."""

_MARGIN: Final = (
    "im_factor", "mm_factor", "short_rate_mult", "long_rate_mult", "short_rate_add", "long_rate_add",
    "negative_base", "positive_base",
)  # fmt: skip
_VOL: Final = ("up", "down", "short_power", "long_power", "floor_days", "least_up")
_SKEW: Final = (
    "linear_scale_cap", "abs_scale_cap", "linear_c_base", "abs_c_base", "least_k_star", "width_scale",
    "vol_static", "vol_scale",
)  # fmt: skip
_BASIS: Final = ("basis_up", "basis_down", "basis_add", "basis_mult")
_OTHER: Final = (
    "peg_threshold", "peg_factor", "confidence_threshold", "confidence_factor", "mm_perp", "im_perp", "mm_option",
    "im_option",
)  # fmt: skip


def parameters(scenarios: Sequence[tuple[int, int, int]], lib: Address, known: Batch) -> dict[str, object]:
    """The parameter set; raises BadAnswer where a getter did not answer, UnknownMode for a new kind of shock."""
    margin = _words(_MARGIN, known.value((lib, "margin")))
    vol = _words(_VOL, known.value((lib, "vol")))
    vol["floor_days"] = Decimal(known.value((lib, "vol"))[4]) / DAY_S
    other = _words(_BASIS, known.value((lib, "basis"))) | _words(_OTHER, known.value((lib, "other")))
    return {
        "id": "pm2",
        "version": lib,
        "form": "pm2",
        "provenance": "read from the manager and its library",
        "mm_factor": margin.pop("mm_factor"),
        "im_factor": margin.pop("im_factor"),
        "vol": vol,
        "skew": _words(_SKEW, known.value((lib, "skew"))),
        "discounts": margin,
        "contingencies": other | {"base": Decimal(0)},
        "rows": tuple(row(*scenario) for scenario in scenarios),
    }


def row(spot: int, shock: int, damping: int) -> dict[str, object]:
    """One scenario; raises UnknownMode for a new kind of shock."""
    if shock >= len(SHOCKS):
        raise UnknownMode(f"scenario with volatility shock {shock}: {len(SHOCKS)} kinds are known")
    return {"spot": whole(spot), "vol": SHOCKS[shock], "damping": whole(damping)}


def _words(names: Sequence[str], values: Sequence[int]) -> dict[str, Decimal]:
    return {name: whole(value) for name, value in zip(names, values, strict=True)}
