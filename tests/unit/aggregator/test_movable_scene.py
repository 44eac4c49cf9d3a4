"""What may leave in each scenario of the grid, beside the rules written out by hand."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from aggregator.advice.movable import movable_usd
from chains.accounts import Pocket, Withdrawal
from chains.instruments import Exposure, Fixed, Perp, Spot
from risk.revalue import unit_changes
from tests.kit.scene import view
from tests.kit.world import CHAINS, PRICES, holding, loan, perp, token

ETH = PRICES["ETH"]


def a_loan(collateral="100", debt="180000"):
    """Threshold 80 %: health after the withdrawal."""
    found = loan(CHAINS[0], collateral, debt)
    weth = Spot(token(CHAINS[0], "WETH"), ETH)
    rule = Withdrawal((Pocket(weth, Decimal(collateral), weth, Decimal("0.8")),), by_surplus=True)
    return replace(found, withdrawal=rule)


def a_perp(size="20", cash="30000"):
    """Free collateral: 10 % initial, profits support but do not leave; nothing while a loss is not covered."""
    found, units, money = perp(CHAINS[1], size, cash), Decimal(size), Decimal(cash)
    mark = next(e.instrument for e in found.exposures if isinstance(e.instrument, Perp))
    initial = Exposure(mark, requirement=abs(units) * Decimal("0.1"))
    settled = Exposure(Fixed(), equity=money)
    result = (Exposure(mark, equity=units), Exposure(Fixed(), equity=-units * ETH))
    rule = Withdrawal(
        (Pocket(Spot(token(CHAINS[1], "USDC")), money, Fixed(), Decimal(1)),),
        bounds=((settled, initial), (settled, initial, *result)),
        gates=((settled, *result),),
    )
    return replace(found, withdrawal=rule)


def ether(scene):
    """(S,) price of ether in each scenario."""
    arrays = scene.assembled.arrays
    at = next(
        i for i, name in enumerate(arrays.instruments.factor)
        if name >= 0 and arrays.factors.names[name] == "ETH" and arrays.instruments.basis[i] < 0
    )  # fmt: skip
    return float(ETH) + unit_changes(arrays, scene.figures.scenarios)[at]


def test_each_venue_by_its_own_rule_in_every_scenario():
    scene = view(a_loan(), a_perp(), holding(CHAINS[1], "WETH", "3"))
    places = sorted(scene.help.place, key=lambda name: scene.help.place[name])
    found = dict(zip(places, movable_usd(scene, places), strict=True))
    price, floor = ether(scene), dict(zip(places, scene.help.buffers.local_floor, strict=True))
    assert 1000 < price.min() < 3000 < price.max()
    lent, traded, idle = (next(n for n in places if f"/{v}" in n) for v in ("lender", "perps", "wallet"))

    for name, rule in ((lent, _lending), (traded, _trading)):
        row = scene.assembled.rows[name]
        left = scene.assembled.arrays.surplus[row] - scene.figures.loss[row]
        expected = np.minimum(rule(price, left), np.maximum(left - floor[name], 0.0))
        # Rows that move the dollar or the mark apart from ether are left to the tests of the rules themselves.
        pegged = (scene.figures.scenarios.factor_shock[:, scene.assembled.arrays.factors.is_stable] == 0).all(
            axis=1
        )
        plain = np.isclose(left, _surplus(name == lent, price), rtol=1e-9) & pegged
        assert plain.sum() > 20
        assert found[name][plain] == pytest.approx(expected[plain], rel=1e-9, abs=1e-6)
    assert found[idle] == pytest.approx(3 * price, rel=1e-9)
    assert found[lent].max() > found[lent].min()


def _surplus(lent, price):
    return 80 * price - 180_000 if lent else 30_000 + 20 * (price - 3000) - price


def _lending(price, left):
    return np.minimum(100 * price, np.maximum(left, 0.0) / 0.8)


def _trading(price, _left):
    result, initial = 20 * (price - 3000), 2 * price
    free = np.minimum(30_000, np.minimum(30_000, 30_000 + result) - initial)
    return np.where(30_000 + result < 0, 0.0, np.maximum(free, 0.0))


def test_an_unknown_rule_or_one_that_looks_elsewhere_lets_nothing_out():
    strange = Spot(token(CHAINS[0], "WBTC"), PRICES["BTC"])
    rules = (None, Withdrawal((Pocket(strange, Decimal(1), strange, Decimal(0)),)))
    for rule in rules:
        scene = view(replace(a_loan(), withdrawal=rule), holding(CHAINS[1], "WETH", "3"))
        places = sorted(scene.help.place, key=lambda name: scene.help.place[name])
        assert movable_usd(scene, places)[places.index(next(n for n in places if "lender" in n))].max() == 0.0
