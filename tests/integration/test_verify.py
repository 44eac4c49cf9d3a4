"""The model against the venues' own contracts: the whole cast under every named scenario, on forks."""

import json

import pytest
from typer.testing import CliRunner

from aggregator.devnet_settings import devnet_settings
from aggregator.verify.compare import TOLERANCE
from aggregator.verify.run import verify
from aggregator.verify.scenarios import Scenario, choose, load_scenarios
from aggregator.wiring import wire
from api.cli.main import app
from chains.devnet import anvil
from chains.devnet.cast import MEMBERS

pytestmark = pytest.mark.devnet
SCENARIOS = tuple(load_scenarios())
VENUES = ("aave-v3", "lyra-v1", "morpho-blue", "perp-v2", "synthetix-perps-v2")
WITHOUT_RULE = {"empty"}
"""Members of the cast that have nothing that a venue could liquidate."""


async def verified(world, scenarios: tuple[Scenario, ...]):
    async with wire(devnet_settings(world.state_dir)) as wired:
        return await verify(wired, wired.cycle.portfolios, scenarios)


def heads(world):
    return {
        chain: anvil.rpc(url, "eth_getBlockByNumber", "latest", False)["hash"]
        for chain, url in world.rpc_urls.items()
    }


@pytest.fixture(scope="module")
async def matrix(devnet):
    before = heads(devnet)
    outcome = await verified(devnet, choose(()))
    assert heads(devnet) == before, "the chains that were forked have moved"
    return outcome


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_model_is_contract(matrix, scenario, venue):
    rows = [row for row in matrix.rows if (row.scenario, row.venue) == (scenario, venue)]
    assert rows
    for row in rows:
        assert row.ok, (row.account, row.problem)
        assert row.rel_error < TOLERANCE
        assert row.contract_liquidatable is not None
        assert row.model_liquidatable == row.contract_liquidatable


def test_matrix_holds_the_whole_cast(matrix):
    assert matrix.ok
    names = {name for row in matrix.rows for name in row.portfolios}
    assert {member.name for member in MEMBERS} - names <= WITHOUT_RULE
    assert len({(row.account, row.venue, row.sub_account) for row in matrix.rows}) * len(SCENARIOS) == len(
        matrix.rows
    )


def test_scenarios_bite(matrix):
    """Each of them changes somebody's fate or at least somebody's surplus, and crashes kill more the deeper."""
    killed = dict.fromkeys(SCENARIOS, 0)
    moved = dict.fromkeys(SCENARIOS, 0)
    for row in matrix.rows:
        killed[row.scenario] += bool(row.contract_liquidatable) and row.before.surplus_usd >= 0
        moved[row.scenario] += abs(row.contract.surplus_usd - row.before.surplus_usd) > 1
    assert killed["crash-10"] < killed["crash-20"] < killed["crash-40"]
    assert all(killed[name] for name in ("rally-20", "btc-only", "depeg"))
    assert all(moved.values())


def test_only_a_pool_keeps_a_price_off_its_scenario(matrix):
    off = {row.venue for row in matrix.rows if row.price_basis == "venue"}
    assert off == {"perp-v2"}
    assert max(row.price_gap for row in matrix.rows) < 1e-4


async def test_odd_moves_stay_exact(devnet):
    """Prices that no feed can say exactly: the last digit is the feed's, the figures are still the contract's."""
    outcome = await verified(devnet, choose(["spot=-12.3456789%,BTC=3.1%,USDC=-0.123456%,stable=0.01%"]))
    assert outcome.ok, [row.problem for row in outcome.rows if not row.ok]


def run(devnet, *arguments: str):
    return CliRunner().invoke(app, ["verify", *arguments, "--devnet", str(devnet.state_dir)])


def test_command_proves_one_portfolio(devnet):
    result = run(devnet, "thin-borrower", "-s", "crash-20", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    (row,) = answer["rows"]
    assert (row["venue"], row["chain"], row["contract_liquidatable"]) == ("aave-v3", "eip155:42161", True)
    # 50 WETH x 2400 x 0.83 - 120,600
    assert row["contract"]["surplus_usd"] == pytest.approx(-21_000, abs=5)
    assert answer["ok"]
    assert set(answer["blocks"]) >= {"eip155:42161"}


def test_command_fails_where_a_contract_does_not_answer(devnet):
    """A fall that Synthetix takes for a broken feed: Lyra refuses to price, which proves nothing."""
    result = run(devnet, "short-strangle", "-s", "spot=-97%", "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)["rows"]
    assert any("stale or invalid" in row["problem"] for row in rows if row["venue"] == "lyra-v1")


def test_command_wants_one_subject(devnet):
    assert run(devnet).exit_code != 0
    assert run(devnet, "thin-borrower", "--all").exit_code != 0
