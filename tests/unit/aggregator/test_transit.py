"""A transfer's age beside the law of its route."""

from dataclasses import replace

import pytest

from aggregator.transit import transit_details
from chains.accounts import Position, PositionKind
from chains.caip import AssetId
from risk.routes import load_routes

ROUTES = load_routes()
DETAILS = {"origin": "eip155:1", "destination": "eip155:10", "age_s": "0"}
TRANSFER = Position(PositionKind.IN_FLIGHT, AssetId("eip155:10/erc20:0x"), "USDC in flight", 1, 6, None, DETAILS)


def at_age(seconds: float) -> dict[str, str]:
    moved = replace(TRANSFER, details=DETAILS | {"age_s": f"{seconds:.0f}"})
    return dict(transit_details(moved, "across", ROUTES))


def law():
    return next(
        r.law for r in ROUTES if (r.bridge, r.source, r.destination) == ("across", "eip155:1", "eip155:10")
    )


def test_the_older_the_rarer():
    shares = [float(at_age(age)["arrived_by_this_age"]) for age in (1, 10, 100, 1_000, 100_000)]
    assert shares == sorted(shares)
    assert shares[0] < 0.05 < 0.9 < shares[-1]


@pytest.mark.parametrize(("share", "late"), [(0.5, "false"), (0.9, "false"), (0.9999, "true")])
def test_late_is_beyond_the_law(share, late):
    age = law().quantile(share)
    if age != float("inf"):
        assert at_age(age + 1)["late"] == late


def test_usual_is_the_laws_own_figure():
    assert at_age(3)["usual_s"] == f"{law().quantile(0.5):.0f} to {law().quantile(0.95):.0f}"


def test_a_route_without_a_law_says_so_and_other_positions_say_nothing():
    nowhere = replace(TRANSFER, details=DETAILS | {"destination": "eip155:424242"})
    assert transit_details(nowhere, "across", ROUTES) == {"latency_law": "none for this route"}
    assert transit_details(replace(TRANSFER, kind=PositionKind.HOLDING), "across", ROUTES) == {}
