"""Watches in the settings: package under settings under portfolio, and mistakes named before anything runs."""

from decimal import Decimal

import pytest

from aggregator.config import make_settings
from aggregator.errors import ConfigError
from aggregator.watches.rule import Severity

OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def book(watches=None, own=None):
    content = {
        "deployments": "world.json",
        "chains": {"eip155:1": {"rpc_urls": ["http://127.0.0.1:1"]}},
        "portfolios": {"desk": {"accounts": [OWNER], "watches": own or {}}, "other": {"accounts": [OWNER]}},
        "watches": watches or {},
    }
    return make_settings(content, "test.toml").watch_book


def test_the_portfolio_speaks_over_the_settings_and_these_over_the_package():
    found = book({"health": {"clear_cycles": 5, "cooldown_s": 7}}, {"health": {"clear_cycles": 9}})
    desk, other = found.of("desk")["health"], found.of("other")["health"]
    assert (desk.law.fall_cycles, desk.law.cooldown_s) == (9, 7)
    assert (other.law.fall_cycles, other.law.cooldown_s) == (5, 7)
    assert desk.levels == other.levels == book().of("desk")["health"].levels
    assert found.origin("desk", "health") == "settings"
    assert book().origin("desk", "health") == "package"


def test_one_threshold_replaces_all_levels():
    (level,) = book({"health": {"fire": 1.5}}).of("desk")["health"].levels
    assert (level.fire, level.clear, level.severity) == (Decimal("1.5"), Decimal("1.5"), Severity.WARNING)


def test_a_watch_is_switched_off_for_one_portfolio_only():
    found = book(own={"prices": {"enabled": False}})
    assert "prices" not in found.of("desk")
    assert "prices" in found.of("other")
    assert found.all("desk")["prices"].enabled is False


def test_quiet_hours_of_all_are_taken_away_for_one():
    quiet = {"status": {"quiet": {"start": "22:00", "end": "07:00", "zone": "Asia/Tokyo"}}}
    found = book(quiet, {"status": {"quiet_hours": False}})
    assert found.of("desk")["status"].quiet is None
    assert found.of("other")["status"].quiet.zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("watches", "says"),
    [
        ({"health": {"fires": 1}}, "watches.health.fires: Extra inputs are not permitted (not a setting"),
        (
            {"health": {"figure": "wealth"}},
            "watches.health.figure: Value error, no figure 'wealth'",
        ),
        ({"Health!": {"enabled": False}}, "watches.Health!"),
        ({"health": {"fire": 1.2, "clear": 1.1}}, "watches.health.clear: 1.1 must be at or above fire (1.2)"),
        ({"status": {"fire": "DOOM"}}, "watches.status.fire: expected one of SAFE, WATCH, BRIDGE_NOW"),
        ({"health": {"for_cycles": 0}}, "watches.health.for_cycles"),
        ({"health": {"quiet": {"start": "22:00", "end": "22:00"}}}, "watches.health.quiet.end"),
        ({"health": {"quiet": {"start": "22:00", "end": "7:00", "zone": "CEST5"}}}, "watches.health.quiet"),
    ],
)
def test_a_mistake_is_named(watches, says):
    with pytest.raises(ConfigError) as error:
        book(watches)
    assert says in str(error.value)
    with pytest.raises(ConfigError) as error:
        book(own=watches)
    assert "health" in str(error.value).lower() or "status" in str(error.value)
