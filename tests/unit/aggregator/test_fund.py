"""How much is taken from whom to fund an account."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from aggregator.advice import fund
from chains.accounts import PositionKind
from risk.latency import AT_ONCE
from tests.kit.world import CHAINS, holding

ONE = CHAINS[0]


@pytest.fixture
def taken(monkeypatch):
    """Dollars that each source would send, by source."""
    sent: list[tuple[str, Decimal]] = []

    def send(scene, need, source, token, leg, usd, quoted_at):
        sent.append((source.leg, usd))
        yield None, ()

    owed = SimpleNamespace(kind=PositionKind.DEBT)
    monkeypatch.setattr(fund, "_send", send)
    monkeypatch.setattr(fund, "both_days", lambda *_: AT_ONCE)
    monkeypatch.setattr(fund, "draft", lambda *given: given[-1])
    monkeypatch.setattr(fund.moves, "target", lambda *_: (SimpleNamespace(symbol="USDC"), owed))
    return sent


def source(holder, leg, usd, free):
    return fund._Source(holder, None, leg, Decimal(free), Decimal(usd), AT_ONCE, AT_ONCE, None, None)


def covered(monkeypatch, need_usd, *sources):
    monkeypatch.setattr(fund, "_sources", lambda *_, **__: list(sources))
    owing = SimpleNamespace(account=SimpleNamespace(at=SimpleNamespace(chain=ONE)), usd=Decimal(need_usd))
    return fund._fund(SimpleNamespace(deployments={ONE: None}), owing, {}, others=True)


def test_two_tokens_of_one_holder_share_what_may_leave_it(monkeypatch, taken):
    """Each alone could give 800; the holder's venue, or its own horizon, lets 1,000 go in all."""
    rich = holding(ONE, "USDC", "2000")
    both = (source(rich, "USDC", 800, 1000), source(rich, "DAI", 800, 1000))
    assert covered(monkeypatch, 5000, *both) == 1000
    assert taken == [("USDC", 800), ("DAI", 200)]


def test_two_ways_of_one_token_are_not_two_tokens(monkeypatch, taken):
    rich, other = holding(ONE, "USDC", "2000"), holding(CHAINS[1], "USDC", "2000")
    ways = [source(rich, "fast", 500, 500), source(rich, "slow", 500, 500), source(other, "last", 300, 300)]
    assert covered(monkeypatch, 5000, *ways) == 800
    assert taken == [("fast", 500), ("last", 300)]
