"""States of venues under the margin models: what cannot be described is refused with its reason."""

from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.margin_rule import margin_figures
from chains.margin_state import CannotModel, MarginState, MarketState
from risk.models.standard import MarketRule

RULE = dict.fromkeys(MarketRule.__slots__, Decimal("0.1")) | {"market": "1", "mm_offset": Decimal(1)}
STATE = MarginState(
    model="standard",
    parameters={
        "id": "standard", "version": "0x", "provenance": "test", "depeg_threshold": Decimal("0.99"),
        "depeg_factor": Decimal(2), "markets": (RULE,),
    },
    cash_usd=Decimal(1000),
    stable_price=Decimal(1),
    markets=(MarketState("1", Decimal(2000), perp_amount=Decimal(2), perp_price=Decimal(2000)),),
)  # fmt: skip


def test_a_state_is_margined_by_its_own_parameters() -> None:
    figures = margin_figures(STATE)
    assert (figures.mark_usd, figures.maintenance_excess_usd) == (1000, 1000 - 400)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (replace(STATE, model="span"), "neither pm2 nor standard"),
        (replace(STATE, parameters={**STATE.parameters, "depeg_factor": Decimal(11)}), "depeg_factor"),
        (replace(STATE, parameters={"id": "standard"}), "missing"),
        (replace(STATE, markets=(MarketState("2", Decimal(2000)),)), "no figures for '2'"),
        (replace(STATE, stable_price=Decimal(0)), "stable_price"),
        (replace(STATE, markets=(MarketState("1", Decimal("NaN")),)), "spot"),
    ],
)
def test_what_a_model_does_not_know_is_refused(broken: MarginState, reason: str) -> None:
    with pytest.raises(CannotModel, match=reason):
        margin_figures(broken)
