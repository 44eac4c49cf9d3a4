"""Bands of advice belong to a portfolio; a band that makes no sense is named."""

from decimal import Decimal

import pytest

from aggregator.advice.model import Bands
from aggregator.advice.needs import bands_of
from aggregator.config import make_settings
from aggregator.errors import ConfigError

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
    [("health", "0.9"), ("coverage", "-1"), ("ratio", "-0.1"), ("ratio", "nan"), ("lcr", "1")],
)
def test_wrong_band_is_named(name, value):
    with pytest.raises(ConfigError, match=f"portfolios.desk.target.{name}"):
        settings({name: value})
