"""Builders of reports for tests of what comes after the numbers: store, alerts, delivery, API."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aggregator.report import (
    AddOns,
    AsOf,
    BlockStamp,
    DataQuality,
    Degraded,
    Efficiency,
    MarginReport,
    ModelRef,
    PortfolioRef,
)
from risk.status import Status

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACCOUNT = "eip155:1:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def a_report(name: str = "desk", status: Status = Status.SAFE, **changes: Any) -> MarginReport:
    """A complete report of a portfolio with round figures."""
    block = BlockStamp(number=100, hash="0x" + "ab" * 32, timestamp=1_767_322_000, finality="latest")
    values: dict[str, Any] = {
        "id": f"rep_{uuid.uuid4().hex}",
        "portfolio": PortfolioRef(name=name, accounts=(ACCOUNT,)),
        "as_of": AsOf(time=WHEN, max_skew_s=0, blocks={"eip155:1": block}),
        "data_quality": DataQuality(complete=status is not Status.UNKNOWN, staleness_s=3, degraded=_why(status)),
        "model": ModelRef(id="grid+empirical", version="1", params_hash="00" * 32),
        "inputs_hash": "11" * 32,
        "code_version": "0.1.0",
        "status": status,
        "status_reason": f"the figures say {status.value}",
        "binding_account": None,
        "addons": AddOns(oracle_uncertainty_usd=Decimal(5), in_flight_usd=Decimal(0)),
        "efficiency": Efficiency(theoretical=None, usable=None, latency_loss=None),
        "worst_scenario": None,
        "greeks": None,
        "venues": (),
        "positions": (),
        "stress_floor_usd": Decimal(0),
    }
    amounts = (
        "net_value_usd", "equity_usd", "surplus_usd", "venue_maintenance_usd", "isolated_buffer_usd",
        "netted_buffer_usd", "unified_buffer_usd", "bridge_latency_addon_usd", "mm_requirement_usd",
        "im_requirement_usd", "mm_excess_usd", "margin_ratio", "capital_freed_usd",
    )  # fmt: skip
    values |= dict.fromkeys(amounts, Decimal("1234.5678901234567890"))
    return MarginReport(**(values | changes))


def _why(status: Status) -> tuple[Degraded, ...]:
    if status is not Status.UNKNOWN:
        return ()
    return (Degraded(what="price of LINK", reason="STALE: last round 7200 s ago"),)
