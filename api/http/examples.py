"""Examples of the specification: made by the models that serialise, so they cannot drift."""

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aggregator.report import (
    AddOns,
    AsOf,
    BlockStamp,
    ChainCondition,
    DataQuality,
    Efficiency,
    Greeks,
    MarginReport,
    ModelRef,
    PortfolioRef,
    PositionLine,
    PriceBand,
    VenueLine,
    WorstScenario,
)
from risk.status import Status

ACCOUNT = "eip155:42161:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_D = Decimal


def _venue() -> VenueLine:
    return VenueLine(
        account=ACCOUNT, chain="eip155:42161", venue="aave-v3", sub_account="", status=Status.WATCH,
        reason="aave-v3 on Arbitrum holds less than its own floor", equity_usd=_D("24000.00"),
        mm_requirement_usd=_D("20000.00"), surplus_usd=_D("4000.00"), net_value_usd=_D("10000.00"),
        health=_D("1.2"), venue_liquidatable=False, own_checks=(), model_vs_venue_rel_error=_D(0),
        distance_to_liquidation={"ETH": _D("-16.67")}, ttl_s=_D(90_000), ttl_exceeds_s=None, ttf_s=_D(1_140),
        ttf_reachable=True, rescue_probability=_D("0.9931"), liquidity_coverage=_D("1.4"), rescue_gap_usd=_D(0),
        local_floor_usd=_D("1200.00"), start_bridging_health=_D("1.06"), movable_usd=_D("2800.00"),
        withdrawable_usd=_D("5000.00"), breach_probability={"1h": _D("0.0001"), "24h": _D("0.004")},
    )  # fmt: skip


def _position() -> PositionLine:
    return PositionLine(
        account=ACCOUNT, chain="eip155:42161", venue="aave-v3", sub_account="", kind="collateral",
        asset="eip155:42161/erc20:0x82aF49447D8a07e3bd95BD0d56f35241523fBab1", label="WETH collateral",
        risk_factor="ETH", size=_D("10"),
        price=PriceBand(low=_D("2998.5"), mid=_D("3000"), high=_D("3001.5"), status="OK"),
        venue_price_usd=_D("3000"), value_usd=_D("29985.00"), details={"liquidation_threshold": "0.80"},
    )  # fmt: skip


def example_report() -> MarginReport:
    """One loan of a small portfolio."""
    stamp = BlockStamp(number=251_000_000, hash="0x" + "5a" * 32, timestamp=1_767_322_000, finality="latest")
    return MarginReport(
        id="rep_00000000000000000000000000000001",
        portfolio=PortfolioRef(name="desk", accounts=(ACCOUNT,)),
        as_of=AsOf(
            time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), max_skew_s=0, blocks={"eip155:42161": stamp},
            chains={"eip155:42161": ChainCondition(status="ok", reason="")},
        ),
        data_quality=DataQuality(complete=True, staleness_s=4, degraded=()),
        model=ModelRef(id="pm2-grid+empirical", version="1", params_hash="9f" * 32),
        inputs_hash="11" * 32, code_version="0.1.0", status=Status.WATCH,
        status_reason="aave-v3 on Arbitrum holds less than its own floor",
        binding_account=f"{ACCOUNT}/aave-v3", net_value_usd=_D("10000.00"), equity_usd=_D("24000.00"),
        surplus_usd=_D("4000.00"), venue_maintenance_usd=_D("20000.00"), isolated_buffer_usd=_D("3100.00"),
        netted_buffer_usd=_D("3100.00"), unified_buffer_usd=_D("3100.00"), bridge_latency_addon_usd=_D(0),
        stress_floor_usd=_D("3300.00"),
        addons=AddOns(oracle_uncertainty_usd=_D("12.00"), in_flight_usd=_D(0), concentration_usd=_D("30.00")),
        mm_requirement_usd=_D("23342.00"), im_requirement_usd=_D("24177.50"), mm_excess_usd=_D("658.00"),
        margin_ratio=_D("1.0282"), capital_freed_usd=_D(0),
        efficiency=Efficiency(theoretical=_D(0), usable=_D(0), latency_loss=None),
        worst_scenario=WorstScenario(label="crypto -22 %, vol up", loss_usd=_D("3100.00")),
        greeks=Greeks(delta_usd={"ETH": _D("30000.00")}, gamma_usd={}, vega_usd={}, theta_usd_per_day={}),
        venues=(_venue(),), positions=(_position(),),
    )  # fmt: skip


REPORT = example_report().model_dump(mode="json")


def part(*names: str) -> dict[str, object]:
    """Some fields of the example."""
    return {name: REPORT[name] for name in names}


_ONE = example_report()
BY_TYPE: dict[Any, Any] = {
    MarginReport: _ONE, PortfolioRef: _ONE.portfolio, AsOf: _ONE.as_of, DataQuality: _ONE.data_quality,
    ModelRef: _ONE.model, Greeks: _ONE.greeks, WorstScenario: _ONE.worst_scenario, VenueLine: _ONE.venues[0],
    PositionLine: _ONE.positions[0],
    str: "text", int: 3, float: 0.5, bool: True, Decimal: _D("1200.00"), datetime: _ONE.as_of.time, time: time(22),
}  # fmt: skip
BY_NAME: dict[str, Any] = {
    "account": ACCOUNT, "accounts": ACCOUNT, "address": ACCOUNT.rpartition(":")[2], "asset": "ETH",
    "binding_account": f"{ACCOUNT}/aave-v3", "bridge": "across", "bridges": "across", "chain": "eip155:42161",
    "chains": "eip155:42161", "destination": "eip155:10", "source": "eip155:42161", "venue": "aave-v3",
    "domain": "margin.example.org", "uri": "https://margin.example.org", "portfolio": "desk", "price_key": "ETH",
    "params_hash": "9f" * 32, "inputs_hash": "11" * 32, "root": "0x" + "5a" * 32, "leaf": "0x" + "5a" * 32,
    "path": "0x" + "5a" * 32, "nonce": "0123456789abcdef0123456789abcdef", "secret": "cmk_…", "token": "cms_…",
    "fee_bps": _D(5), "capacity_usd": _D(1_000_000), "mark": "M", "median_s": 26.0, "p90_s": 38.0, "p95_s": 44.0,
    "p99_s": 7_700.0, "p99_stress_s": 23_600.0, "name": "desk", "action": "key.created", "watch": "status",
    "subject": "key_0123456789ab read", "label": "crypto -22 %, vol up", "group": "chainlink", "notes": "",
    "parameters": "prices_v1", "title": "desk: WATCH", "severity": "warning", "status": "ok", "receiver": "desk",
    "wrong": "no scan has finished yet", "clock": "host", "statement": "sta_0000", "watched": "status",
    "origin": "package", "figure": "status", "when": "", "fire": "WATCH", "clear": "SAFE", "firing": "",
    "missing": "", "missing_told_by": "data", "model": "pm2-grid+empirical", "model_version": "1", "version": "1",
    "code_version": "0.1.0", "signer": ACCOUNT, "sources": "chainlink", "finality": "latest", "staleness_s": "4",
    "degraded": "", "type": "string", "primaryType": "Statement", "sub_account": "", "reaction": "person",
    "im_factor": "1.25", "haircut_crypto": "0.2", "haircut_stable": "0.02", "what": "price of LINK",
    "change": "opened", "episode": "alt_00000000000000000000000000000001", "acknowledged_by": "key_0123456789ab",
    "no_route": "eip155:1 to eip155:10", "portfolios": "desk", "kind": "webhook", "target": "desk",
    "last_error": "", "disabled_reason": "", "detail": "", "message_id": "msg_00000000000000000000000000000001",
    "zone": "UTC", "start": time(22), "end": time(7),
    "id": "rep_00000000000000000000000000000001", "report_id": "rep_00000000000000000000000000000001",
    "reason": "", "status_reason": "within its requirement", "scopes": "read", "actor": "key_0123456789ab",
}  # fmt: skip
"""Words for fields whose name says more than their type."""


TEXTS = ("1200.00", "0x" + "5a" * 32, "0x" + "5a" * 65)


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """An example of any model, made by the model itself: one row in every list, nothing unknown."""
    given = {
        name: _matching(field) or _value(name, field.annotation) for name, field in model.model_fields.items()
    }
    return model.model_validate(given).model_dump(mode="json")


def _matching(field: FieldInfo) -> str | None:
    """A text for a field that has a pattern."""
    pattern = next((str(one.pattern) for one in field.metadata if getattr(one, "pattern", None)), None)
    return None if pattern is None else next(text for text in TEXTS if re.fullmatch(pattern, text))


def _value(name: str, kind: Any) -> Any:
    """A value of a field of that name and type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(name, inner[0])
    if origin in {Union, UnionType}:
        return _value(name, next(one for one in inner if one is not NoneType))
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return (_value(name, inner[0]),) if inner[1:] == (...,) else tuple(_value(name, one) for one in inner)
    if origin is dict:
        return {"ETH" if inner[0] is str else _value(name, inner[0]): _value(name, inner[1])}
    if kind is str and name.endswith("_usd"):
        return "1200.00"
    if name in BY_NAME and isinstance(BY_NAME[name], kind):
        return BY_NAME[name]
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if issubclass(kind, Enum):
        return next(iter(kind))
    return example_of(kind)
