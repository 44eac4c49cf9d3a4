"""Parameters of the price layer: a versioned TOML file, read into frozen values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

DEFAULT = "params_v1"

T = TypeVar("T", "PriceClass", "SourceParams", "GateParams")


class ParamsError(ValueError):
    """A parameter is missing, unknown or out of range; names the file's field and what is wanted."""


@dataclass(frozen=True, slots=True)
class PriceClass:
    """How prices of one kind are judged; ratios in basis points."""

    quorum: int
    band_bps: int
    floor_bps: int
    max_width_bps: int
    drift_bps_per_sqrt_day: int
    max_age_s: int
    rise_cap_bps: int = 0
    """Largest rise in five minutes that counts as collateral; 0: no cap."""
    peg_bps: int = 0
    """Distance from one dollar from which the price is said to be off its peg; 0: no peg."""


@dataclass(frozen=True, slots=True)
class GateParams:
    """What the memory of earlier rounds decides; see the parameter file for each."""

    readmit_pct: int = 50
    mad_sigmas: int = 3
    mad_max_bands: int = 3
    untimed_weight_pct: int = 50
    max_silence_s: int = 60
    strikes: int = 4
    strike_window_s: int = 1800
    quarantine_s: int = 1800
    repeat_s: int = 3600
    leap_factor: int = 8
    leap_window_s: int = 3600
    confirm_s: int = 60


@dataclass(frozen=True, slots=True)
class RateCap:
    """Ceiling of a staked token's rate: a snapshot that may grow at a yearly rate (as Aave's CAPO)."""

    base: str
    """Price key that the rate is in."""
    snapshot_ratio: Decimal
    snapshot_at: int
    growth_bps_per_year: int

    def ratio(self, now_s: float) -> Decimal:
        """Highest rate that counts now: linear growth since the snapshot, as the contract computes it."""
        years = Decimal(max(0, int(now_s) - self.snapshot_at)) / (365 * 86_400)
        return self.snapshot_ratio * (1 + Decimal(self.growth_bps_per_year) / 10_000 * years)


@dataclass(frozen=True, slots=True)
class SourceParams:
    """Bounds that the sources themselves apply."""

    chainlink_grace_s: int = 120
    pyth_max_age_s: int = 900
    pyth_max_conf_bps: int = 500
    pyth_min_expo: int = -20
    pyth_max_expo: int = 12
    twap_max_age_s: int = 120
    twap_drift_bps_per_sqrt_day: int = 400
    twap_floor_bps: int = 10
    twap_max_width_bps: int = 150
    twap_min_cardinality: int = 2
    bound_margin_bps: int = 1000
    exchange_max_age_s: int = 60
    rate_max_age_s: int = 120


@dataclass(frozen=True, slots=True)
class PriceParams:
    """One version of all parameters."""

    version: str
    max_ahead_s: int
    agreement: Fraction
    classes: Mapping[str, PriceClass]
    class_of_key: Mapping[str, str]
    default_class: str
    sources: SourceParams
    gate: GateParams = GateParams()
    caps: Mapping[str, RateCap] = field(default_factory=dict)
    """Ceilings of staked tokens by price key."""

    def class_of(self, price_key: str) -> PriceClass:
        """Class of a price key; keys without one are of the default class."""
        return self.classes[self.class_of_key.get(price_key, self.default_class)]


def load_params(name: str = DEFAULT) -> PriceParams:
    """Parameters that ship under a name (``params_v1``) or stand in a TOML file; raises ParamsError."""
    source = Path(name) if name.endswith(".toml") else files("oracles") / f"{name}.toml"
    try:
        return parse_params(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"prices.parameters: no parameters {name!r}; {DEFAULT!r} or a path to .toml") from None


def parse_params(text: str) -> PriceParams:
    """Parameters from TOML text; raises ParamsError naming the field."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParamsError(f"price parameters are not TOML: {error}") from None
    tables = _table(content, "classes")
    class_of_key: dict[str, str] = {}
    classes = {}
    for name, table in tables.items():
        table = dict(_table(tables, name, "classes."))
        for key in table.pop("price_keys", []):
            if class_of_key.setdefault(key, name) != name:
                raise ParamsError(f"classes.{name}.price_keys: {key} is already in classes.{class_of_key[key]}")
        classes[name] = _fill(PriceClass, table, f"classes.{name}")
        _check_class(name, classes[name])
    default = str(content.get("default_class"))
    if default not in classes:
        raise ParamsError(f"default_class: expected one of {sorted(classes)}, was {default!r}")
    return PriceParams(
        version=str(content.get("version") or "unnamed"),
        max_ahead_s=_whole(content.get("max_ahead_s"), "max_ahead_s"),
        agreement=_agreement(content.get("agreement")),
        classes=classes,
        class_of_key=class_of_key,
        default_class=default,
        sources=_fill(SourceParams, _table(content, "sources"), "sources"),
        gate=_gate(_fill(GateParams, _table(content, "gate"), "gate")),
        caps={name: _cap(table, f"caps.{name}") for name, table in content.get("caps", {}).items()},
    )


def _gate(values: GateParams) -> GateParams:
    """The gate's parameters; raises ParamsError for one that would switch a rule off."""
    for name, low, high in (
        ("readmit_pct", 1, 100), ("untimed_weight_pct", 50, 100), ("leap_factor", 2, 1000), ("strikes", 1, 100),
        ("mad_max_bands", 1, 10),
    ):  # fmt: skip
        if not low <= getattr(values, name) <= high:
            raise ParamsError(f"gate.{name}: expected {low} to {high}, was {getattr(values, name)}")
    return values


def _cap(table: Mapping[str, Any], where: str) -> RateCap:
    wanted = {item.name for item in fields(RateCap)}
    for name in wanted ^ set(table):
        raise ParamsError(
            f"{where}.{name}: {'is missing' if name in wanted else f'is not known; {sorted(wanted)}'}"
        )
    try:
        ratio = Decimal(str(table["snapshot_ratio"]))
    except InvalidOperation:
        ratio = Decimal(0)
    if not (ratio.is_finite() and ratio > 0):
        raise ParamsError(f"{where}.snapshot_ratio: expected a positive number, was {table['snapshot_ratio']!r}")
    return RateCap(
        base=str(table["base"]),
        snapshot_ratio=ratio,
        snapshot_at=_whole(table["snapshot_at"], f"{where}.snapshot_at"),
        growth_bps_per_year=_whole(table["growth_bps_per_year"], f"{where}.growth_bps_per_year"),
    )


def _table(content: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    table = content.get(name)
    if not isinstance(table, dict):
        raise ParamsError(f"{prefix}{name}: expected a table")
    return table


def _fill(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    wanted = {item.name for item in fields(kind)}
    for name in wanted ^ set(table):
        problem = "is missing" if name in wanted else f"is not known; known: {sorted(wanted)}"
        raise ParamsError(f"{where}.{name}: {problem}")
    signed = {"pyth_min_expo", "pyth_max_expo"}
    values = {name: _whole(table[name], f"{where}.{name}", signed=name in signed) for name in wanted}
    return kind(**values)


def _whole(value: object, where: str, *, signed: bool = False) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or (value < 0 and not signed):
        raise ParamsError(f"{where}: expected a whole number{'' if signed else ' of at least 0'}, was {value!r}")
    return value


def _check_class(name: str, values: PriceClass) -> None:
    if values.quorum < 2:
        raise ParamsError(f"classes.{name}.quorum: expected at least 2 independent groups, was {values.quorum}")
    if not 0 < values.band_bps < 10_000:
        raise ParamsError(f"classes.{name}.band_bps: expected 1 to 9999, was {values.band_bps}")
    if not values.floor_bps < values.max_width_bps < 10_000:
        wanted = f"above floor_bps {values.floor_bps} and below 10000"
        raise ParamsError(f"classes.{name}.max_width_bps: expected {wanted}, was {values.max_width_bps}")


def _agreement(value: object) -> Fraction:
    try:
        share = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not Fraction(1, 2) < share <= 1:
        raise ParamsError(f'agreement: expected a share such as "2/3", above 1/2 and at most 1, was {value!r}')
    return share
