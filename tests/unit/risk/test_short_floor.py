"""The float floors of the scenario matrix against the integer rule that the venue reader holds to the contract."""

import numpy as np
import pytest

from chains.venues.lyra.rule import MinCollateralParams, OptionType, min_collateral, shock_vol
from risk.arrays import Kind
from risk.pricing import unit_values
from tests.kit.market import NAN, instruments_of, one_instrument

WAD = 10**18
PARAMS = MinCollateralParams(
    min_static_quote=150 * WAD,
    min_static_base=WAD // 10,
    shock_vol_a=25 * WAD // 10,
    shock_vol_point_a_s=14 * 86400,
    shock_vol_b=18 * WAD // 10,
    shock_vol_point_b_s=56 * 86400,
    call_spot_shock=12 * WAD // 10,
    put_spot_shock=8 * WAD // 10,
)
KINDS = {
    OptionType.SHORT_CALL_QUOTE: Kind.SHORT_FLOOR_CALL_QUOTE,
    OptionType.SHORT_CALL_BASE: Kind.SHORT_FLOOR_CALL_BASE,
    OptionType.SHORT_PUT_QUOTE: Kind.SHORT_FLOOR_PUT,
}
SPOTS = [200.0, 900.0, 1500.0, 1999.5, 2600.0, 9000.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0, 3600, 20 * 86400, 100 * 86400])
@pytest.mark.parametrize("strike", [1500, 2000, 2600])
def test_floors_are_the_contract_rule(kind, seconds, strike):
    amount, rate = 3 * WAD + 7, WAD // 20
    floor = one_instrument(
        KINDS[kind], 2000.0, strike=float(strike), expiry_s=float(seconds), rate=rate / WAD,
        e0=amount / WAD, e1=shock_vol(PARAMS, seconds) / WAD, e2=PARAMS.spot_shock(kind) / WAD,
        e3=PARAMS.min_static_quote / WAD, e4=PARAMS.min_static_base / WAD,
        e5=strike * amount / WAD if kind is OptionType.SHORT_PUT_QUOTE else NAN, e6=amount / WAD,
    )  # fmt: skip
    got = unit_values(instruments_of(floor), np.array([SPOTS]))[0]
    for spot, usd in zip(SPOTS, got, strict=True):
        exact = min_collateral(PARAMS, kind, strike * WAD, seconds, int(spot * WAD), amount, rate) / WAD
        assert usd == pytest.approx(exact * (spot if kind.in_base else 1.0), rel=1e-7)
