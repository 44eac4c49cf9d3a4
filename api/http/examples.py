"""A margin report as an example of the specification; made by the report's own model, so it cannot drift."""

from datetime import UTC, datetime
from decimal import Decimal

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
