"""Published and hand-worked margins. Origins: /reference, margin-models.md; sections named beside each case."""

import math
from dataclasses import replace

import numpy as np
import pytest

from risk.book import Book, Collateral, Expiry, Market
from risk.errors import RiskInputError
from risk.models.auction import auction_state, discount_at, load_auction
from risk.models.pm2 import PortfolioMargin, load_pm
from risk.models.pm2params import Row
from risk.models.registry import load_model
from risk.models.result import BASIS_ROW
from risk.models.span16 import ScanRule, SpanMargin, load_span, scan_rows
from risk.models.standard import load_standard
from risk.venues import deribit, dydx, okx, paradex
from tests.kit.slow_market import black

DAY_S = 86_400.0


def one_option(strike: float, is_call: bool, amount: float, **terms: float) -> Expiry:
    given = {"expiry_s": 30 * DAY_S, "forward": 2_000.0, "rate": 0.05} | terms
    vol = given.pop("vol", 0.6)
    return Expiry(
        strike=np.array([strike]),
        is_call=np.array([is_call]),
        amount=np.array([amount]),
        vol=np.array([vol]),
        **given,
    )


def test_pm2_long_perp_by_hand() -> None:
    # Section 1.7, test_29: long 1 perp at 3,100, spot 3,000, funding 10.
    shipped = load_pm("pm2_v1").params
    tail = Row(spot=0.34, vol="up", damping=0.054545454545454536)
    rows = (*(row for row in shipped.rows if row.damping == 1.0), tail)
    charges = replace(shipped.contingencies, mm_perp=0.015, im_perp=0.005)
    market = Market("ETH", 3_000.0, perp_amount=1.0, perp_price=3_100.0, funding_usd=10.0)
    got = PortfolioMargin(replace(shipped, rows=rows, contingencies=charges)).margin(
        Book(markets=(market,), stable_price=1.00019)
    )
    assert got.mm_excess_usd == pytest.approx(-481.40, rel=1e-12)
    assert got.im_excess_usd == pytest.approx(-608.00, rel=1e-12)
    assert got.worst.startswith("spot -18")
    assert got.scenario_pnl[-1] == pytest.approx(-111.6, rel=1e-12)


def test_pm2_tails_cost_a_book_without_options_a_constant_budget() -> None:
    # Section 1.3: damping x move is 0.1386 on every tail row above, below it at most.
    market = Market("ETH", 3_000.0, perp_amount=-1.0, perp_price=3_000.0)
    got = load_pm("pm2_v1").margin(Book(markets=(market,)))
    tails = [
        pnl for name, pnl in zip(got.scenarios, got.scenario_pnl, strict=True) if ", x" in name and "+" in name
    ]
    assert tails == pytest.approx([-0.1386 * 3_000.0] * 6)
    assert got.worst.startswith("spot +18")


def test_pm2_naked_shorts_net_by_strike() -> None:
    def cost(*legs: tuple[bool, float]) -> float:
        strike = np.full(len(legs), 2_000.0)
        side = np.array([leg[0] for leg in legs])
        end = Expiry(0.0, 2_000.0, 0.0, strike, side, np.array([leg[1] for leg in legs]), np.full(len(legs), 0.6))
        got = load_pm("pm2_v1").margin(Book(markets=(Market("ETH", 2_000.0, expiries=(end,)),)))
        return got.lines["mm_contingency_usd"] / (0.003 * 2_000.0)

    assert cost((True, -3.0)) == pytest.approx(3.0)
    assert cost((True, -3.0), (False, 1.0)) == pytest.approx(2.0)
    assert cost((True, -3.0), (False, 5.0)) == pytest.approx(0.0)
    assert cost((True, -3.0), (False, -1.0)) == pytest.approx(4.0)
    assert cost((True, 3.0), (False, 1.0)) == 0.0


def test_pm2_basis_stands_beside_the_rows() -> None:
    shipped = load_pm("pm2_v1").params
    calm = replace(shipped, rows=(Row(spot=1.0, vol="none", damping=0.0),))
    far = one_option(2_000.0, True, -1.0, expiry_s=365 * DAY_S, rate=0.0)
    book = Book(markets=(Market("ETH", 2_000.0, expiries=(far,)),))
    got = PortfolioMargin(calm).margin(book)
    up = black(True, 2_090.0, 2_000.0, 1.0, 0.6, 1.0) - black(True, 2_000.0, 2_000.0, 1.0, 0.6, 1.0)
    assert got.worst == BASIS_ROW
    assert got.lines["worst_scenario_usd"] == pytest.approx(up * (0.5 + 2.0))


def test_pm2_half_hour_fixes_part_of_the_forward() -> None:
    end = one_option(1_000.0, True, 1.0, expiry_s=900.0, rate=0.0)
    assert end.forward_parts() == (1_000.0, 1_000.0)
    got = load_pm("pm2_v1").margin(Book(markets=(Market("ETH", 2_000.0, expiries=(end,)),)))
    fall = dict(zip(got.scenarios, got.scenario_pnl, strict=True))["spot -18.0000%, vol up"]
    tau = 900.0 / 31_536_000.0
    discount = 0.95 * math.exp(-tau * 0.16)
    assert fall == pytest.approx(820.0 * discount - 1_000.0, rel=1e-9)


def test_pm2_peg_and_collateral() -> None:
    held = Collateral("BTC", 1.0, 50_000.0, 0.5, 0.25, 0.05, is_risk_cancelling=False)
    market = Market("ETH", 3_000.0, perp_amount=1.0, perp_price=3_000.0)
    got = load_pm("pm2_v1").margin(Book(0.0, (market,), (held,), stable_price=0.96))
    value = 50_000.0 / 0.96
    assert got.lines["im_factor"] == pytest.approx(1.0 + 0.03 * 4.0)
    assert got.maintenance_usd == pytest.approx(0.8 * 540.0 + 90.0 + value * 0.25)
    # Confidence 0.5 < 0.55: (1 - 0.5) of the collateral's value.
    assert got.initial_usd == pytest.approx(1.12 * 540.0 + 90.0 + 30.0 + value * (0.25 + 0.05 + 0.5))


def test_pmrm_by_hand() -> None:
    # Section 1.2: base 2 and perp -1 at 2,000: nets 1 x (-20 %); 3 % of 3 x 2,000 static.
    market = Market("ETH", 2_000.0, perp_amount=-1.0, perp_price=2_000.0, base_amount=2.0)
    got = load_pm("pmrm_v1").margin(Book(100.0, (market,)))
    assert got.mark_usd == pytest.approx(4_100.0)
    assert got.maintenance_usd == pytest.approx(400.0 + 180.0)
    assert got.initial_usd == pytest.approx(1.25 * (400.0 + 180.0))


def test_pmrm_discounts_long_options_only() -> None:
    end = one_option(2_000.0, True, 1.0, rate=0.05)
    got = load_pm("pmrm_v1").margin(Book(markets=(Market("ETH", 2_000.0, expiries=(end,)),)))
    still = dict(zip(got.scenarios, got.scenario_pnl, strict=True))["spot +0.0000%, vol none"]
    tau = 30.0 / 365.0
    now = black(True, 2_000.0, 2_000.0, tau, 0.6, 1.0)
    assert still == pytest.approx(now * (0.95 * math.exp(-tau * 0.17) - 1.0), rel=1e-12)


def test_standard_perp_and_base_by_hand() -> None:
    # Section 1.4: perp MM 6.5 %, IM 10 %; base ETH 0.8 and 0.9375 of it.
    market = Market(
        "ETH", 2_000.0, perp_amount=-3.0, perp_price=2_010.0, unrealised_pnl_usd=-50.0, base_amount=1.0
    )
    got = load_standard().margin(Book(1_000.0, (market,)))
    assert got.mm_excess_usd == pytest.approx(1_000.0 - 50.0 - 3 * 2_010 * 0.065 + 1_600.0)
    assert got.im_excess_usd == pytest.approx(1_000.0 - 50.0 - 3 * 2_010 * 0.10 + 1_600.0 * 0.9375)


def test_standard_short_put_and_call_by_hand() -> None:
    tau = 30.0 / 365.0
    call = black(True, 2_000.0, 2_200.0, tau, 0.6, 1.0)
    put = black(False, 2_000.0, 1_900.0, tau, 0.6, 1.0)
    short_call = Market("ETH", 2_000.0, expiries=(one_option(2_200.0, True, -1.0),))
    got = load_standard().margin(Book(markets=(short_call,)))
    assert got.mm_excess_usd == pytest.approx(-call - 0.09 * 2_000.0)
    assert got.im_excess_usd == pytest.approx(-call - max(0.13, 0.15 - 0.1) * 2_000.0)
    short_put = Market("ETH", 2_000.0, expiries=(one_option(1_900.0, False, -1.0),))
    got = load_standard().margin(Book(markets=(short_put,)))
    mm = -put - max(0.09 * 2_000.0, 0.09 * put)
    assert got.mm_excess_usd == pytest.approx(mm)
    assert got.im_excess_usd == pytest.approx(min(-put - 0.13 * 2_000.0, mm * 1.05))


def test_standard_spread_costs_its_largest_loss() -> None:
    strikes, sides = np.array([2_000.0, 2_100.0]), np.array([True, True])
    end = Expiry(30 * DAY_S, 2_000.0, 0.0, strikes, sides, np.array([-1.0, 1.0]), np.array([0.6, 0.6]))
    got = load_standard().margin(Book(markets=(Market("ETH", 2_000.0, expiries=(end,)),)))
    assert got.mm_excess_usd == pytest.approx(-100.0)
    assert got.im_excess_usd == pytest.approx(-100.0)
    assert sum(got.maintenance_by_position.values()) == pytest.approx(got.maintenance_usd)


def test_standard_depeg_and_confidence_count_for_opening_only() -> None:
    market = Market("ETH", 2_000.0, 0.5, perp_amount=1.0, perp_price=2_000.0)
    calm = load_standard().margin(Book(markets=(replace(market, spot_confidence=1.0),)))
    got = load_standard().margin(Book(markets=(market,), stable_price=0.97))
    assert got.maintenance_usd == calm.maintenance_usd
    assert got.initial_usd - calm.initial_usd == pytest.approx(2_000.0 * (0.5 + 0.02 * 2.0))


def test_span_array_of_a_future() -> None:
    # McMillan, Options as a Strategic Investment, ch. 34: $10,000 for an S&P future, in steps of $10.
    params = replace(
        load_span().params,
        extreme_multiple=2.0,
        cover_fraction=0.35,
        markets=(ScanRule("SPX", 0.05, 0.2, 0.0, 0.0),),
        inter=(),
    )
    market = Market("SPX", 1.0, perp_amount=1.0, perp_price=200_000.0)
    got = SpanMargin(params).margin(Book(markets=(market,)))
    wanted = [0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000]
    assert np.allclose(got.scenario_pnl, wanted, atol=5.0)
    assert got.maintenance_usd == pytest.approx(10_000.0)


def test_span_rows_are_sixteen() -> None:
    params = load_span().params
    price, vol, cover = scan_rows(params, params.markets[0])
    assert len(price) == len(vol) == len(cover) == 16
    assert price[-2:].tolist() == pytest.approx([0.48, -0.48])
    assert cover.tolist() == [1.0] * 14 + [0.33] * 2


def test_span_credits_opposite_deltas_once() -> None:
    books = (
        Market("BTC", 60_000.0, perp_amount=1.0, perp_price=60_000.0),
        Market("ETH", 2_000.0, perp_amount=-30.0, perp_price=2_000.0),
    )
    got = load_span().margin(Book(markets=books))
    alone = 60_000.0 * 0.16 + 60_000.0 * 0.18
    assert got.maintenance_usd == pytest.approx(alone * 0.5)
    same = load_span().margin(Book(markets=(books[0], replace(books[1], perp_amount=30.0))))
    assert same.maintenance_usd == pytest.approx(alone)


def test_auction_by_hand() -> None:
    # Section 1.5: start 0.98, cutoff 0.8, 100 s, 14,400 s, buffer 0.2; mark 1,000, MM -500.
    params = replace(load_auction(), start=0.98, cutoff=0.8, fast_s=100.0, slow_s=14_400.0, buffer=0.2)
    assert [discount_at(params, t) for t in (0.0, 50.0, 100.0, 7_300.0, 14_500.0)] == pytest.approx(
        [0.98, 0.89, 0.8, 0.4, 0.0]
    )
    got = auction_state(params, 1_000.0, -500.0, 50.0)
    assert got.buffered_excess_usd == pytest.approx(-500.0 - 0.2 * 1_500.0)
    assert got.max_share == pytest.approx(800.0 / (800.0 + 890.0))
    assert got.bid_usd == pytest.approx(0.89 * 1_000.0 * 800.0 / 1_690.0)
    held = auction_state(params, 1_000.0, -500.0, 50.0, reserved_usd=100.0)
    assert held.max_share == pytest.approx(800.0 / (800.0 + 890.0 + 100.0 * 0.11))
    assert held.bid_usd == pytest.approx(0.89 * 900.0 * held.max_share)
    assert auction_state(params, 1_000.0, 300.0, 0.0).max_share == 0.0


@pytest.mark.parametrize(("elapsed_s", "paid"), [(0.0, 0.0), (900.0, 150.0), (3_600.0, 600.0), (9e9, 600.0)])
def test_an_insolvent_account_is_taken_for_a_payout_that_grows_to_its_shortfall(
    elapsed_s: float, paid: float
) -> None:
    # Section 1.5: 60 minutes; mark -100, MM -600.
    got = auction_state(load_auction(), -100.0, -600.0, elapsed_s)
    assert (got.max_share, got.cost_usd, got.discount) == (1.0, 0.0, 0.0)
    assert got.bid_usd == pytest.approx(-paid)
    with pytest.raises(RiskInputError, match="mm_excess_usd"):
        auction_state(load_auction(), -100.0, -50.0, elapsed_s)


def test_dydx_tiers() -> None:
    # Section 2.7.
    tier = dydx.LiquidityTier(200_000, 500_000)
    assert dydx.requirements(tier, 441_000_000) == (88_200_000, 44_100_000)
    scaled = replace(tier, lower_cap=25_000_000_000_000, upper_cap=50_000_000_000_000)
    assert dydx.requirements(scaled, 441_000_000, 41_287_036_995_750) == (318_042_585, 44_100_000)
    assert dydx.requirements(scaled, -441_000_000, 50_000_000_000_000)[0] == 441_000_000
    assert dydx.requirements(tier, 1) == (1, 1)


def test_paradex_examples() -> None:
    # Section 2.6.
    assert paradex.min_delta([1.0, *[-0.3] * 5], 70_000.0) == pytest.approx(1_400.0)
    assert paradex.cross_initial(-1.0, 3.0, 2.0, 0.02, 90_000.0) == pytest.approx(5_400.0)
    assert paradex.portfolio_requirements(1_000.0, 1_400.0, 10.0, 5.0) == pytest.approx((1_415.0, 715.0))


def test_deribit_examples() -> None:
    # Section 2.1: BTC perp and future, then a short ETH perp.
    rows = deribit.linear_array(0.314538364 - 0.001187534, 0.16)
    wanted = [-0.05968587238, -0.04272965864, -0.02724789826, -0.01305628458, 0.0]
    assert rows[:5] == pytest.approx(wanted, abs=1e-11)
    roll = deribit.roll_shock({0.0: 0.314538364, 0.25: -0.001187534}, 0.01, 0.0)
    assert roll == pytest.approx(0.00315725898, abs=1e-12)
    assert deribit.requirement(rows, roll).maintenance == pytest.approx(0.050274504784, abs=1e-9)
    short = deribit.linear_array(-0.999487053, 0.18)
    eth = deribit.requirement(short, deribit.roll_shock({0.0: -0.999487053}, 0.005, 0.0))
    assert eth.worst == pytest.approx(0.15246412673, abs=1e-10)
    assert eth.initial == pytest.approx(0.157461562, abs=1e-9)
    assert eth.maintenance == pytest.approx(0.125969249812, abs=1e-9)
    mixed = deribit.aggregate(
        {"ETH": [100.0, -100.0], "USD": [-50.0, 10.0]},
        {"ETH": deribit.Offset(0.6, 20e6), "USD": deribit.Offset(0.4, 1e6)},
    )
    assert mixed == pytest.approx([10.0, -96.0])
    assert deribit.damped(-1_000_000.0, 0.3, 100_000.0) == pytest.approx(-200_000.0)
    assert deribit.damped(-1_000.0, 0.3, 100_000.0) == 0.0


def test_okx_example() -> None:
    # Section 2.2: position builder response, BTC unit; the worked spot and contract book.
    btc = okx.RiskUnit(spot_vol=1_164.41092447, basis=19.40980738, extreme_loss=2_328.82184894, least=43.6720666)
    assert btc.maintenance == pytest.approx(1_183.82073185, abs=1e-8)
    assert btc.initial == pytest.approx(1_538.96695141, abs=1e-7)
    ltc = okx.RiskUnit(spot_vol=191.66297446)
    _, mm = okx.total([btc, ltc], borrow_mm=1_571.06437780)
    assert mm == pytest.approx(2_946.54808410, abs=1e-7)
    assert ltc.initial == pytest.approx(249.16186679, abs=1e-7)
    assert okx.RiskUnit(basis=8_053.32, least=3_020.17).maintenance == pytest.approx(8_053.32)


def test_the_book_of_the_documentation() -> None:
    # docs/models.md, worked there by hand.
    strikes, sides = np.array([2_200.0, 1_800.0]), np.array([True, False])
    end = Expiry(30 * DAY_S, 2_000.0, 0.05, strikes, sides, np.array([-1.0, -1.0]), np.array([0.6, 0.65]))
    market = Market("ETH", 2_000.0, perp_amount=0.5, perp_price=2_000.0, expiries=(end,))
    wanted = {
        "pm2": (333.8292, 424.7865),
        "standard": (425.0, 620.0),
        "pmrm": (529.9365, 662.4206),
        "span16": (426.2659, 532.8324),
    }
    for name, figures in wanted.items():
        got = load_model(name).margin(Book(1_000.0, (market,)))
        assert (got.maintenance_usd, got.initial_usd) == pytest.approx(figures, abs=1e-4)
    got = load_model("pm2").margin(Book(1_000.0, (market,)))
    assert got.mark_usd == pytest.approx(872.2007, abs=1e-4)
    assert got.lines["worst_scenario_usd"] == pytest.approx(364.7865, abs=1e-4)
    assert got.worst == "spot -18.0000%, vol up"
