"""Scenarios as people write them, and when a comparison proves something and when it does not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.config import make_settings
from aggregator.errors import ConfigError
from aggregator.factors import load_factors
from aggregator.registry import AssetRegistry
from aggregator.verify.compare import Subject, comparable, compare, unread
from aggregator.verify.run import fork_spec
from aggregator.verify.scenarios import BadScenario, choose, load_scenarios
from chains.accounts import OwnCheck, Position, PositionKind, ReadFailure, VenueAccount, VenueId
from chains.caip import AccountId, Address, chain_id, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.instruments import Exposure, Fixed, Spot
from chains.types import BlockRef, Finality

CHAIN = chain_id(1)
WETH, USDC = (erc20(CHAIN, Address(f"0x{digit * 40}")) for digit in "12")
ASSETS = (AssetInfo(WETH, "WETH", 18, "ETH", "ETH"), AssetInfo(USDC, "USDC", 6, "USDC", "USDC", peg="USD"))
REGISTRY = AssetRegistry.of([ChainDeployment(CHAIN, "one", Address("0x" + "0" * 40), ASSETS)])
PARAMS = load_factors()
AT = BlockRef(CHAIN, 7, "0x07", "0x06", 1_700_000_000, Finality.LATEST)


def loan(
    price: str, *, equity: str | None = None, liquidatable: bool | None = None, error: str = "0"
) -> VenueAccount:
    """10 WETH at 80 % against 20,000 USDC."""
    worth = Decimal(price) * 8
    stated = worth if equity is None else Decimal(equity)
    return VenueAccount(
        account=AccountId(f"{CHAIN}:0x{'3' * 40}"),
        venue=VenueId("aave-v3"),
        sub_account="",
        at=AT,
        positions=(Position(PositionKind.COLLATERAL, WETH, "WETH", 10**19, 18, Decimal(price)),),
        exposures=(
            Exposure(Spot(WETH, Decimal(price)), value=Decimal(10), equity=Decimal(8)),
            Exposure(Spot(USDC, Decimal(1)), value=Decimal(-20_000), requirement=Decimal(20_000)),
        ),
        equity_usd=stated,
        mm_requirement_usd=Decimal(20_000),
        checks=(OwnCheck("health", Decimal(1) + Decimal(error), Decimal(1)),),
        liquidatable=stated < 20_000 if liquidatable is None else liquidatable,
    )


def row(after: VenueAccount | None, move: str = "-0.2"):
    subject = Subject(loan("3000"), ("desk",))
    return compare(subject, after, "s", {"ETH": Decimal(move)}, REGISTRY, PARAMS)


def test_same_figures_prove_the_model():
    found = row(loan("2400"))
    assert found.ok
    assert found.rel_error == 0
    assert found.price_basis == "scenario"
    assert found.model.surplus_usd == found.contract.surplus_usd == -800
    assert found.model_liquidatable is found.contract_liquidatable is True


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (loan("2400", equity="19200.001"), "relative error"),
        (loan("2400", liquidatable=False), "the contract says not liquidatable"),
        (loan("2410"), "off the scenario's"),
        (loan("3000"), "off the scenario's"),
        (loan("2400", error="1e-6"), "relative error"),
        (None, "gone"),
    ],
    ids=["figure", "verdict", "price", "not moved", "own check", "gone"],
)
def test_any_difference_is_a_failure(after, says):
    found = row(after)
    assert not found.ok
    assert says in found.problem


def test_a_price_off_by_a_tick_is_taken_as_the_venue_sees_it_and_said():
    found = row(loan("2400.1"))
    assert found.ok
    assert found.price_basis == "venue"
    assert found.price_gap == pytest.approx(0.1 / 2400)
    assert found.model.equity_usd == pytest.approx(2400.1 * 8)


def test_losses_beyond_the_equity_are_written_off_where_the_contract_does_so():
    """An isolated account below zero: its contract says 0, the linear model says less; both say liquidatable."""
    before, after = loan("3000"), loan("2400")
    owing = replace(before, exposures=(*before.exposures, Exposure(Fixed(), equity=Decimal(-22_000))))
    owing = replace(owing, equity_usd=Decimal(2_000))
    lost = replace(after, exposures=(*after.exposures, owing.exposures[-1]), equity_usd=Decimal(0))
    found = compare(Subject(owing, ()), lost, "s", {"ETH": Decimal("-0.2")}, REGISTRY, PARAMS)
    assert found.ok, found.problem
    assert found.model.equity_usd == 0


def test_an_account_that_the_model_cannot_value_proves_nothing():
    unknown = erc20(CHAIN, Address("0x" + "4" * 40))
    account = replace(loan("3000"), exposures=(Exposure(Spot(unknown, Decimal(1)), equity=Decimal(1)),))
    found = compare(Subject(account, ()), account, "s", {}, REGISTRY, PARAMS)
    assert not found.ok
    assert "not registered" in found.problem
    failure = ReadFailure(account.account, account.venue, "reverted", "no")
    assert not unread(failure, (), "s").ok


def test_only_accounts_with_a_rule_are_compared():
    assert comparable(loan("3000"))
    assert not comparable(replace(loan("3000"), equity_usd=None))
    assert not comparable(replace(loan("3000"), checks=(), liquidatable=None))


def moves(text: str) -> dict[str, Decimal]:
    (scenario,) = choose([text])
    return scenario.moves(PARAMS)


def test_moves_are_read_as_people_write_them():
    assert moves("spot=-20%,ETH=-30%")["ETH"] == Decimal("-0.3")
    assert moves("spot=-20%,ETH=-30%")["BTC"] == Decimal("-0.2")
    assert moves("USDC=-7 %") == {"USDC": Decimal("-0.07")}
    assert moves("ETH=-0.25") == {"ETH": Decimal("-0.25")}
    assert set(moves("stable=1%")) == set(PARAMS.stable)
    assert "ETH" not in moves("spot=-20%,ETH=0%")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crash-99", "is none of crash-10"),
        ("spot=down", "expected a move"),
        ("spot=-100%", "above -100%"),
        ("ETH=nan", "above -100%"),
        ("ETH=2000%", "up to 1000%"),
        ("spot=-1%,crypto=-2%", "moved twice"),
        ("DOGE=-1%", "'DOGE' is not a factor"),
    ],
)
def test_wrong_moves_are_named(text, says):
    with pytest.raises(BadScenario, match=says):
        moves(text)


def test_named_scenarios_all_move_something():
    named = load_scenarios()
    assert {"crash-10", "crash-20", "crash-40", "rally-20", "btc-only", "depeg"} <= set(named)
    assert all(scenario.moves(PARAMS) and scenario.about for scenario in named.values())
    assert choose(()) == tuple(named.values())


def test_chains_are_forked_from_their_first_http_endpoint():
    def settings(*urls: str):
        return make_settings({"deployments": "w.json", "chains": {"1": {"rpc_urls": urls}}}, "t")

    assert fork_spec(settings("wss://a.example", "https://b.example/k"), CHAIN).url == "https://b.example/k"
    with pytest.raises(ConfigError, match=r"eip155:1\.rpc_urls"):
        fork_spec(settings("wss://a.example"), CHAIN)
