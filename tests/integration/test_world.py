"""The devnet as a whole: complete, quick enough, moved by its tape, attachable, and gone when stopped."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from chains.caip import ChainId, chain_id, erc20
from chains.deployments import ChainDeployment
from chains.deployments_file import load_deployments
from chains.devnet import control, pyth, sequencer, tape, uniswap, worldfile
from chains.devnet.anvil import AnvilError, free_port, rpc
from chains.devnet.cast import MEMBERS, POCKET_WEI
from chains.devnet.chain_world import CHAINS, MARK_WINDOW_S, STALE_CHAIN, STALE_KEY, fresh_keys
from chains.devnet.clock import chain_s, wall_s
from chains.devnet.world import World, attach
from chains.devnet.worldfile import NodeInfo, NoWorld

pytestmark = pytest.mark.devnet


def addresses(deployment: ChainDeployment) -> Iterator[tuple[str, str]]:
    feeds = deployment.feeds
    yield "multicall3", deployment.multicall3
    yield from (
        (info.symbol, info.asset.partition("/erc20:")[2]) for info in deployment.assets if "erc20" in info.asset
    )
    for venue, contracts in deployment.venues.items():
        yield from ((f"{venue}.{name}", address) for name, address in contracts.items())
    yield from ((f"chainlink {feed.price_key}", feed.proxy) for feed in feeds.chainlink)
    yield from ((f"twap {pool.price_key}", pool.pool) for pool in feeds.twap)
    assert feeds.pyth is not None
    yield "pyth", feeds.pyth.contract
    if feeds.sequencer_uptime is not None:
        yield "sequencer", feeds.sequencer_uptime


def round_of(world: World, number: int, key: str) -> tuple[Decimal, int]:
    _, answer, _, updated_at, _ = world.chains[number].ctx.feeds[key].functions.latestRoundData().call()
    return Decimal(answer).scaleb(-8), updated_at


def pyth_price(world: World, number: int, key: str) -> tuple[Decimal, int]:
    contract = world.chains[number].ctx.extra[pyth.EXTRA]
    price, _, expo, published = contract.functions.getPriceUnsafe(pyth.price_id(key)).call()
    return Decimal(price).scaleb(expo), published


def test_every_address_has_code(devnet: World) -> None:
    assert set(devnet.deployments) == {chain_id(number) for number in CHAINS}
    for chain, deployment in devnet.deployments.items():
        url = devnet.rpc_urls[chain]
        for name, address in addresses(deployment):
            assert len(rpc(url, "eth_getCode", address, "latest")) > 10, (chain, name)


def test_venues_are_where_they_belong(devnet: World) -> None:
    venues = {number: set(devnet.deployments[chain_id(number)].venues) for number in CHAINS}
    everywhere = {"aave-v3", "across", "uniswap-v3"}
    assert venues == {
        1: everywhere,
        42161: {*everywhere, "perp-v2"},
        10: {*everywhere, "perp-v2", "synthetix-perps-v2", "lyra-v1"},
        8453: {*everywhere, "morpho-blue"},
    }
    l2 = {number for number in CHAINS if devnet.deployments[chain_id(number)].feeds.sequencer_uptime}
    assert l2 == set(sequencer.L2_CHAINS)


def test_build_time(devnet: World, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stderr.write("\n" + "\n".join(control.stage_lines(devnet)) + "\n")
    assert max(sum(stages.values()) for stages in devnet.stages.values()) < 30


def test_clocks_run_with_the_machine(devnet: World) -> None:
    devnet.refresh()
    for world in devnet.chains.values():
        assert abs(chain_s(world.ctx) - wall_s()) <= 2


def test_heads_stand_at_one_time_after_all_that_is_done(devnet_snapshot: World) -> None:
    def heads() -> set[int]:
        urls = devnet_snapshot.rpc_urls.values()
        return {int(rpc(url, "eth_getBlockByNumber", "latest", False)["timestamp"], 16) for url in urls}

    assert len(heads()) == 1
    tape.play(devnet_snapshot, "bridge-outage")
    assert len(heads()) == 1
    devnet_snapshot.refresh()
    assert len(heads()) == 1


def test_perp_marks_follow_within_their_window(devnet_snapshot: World) -> None:
    tape.play(devnet_snapshot, "crash-2")
    devnet_snapshot.pass_time(MARK_WINDOW_S + 1)
    for chain in devnet_snapshot.chains.values():
        for key, market in chain.perp.markets.items() if chain.perp is not None else ():
            mark = chain.perp.contracts["account_balance"].functions.getMarkPrice(market.base.address).call()
            assert abs(Decimal(mark).scaleb(-18) / chain.ctx.prices[key] - 1) < Decimal("1e-3")


def test_nobody_is_rich_in_ether_by_accident(devnet: World) -> None:
    for portfolio in devnet.portfolios:
        for account in portfolio.accounts:
            chain, _, address = account.rpartition(":")
            wei = int(rpc(devnet.rpc_urls[ChainId(chain)], "eth_getBalance", address, "latest"), 16)
            assert wei == (0 if portfolio.name == "empty" else POCKET_WEI)


def test_all_feeds_are_fresh_but_one(devnet: World) -> None:
    for number in CHAINS:
        for feed in devnet.deployments[chain_id(number)].feeds.chainlink:
            _, updated_at = round_of(devnet, number, feed.price_key)
            stale = wall_s() - updated_at > feed.heartbeat_s
            assert stale == (feed.price_key == STALE_KEY), (number, feed.price_key)
    quoting = [n for n in CHAINS if STALE_KEY in devnet.chains[n].ctx.feeds]
    assert quoting == [STALE_CHAIN]
    assert not any(STALE_KEY in devnet.deployments[chain_id(n)].feeds.pyth.ids for n in CHAINS)  # type: ignore[union-attr]


def test_refresh_renews_rounds_at_the_same_price(devnet: World) -> None:
    before = {(n, key): round_of(devnet, n, key) for n in CHAINS for key in fresh_keys(n)}
    link = round_of(devnet, STALE_CHAIN, STALE_KEY)
    time.sleep(1.1)
    devnet.refresh()
    for (number, key), (price, updated_at) in before.items():
        assert round_of(devnet, number, key)[0] == price
        assert round_of(devnet, number, key)[1] > updated_at
        assert pyth_price(devnet, number, key)[1] > updated_at
    assert round_of(devnet, STALE_CHAIN, STALE_KEY) == link


def test_every_fresh_price_has_two_sources_somewhere(devnet: World) -> None:
    kinds: Counter[str] = Counter()
    for deployment in devnet.deployments.values():
        assert deployment.feeds.pyth is not None
        kinds.update({feed.price_key for feed in deployment.feeds.chainlink} & set(deployment.feeds.pyth.ids))
    registered = {info.price_key for deployment in devnet.deployments.values() for info in deployment.assets}
    assert registered - {STALE_KEY} == set(kinds)


def test_cast_has_every_kind_of_portfolio(devnet: World) -> None:
    assert len(devnet.portfolios) == len(MEMBERS) >= 12
    assert len({p.name for p in devnet.portfolios}) == len(MEMBERS)
    accounts = [account for portfolio in devnet.portfolios for account in portfolio.accounts]
    assert len(accounts) == len(set(accounts)) == 4 * sum(len(member.addresses) for member in MEMBERS)


def test_underwater_is_liquidatable_and_thin_is_not(devnet: World) -> None:
    def health(name: str, number: int) -> Decimal:
        portfolio = next(p for p in devnet.portfolios if p.name == name)
        user = portfolio.accounts[0].rpartition(":")[2]
        aave = devnet.chains[number].aave
        assert aave is not None
        return Decimal(aave.pool.functions.getUserAccountData(user).call()[5]).scaleb(-18)

    assert health("underwater", 8453) < 1
    assert 1 < health("thin-borrower", 42161) < Decimal("1.05")


@pytest.mark.parametrize("step", tape.STEPS, ids=lambda step: step.name)
def test_step_moves_every_feed(devnet_snapshot: World, step: tape.Step) -> None:
    world = devnet_snapshot
    tape.play(world, step)
    assert worldfile.read(world.state_dir).step == step.name
    assert worldfile.read(world.state_dir).paused_bridges == step.paused_bridges
    for number, chain in world.chains.items():
        for key, price in step.prices.items():
            assert round_of(world, number, key)[0] == price
            assert pyth_price(world, number, key)[0] == price
        for key, pool in chain.ctx.extra[uniswap.EXTRA].pools.items():
            ratio = chain.ctx.prices[key] / chain.ctx.prices["USDC"]
            assert abs(uniswap.spot(pool) / ratio - 1) < Decimal("1e-9"), (number, key)
        if chain.perp is not None:
            for key, market in chain.perp.markets.items():
                mark = (Decimal(market.pool.functions.slot0().call()[0]) / 2**96) ** 2
                assert abs(mark / chain.ctx.prices[key] - 1) < Decimal("1e-4"), (number, key)
        assert chain.across is not None
        assert chain.across.pool.functions.pausedFills().call() == ("across" in step.paused_bridges)


def test_crash_brings_liquidations(devnet_snapshot: World) -> None:
    aave = devnet_snapshot.chains[42161].aave
    thin = next(p for p in devnet_snapshot.portfolios if p.name == "thin-borrower").accounts[0].rpartition(":")[2]
    tape.play(devnet_snapshot, "crash")
    assert aave is not None
    assert aave.pool.functions.getUserAccountData(thin).call()[5] < 10**18


def test_revert_puts_back_chain_prices_and_file(devnet: World) -> None:
    before = (devnet.file, {n: dict(chain.ctx.prices) for n, chain in devnet.chains.items()})
    taken = devnet.snapshot()
    tape.play(devnet, "bridge-outage")
    assert devnet.file != before[0]
    devnet.revert(taken)
    assert (worldfile.read(devnet.state_dir), {n: c.ctx.prices for n, c in devnet.chains.items()}) == before
    assert round_of(devnet, 1, "ETH")[0] == before[1][1]["ETH"]


def test_another_process_plays_the_tape(devnet_snapshot: World) -> None:
    code = (
        "import sys; from pathlib import Path; from chains.devnet import control;"
        "control.tape(Path(sys.argv[1]), ['crash-1'], on_step=print)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(devnet_snapshot.state_dir)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("crash-1: ")
    assert round_of(devnet_snapshot, 10, "ETH")[0] == Decimal(2760)
    assert worldfile.read(devnet_snapshot.state_dir).step == "crash-1"


def test_attached_world_knows_what_the_builder_knows(devnet: World) -> None:
    other = attach(devnet.state_dir)
    assert other.deployments == devnet.deployments
    assert other.portfolios == devnet.portfolios
    assert load_deployments(worldfile.path_of(devnet.state_dir)) == devnet.deployments
    for number, chain in devnet.chains.items():
        assert other.chains[number].ctx.prices == chain.ctx.prices
        assert other.chains[number].venues == chain.venues
    token = other.chains[1].ctx.tokens["WETH"].address
    assert any(info.asset == erc20(chain_id(1), token) for info in other.deployments[chain_id(1)].assets)


def test_sequencer_goes_down_and_up(devnet_snapshot: World) -> None:
    ctx = devnet_snapshot.chains[10].ctx
    feed = ctx.extra[sequencer.EXTRA]
    assert feed.functions.latestRoundData().call()[1] == 0
    sequencer.set_down(ctx, True)
    assert feed.functions.latestRoundData().call()[1] == 1
    sequencer.set_down(ctx, False)
    assert feed.functions.latestRoundData().call()[1] == 0


def test_up_status_down_leave_nothing(tmp_path: Path) -> None:
    world = control.up(tmp_path, block_time_s=1)
    try:
        rows = control.status(tmp_path)
        assert [row.running for row in rows] == [True] * 4
        with pytest.raises(control.AlreadyUp, match="devnet down"):
            control.up(tmp_path)
        time.sleep(2.2)
        later = control.status(tmp_path)
        assert all(b.block > a.block for a, b in zip(rows, later, strict=True) if a.block and b.block)
        assert len(control.down(tmp_path)) == 4
        assert all(node.process.wait(5) is not None for node in world.anvils)
        with pytest.raises(NoWorld, match="devnet up"):
            control.status(tmp_path)
        assert list(tmp_path.iterdir()) == []
    finally:
        world.stop()


def test_down_spares_a_process_that_is_not_anvil() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)", "--port", "8545"])
    try:
        assert not control.is_ours(NodeInfo(chain_id(1), "ethereum", 8545, sleeper.pid))
        assert not control.is_ours(NodeInfo(chain_id(1), "ethereum", 8545, 2**22 - 1))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_attaching_to_a_dead_chain_says_so(devnet: World, tmp_path: Path) -> None:
    file = worldfile.read(devnet.state_dir)
    gone = tuple(NodeInfo(info.chain, info.name, free_port(), info.pid) for info in file.nodes)
    content = {name: getattr(file, name) for name in file.__dataclass_fields__} | {"nodes": gone}
    worldfile.write(tmp_path, worldfile.WorldFile(**content))
    (tmp_path / "handles.json").write_bytes((devnet.state_dir / "handles.json").read_bytes())
    with pytest.raises(AnvilError, match="ethereum: nothing answers on port"):
        attach(tmp_path)
