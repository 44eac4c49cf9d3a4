"""Portfolio lines of the report: buffers, add-ons, requirement, excess, efficiency (RISK section 5)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from aggregator.addlines import addon_lines, portfolio_reverse, unified_prices
from aggregator.assemble import Assembled
from aggregator.figures import Figures
from aggregator.model import Model
from aggregator.report import AddOns, Comparison, Efficiency, Greeks, VenueLine, WorstScenario
from aggregator.rescue import Rescue
from aggregator.rounding import down, nearest, up
from chains.accounts import VenueAccount
from risk.arrays import F64
from risk.part import part_of, together

ZERO = Decimal(0)
Rows = npt.NDArray[np.intp]

_AMOUNTS = (
    "net_value_usd", "equity_usd", "surplus_usd", "venue_maintenance_usd", "isolated_buffer_usd",
    "netted_buffer_usd", "unified_buffer_usd", "bridge_latency_addon_usd", "stress_floor_usd",
    "mm_requirement_usd", "im_requirement_usd", "mm_excess_usd", "margin_ratio", "capital_freed_usd",
)  # fmt: skip


def unknown_totals() -> dict[str, object]:
    """Totals of a portfolio of which something is missing: a sum over the rest would be smaller than the truth."""
    return {
        **dict.fromkeys(_AMOUNTS),
        "addons": AddOns(oracle_uncertainty_usd=None, in_flight_usd=None),
        "efficiency": Efficiency(theoretical=None, usable=None, latency_loss=None),
        "worst_scenario": None,
        "greeks": None,
    }


def totals(
    accounts: Sequence[VenueAccount],
    lines: Sequence[VenueLine],
    assembled: Assembled,
    figures: Figures,
    help_: Rescue,
    model: Model,
) -> dict[str, object]:
    """Totals of a portfolio whose every account could be read and revalued."""
    rows = np.array([assembled.rows[account.id] for account in accounts], dtype=np.intp)
    iso, net, uni = up(float(help_.buffers.iso)), up(float(help_.buffers.net)), up(float(help_.buffers.uni))
    stress_floor = up(help_.stress_buffer_usd)
    part = part_of(assembled.arrays, rows)
    whole = together(part)
    addons = addon_lines(accounts, rows, part, figures, help_, model)
    equity = sum((_known(line.equity_usd) for line in lines), ZERO)
    maintenance = sum((_known(line.mm_requirement_usd) for line in lines), ZERO)
    rest = max(uni, stress_floor) + sum(addons.values(), ZERO)
    requirement = maintenance + rest
    return {
        "net_value_usd": sum((_known(line.net_value_usd) for line in lines), ZERO),
        "equity_usd": equity,
        "surplus_usd": equity - maintenance,
        "venue_maintenance_usd": maintenance,
        "isolated_buffer_usd": iso,
        "netted_buffer_usd": net,
        "unified_buffer_usd": uni,
        "bridge_latency_addon_usd": uni - net,
        "stress_floor_usd": stress_floor,
        "addons": AddOns(**addons),
        "mm_requirement_usd": requirement,
        "im_requirement_usd": maintenance + up(model.settings.im_factor * rest),
        "mm_excess_usd": equity - requirement,
        "margin_ratio": nearest(equity / requirement) if requirement else None,
        "capital_freed_usd": max(ZERO, iso - uni),
        "efficiency": _efficiency(iso, net, uni),
        "worst_scenario": _worst(figures, rows),
        "greeks": _greeks(assembled, figures, rows),
        "unified_liquidation": unified_prices(whole),
        "reverse_stress": portfolio_reverse(accounts, rows, assembled, whole, figures, model),
        "comparison": Comparison(
            isolated_requirement_usd=maintenance + iso,
            cross_requirement_usd=maintenance + net,
            unified_requirement_usd=maintenance + uni,
        ),
    }


def _known(value: Decimal | None) -> Decimal:
    if value is None:
        raise ValueError("a total was asked over a figure that is not known")
    return value


def _efficiency(iso: Decimal, net: Decimal, uni: Decimal) -> Efficiency:
    """None where nothing could be saved."""
    return Efficiency(
        theoretical=nearest(1 - net / iso) if iso else None,
        usable=nearest(1 - uni / iso) if iso else None,
        latency_loss=nearest((uni - net) / (iso - net)) if iso > net else None,
    )


def _worst(figures: Figures, rows: Rows) -> WorstScenario | None:
    """The scenario that costs the accounts together most."""
    if not len(rows):
        return None
    loss = figures.buffers.loss[rows].sum(axis=0)
    worst = int(loss.argmax())
    return WorstScenario(label=figures.buffers.labels[worst], loss_usd=up(max(0.0, float(loss[worst]))))


def _greeks(assembled: Assembled, figures: Figures, rows: Rows) -> Greeks:
    names, greeks = assembled.arrays.factors.names, figures.greeks

    def by_factor(values: F64) -> Mapping[str, Decimal]:
        sums = values[rows].sum(axis=0)
        return {name: down(float(v)) for name, v in zip(names, sums, strict=True) if v}

    return Greeks(
        delta_usd=by_factor(greeks.delta_usd),
        gamma_usd=by_factor(greeks.gamma_usd),
        vega_usd=by_factor(greeks.vega_usd),
        theta_usd_per_day=by_factor(greeks.theta_usd),
    )
