"""Bands of advice belong to a portfolio; a band that makes no sense is named."""

from decimal import Decimal

import pytest

from aggregator.advice.model import Bands
from aggregator.advice.needs import bands_of, needs
from aggregator.config import make_settings
from aggregator.errors import ConfigError
from aggregator.model import HORIZONS_S
from risk.funding import arrivals, liquidity_coverage, way_in
from tests.kit.scene import view
from tests.kit.world import CHAINS, holding, perp

ACCOUNT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def settings(target):
    desk = {"accounts": [ACCOUNT], "target": target}
    plain = {"accounts": [ACCOUNT]}
    chains = {"eip155:1": {"rpc_urls": ["http://127.0.0.1:1"]}}
    return make_settings({"deployments": "w", "chains": chains, "portfolios": {"desk": desk, "plain": plain}}, "x")


def test_bands_are_those_of_the_portfolio():
    known = settings({"health": "1.3", "coverage": "1.5", "ratio": "1.1"})
    assert bands_of(known, "desk") == Bands(health=Decimal("1.3"), coverage=Decimal("1.5"), ratio=Decimal("1.1"))
    assert bands_of(known, "plain") == bands_of(known, ACCOUNT) == Bands()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health", "0.9"),
        ("coverage", "-1"),
        ("ratio", "-0.1"),
        ("ratio", "nan"),
        ("lcr", "1"),
        ("liquidity_coverage", "-1"),
    ],
)
def test_wrong_band_is_named(name, value):
    with pytest.raises(ConfigError, match=f"portfolios.desk.target.{name}"):
        settings({name: value})


NONE = {"coverage": "0", "ratio": "0"}


def short_of(scene, **bands):
    return [need for need in needs(scene, Bands(**(NONE | bands))) if need.usd > 0]


def test_liquidity_coverage_counts_what_can_arrive_and_asks_for_the_rest():
    scene = view(perp(CHAINS[0], "20", "30000"), holding(CHAINS[1], "USDC", "4000"))
    assert short_of(scene, liquidity_coverage="0.5") == []
    (need,) = short_of(scene, liquidity_coverage="4")
    assert not need.less_only
    places = sorted(scene.help.place, key=scene.help.place.get)
    chains = [next(a.at.chain for a in scene.accounts if a.id == name) for name in places]
    at = places.index(need.account.id)
    found = arrivals(at, chains, scene.help.movable_usd, way_in(scene.model.mobility(frozenset())))
    drawn = scene.figures.drawdown[scene.assembled.rows[need.account.id]]
    before, after = (
        liquidity_coverage(float(need.surplus_usd) + add, drawn, HORIZONS_S, found)
        for add in (0.0, float(need.usd))
    )
    assert before < 4
    assert after == pytest.approx(4, rel=1e-6)


def test_a_ratio_below_its_band_asks_for_less_risk_in_the_largest_account():
    scene = view(perp(CHAINS[0], "20", "30000"), perp(CHAINS[1], "2", "8000"))
    ratio = scene.report.margin_ratio
    assert short_of(scene, ratio=f"{ratio:f}") == []
    (need,) = short_of(scene, ratio=f"{ratio * Decimal('1.1'):f}")
    assert need.less_only
    assert need.account.at.chain == CHAINS[0]
    share = 1 - need.surplus_usd / (need.surplus_usd + need.usd)
    own = need.account.mm_requirement_usd + Decimal(float(scene.help.buffers.local_floor[0]))
    assert float(share * own) == pytest.approx(float(scene.report.mm_requirement_usd) / 11, rel=1e-3)
