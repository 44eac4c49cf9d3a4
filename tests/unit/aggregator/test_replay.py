"""Replay: the same inputs give the same report, and a changed one is found."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import StoreError
from aggregator.replay.freeze import FORMAT, Freezer, unpacked
from aggregator.replay.run import replay
from aggregator.replay.thaw import thaw
from chains.accounts import OwnCheck, Position, PositionKind
from chains.instruments import ClippedFee, Exposure, Fixed, LpRange, Option, Perp, ShortOptionFloor, Spot
from oracles.types import Quote, Quotes
from tests.kit import world as hand
from tests.kit.api import NAME, a_world

FREEZER = Freezer(hand.maker())


def frozen(world):
    parts = FREEZER.freeze(world)
    return parts.world.body, parts.setting.body


def dearer(world, key):
    """The same world with one price one percent higher."""
    found = tuple(
        replace(quote, price=quote.price * Decimal("1.01")) if quote.price_key == key else quote
        for quote in world.quotes.found
    )
    return replace(world, quotes=Quotes(found))


def test_the_same_inputs_give_the_same_report_to_the_last_digit():
    (report,) = hand.maker().make(a_world())
    done = replay(report, *frozen(a_world()))
    assert done.same, done.differences
    assert (done.code, done.parameters) == ((), None)


def test_a_changed_price_is_found_by_the_path_of_what_it_changes():
    (report,) = hand.maker().make(a_world())
    done = replay(report, *frozen(dearer(a_world(), "ETH")))
    paths = {item.path for item in done.differences}
    assert not done.same
    assert {"inputs_hash", "net_value_usd"} <= paths
    assert any(path.startswith("positions[") and path.endswith("price.mid") for path in paths)


def test_other_parameters_and_other_code_are_named():
    (report,) = hand.maker("person").make(a_world())
    parts = Freezer(hand.maker("person")).freeze(a_world())
    setting = unpacked(parts.setting.body)
    setting["code"]["files"], setting["model"]["kappa"] = "0" * 16, 1.5
    changed = FORMAT + _packed(setting)
    done = replay(report, parts.world.body, changed)
    assert [item.path for item in done.code] == ["files"]
    assert done.parameters is not None
    assert not done.same


def test_equal_worlds_have_one_digest_and_others_another():
    one, two, other = (FREEZER.freeze(world).world for world in (a_world(), a_world(), dearer(a_world(), "ETH")))
    assert one == two
    assert one.digest != other.digest


@pytest.mark.parametrize("change", ["format", "field", "missing", "member"])
def test_inputs_of_another_version_are_refused_with_their_id(change):
    (report,) = hand.maker().make(a_world())
    world, setting = frozen(a_world())
    content = unpacked(world)
    if change == "format":
        world = b"\2" + world[1:]
    elif change == "field":
        content["cut"]["strange"] = 1
        world = FORMAT + _packed(content)
    elif change == "missing":
        del content["reads"][0]["accounts"][0]["venue"]
        world = FORMAT + _packed(content)
    else:
        content["members"] = {"somebody": content["members"][NAME]}
        world = FORMAT + _packed(content)
    with pytest.raises(StoreError, match=report.id):
        replay(report, world, setting)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
ASSETS = st.sampled_from([hand.token(hand.CHAINS[0], "WETH"), hand.token(hand.CHAINS[1], "USDC")])
PERPS = st.builds(Perp, ASSETS, st.text(max_size=5), DECIMALS)
OPTIONS = st.builds(
    Option, ASSETS, st.text(max_size=5), st.booleans(), DECIMALS, st.integers(), DECIMALS, DECIMALS, DECIMALS
)
NULLABLE = st.none() | DECIMALS
INSTRUMENTS = st.one_of(
    st.builds(Fixed),
    st.builds(Spot, ASSETS, NULLABLE),
    PERPS,
    OPTIONS,
    st.builds(ClippedFee, PERPS, DECIMALS, DECIMALS, DECIMALS, DECIMALS),
    st.builds(ShortOptionFloor, OPTIONS, DECIMALS, DECIMALS, DECIMALS, DECIMALS, DECIMALS, NULLABLE, NULLABLE),
    st.builds(LpRange, ASSETS, ASSETS, DECIMALS, DECIMALS),
)


@given(st.builds(Exposure, INSTRUMENTS, DECIMALS, DECIMALS, DECIMALS))
def test_every_instrument_comes_back_exactly(exposure):
    back = thaw(Exposure, msgspec.json.decode(msgspec.json.encode(exposure)))
    assert repr(back) == repr(exposure)


@given(st.integers(min_value=-(2**256), max_value=2**256), st.dictionaries(st.text(), st.text()))
def test_raw_amounts_of_any_size_come_back(raw, details):
    position = Position(PositionKind.PERP, hand.token(hand.CHAINS[0], "WETH"), "x", raw, 18, None, details)
    assert thaw(Position, msgspec.json.decode(msgspec.json.encode(position))) == position


@given(st.floats(allow_nan=False, allow_infinity=False), DECIMALS)
def test_floats_and_decimals_keep_every_digit(received_at, price):
    quote = Quote("ETH", "s", "g", price, price, 1, received_at)
    back = thaw(Quote, msgspec.json.decode(msgspec.json.encode(quote)))
    assert repr(back) == repr(quote)
    assert thaw(OwnCheck, {"name": "x", "ours": "1E+2", "theirs": "1"}).ours == Decimal(100)
    assert thaw(datetime, "2026-01-02T03:04:05.000006Z").microsecond == 6


def _packed(content) -> bytes:
    import zlib

    return zlib.compress(msgspec.json.encode(content))
