"""Forks: of a chain at a block, with the endpoint's URL kept from others; of a whole devnet, for the service."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.errors import ServiceError
from aggregator.wiring import wire
from api.cli.main import app
from chains.devnet import anvil, control, worldfile
from chains.devnet.errors import AlreadyUp
from chains.devnet.worldfile import NoWorld
from chains.errors import ChainError, EndpointUnreachable, WrongChainId
from chains.forks import control as forks_control
from chains.forks import node
from chains.forks.spec import BadFork, ForkSpec

pytestmark = pytest.mark.devnet
ARBITRUM, BASE = "eip155:42161", "eip155:8453"
SECRET = "s3cr3t-key-of-a-provider"


def rpc(fork, method, *params):
    return anvil.rpc(fork.node.http_url, method, *params)


@pytest.fixture
def started(devnet):
    """Starts forks of the devnet's chains and ends them."""
    running = []

    def start(*specs: ForkSpec) -> node.Forks:
        running.append(node.start(specs))
        return running[-1]

    yield start
    for forks in running:
        forks.stop()


def test_fork_is_the_chain_and_lives_alone(devnet, started):
    url = devnet.rpc_urls[BASE]
    fork = started(ForkSpec(BASE, url)).by_chain[BASE]
    weth = devnet.chains[8453].ctx.token("WETH")
    origin = anvil.rpc(url, "eth_getBlockByNumber", "latest", False)
    assert rpc(fork, "eth_getBlockByNumber", "latest", False)["hash"] == origin["hash"]
    assert rpc(fork, "eth_getCode", weth, "latest") == anvil.rpc(url, "eth_getCode", weth, "latest")
    rpc(fork, "anvil_setCode", weth, "0x00")
    rpc(fork, "evm_mine")
    assert anvil.rpc(url, "eth_getBlockByNumber", "latest", False)["hash"] == origin["hash"]
    assert anvil.rpc(url, "eth_getCode", weth, "latest") != "0x00"


def test_fork_of_a_block_stays_in_its_time(devnet, started):
    url = devnet.rpc_urls[BASE]
    block = int(anvil.rpc(url, "eth_blockNumber"), 16) - 3
    fork = started(ForkSpec(BASE, url, block)).by_chain[BASE]
    assert fork.block == block == int(rpc(fork, "eth_blockNumber"), 16)


def test_nobody_sees_the_url_of_an_endpoint(devnet, started):
    """anvil gets a relay's port; not even its own description of the fork holds the key."""
    forks = started(ForkSpec(BASE, f"{devnet.rpc_urls[BASE]}/?key={SECRET}"))
    fork = forks.by_chain[BASE]
    assert forks.relay is not None
    pids = (fork.node.process.pid, forks.relay.process.pid)
    lines = [Path(f"/proc/{pid}/{name}").read_text() for pid in pids for name in ("cmdline", "environ")]
    assert not any(SECRET in line for line in lines)
    assert SECRET not in json.dumps(rpc(fork, "anvil_nodeInfo"))
    assert SECRET not in repr(ForkSpec(BASE, f"http://x/?key={SECRET}"))
    weth = devnet.chains[8453].ctx.token("WETH")
    assert len(rpc(fork, "eth_getCode", weth, "latest")) > 100
    forks.stop()
    assert forks.relay.process.poll() is not None


def test_endpoint_that_cannot_be_forked_is_named_by_its_chain(devnet):
    with pytest.raises(WrongChainId, match="8453: the endpoint serves chain 42161"):
        node.start([ForkSpec(BASE, devnet.rpc_urls[ARBITRUM])])
    dead = f"http://127.0.0.1:{anvil.free_port()}"
    for url in (dead, f"{dead}/v2/{SECRET}"):
        with pytest.raises(EndpointUnreachable, match=BASE) as caught:
            node.start([ForkSpec(BASE, url)])
        assert SECRET not in str(caught.value)
        assert dead not in str(caught.value)
    with pytest.raises(EndpointUnreachable, match="no block 99999999"):
        node.start([ForkSpec(BASE, devnet.rpc_urls[BASE], 99_999_999)])


async def reports(folder):
    async with wire(devnet_settings(folder)) as wired:
        return {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}


async def test_service_runs_on_forks_unchanged(devnet, tmp_path):
    """The same cast, and what happens on the forks stays there; the files are for their owner."""
    folder = tmp_path / "forks"
    forks = forks_control.up_from_devnet(folder, devnet.state_dir)
    try:
        with pytest.raises(AlreadyUp, match="crossmargin fork down"):
            forks_control.up_from_devnet(folder, devnet.state_dir)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(row.running for row in forks_control.status(folder))
        await asyncio.to_thread(control.tape, folder, ["crash-2"])
        there, here = await reports(folder), await reports(devnet.state_dir)
        assert set(there) == set(here)
        assert there["thin-borrower"].status == "LIQUIDATABLE" != here["thin-borrower"].status
        # 50 WETH x 2550 x 0.83 less the debt
        (line,) = [line for line in there["thin-borrower"].venues if line.venue == "aave-v3"]
        assert line.equity_usd == 105_825
        worst = max(line.model_vs_venue_rel_error or 0 for r in there.values() for line in r.venues)
        assert worst < 1e-9
    finally:
        ended = forks_control.down(folder)
        forks.stop()
    assert len(ended) == 4
    assert not any(control.is_ours(info) for info in ended)
    with pytest.raises(NoWorld, match="crossmargin fork up"):
        forks_control.status(folder)


def test_forks_of_public_chains_keep_every_default(devnet, tmp_path):
    """Not a devnet: no grace is waived and no bridge is assumed; the relay ends with the forks."""
    file = worldfile.read(devnet.state_dir)
    specs = [ForkSpec(BASE, f"{devnet.rpc_urls[BASE]}/?key={SECRET}")]
    with pytest.raises(BadFork, match="no deployment"):
        forks_control.up(tmp_path, specs, {})
    forks = forks_control.up(tmp_path, specs, file.deployments, file.portfolios[:1])
    try:
        settings = devnet_settings(tmp_path)
        assert set(settings.chains) == {BASE}
        assert settings.prices.sequencer_grace_s == 3600
        assert settings.model.bridges == ()
        assert SECRET not in "".join(path.read_text() for path in tmp_path.iterdir())
    finally:
        forks_control.down(tmp_path)
        forks.relay.process.wait(5)
        forks.stop()
    with pytest.raises(NoWorld, match="use `crossmargin devnet`"):
        forks_control.down(devnet.state_dir)


def crossmargin(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_command_forks_watches_and_forgets(devnet, tmp_path):
    """From a variable that holds the URL to a margin report of an account on the fork, and away again."""
    world, folder = worldfile.path_of(devnet.state_dir), str(tmp_path / "forks")
    (borrower,) = [p for p in devnet.portfolios if p.name == "thin-borrower"]
    address = borrower.accounts[0].rpartition(":")[2]
    environment = {**os.environ, "MY_RPC": f"{devnet.rpc_urls[ARBITRUM]}/?key={SECRET}"}
    command = [
        sys.executable, "-c", "from api.cli.main import main; main()", "fork", "up",
        "--chain", f"{ARBITRUM}=env:MY_RPC", "--deployments", str(world), "--portfolio", f"me={address}",
        "--state", folder,
    ]  # fmt: skip
    up = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    try:
        assert up.returncode == 0, up.stderr
        assert f"{ARBITRUM}  http://127.0.0.1:" in up.stdout
        assert crossmargin("fork", "status", "--state", folder).exit_code == 0
        told = crossmargin("margin", "me", "--devnet", folder, "--json")
        (line,) = [v for v in json.loads(told.stdout)["venues"] if v["venue"] == "aave-v3"]
        assert float(line["equity_usd"]) == 124_500  # 50 WETH x 3000 x 0.83
        assert SECRET not in up.stdout + up.stderr + told.stdout + told.stderr
    finally:
        assert crossmargin("fork", "down", "--state", folder).exit_code == 0
    gone = crossmargin("fork", "status", "--state", folder)
    assert "crossmargin fork up" in str(gone.exception)


def test_command_forks_several_chains_each_at_its_block(devnet, tmp_path):
    world, folder = worldfile.path_of(devnet.state_dir), str(tmp_path / "forks")
    blocks = {
        chain: int(anvil.rpc(devnet.rpc_urls[chain], "eth_blockNumber"), 16) - back
        for chain, back in ((ARBITRUM, 5), (BASE, 9))
    }
    wanted = [f"--chain={chain}={devnet.rpc_urls[chain]}@{number}" for chain, number in blocks.items()]
    command = [sys.executable, "-c", "from api.cli.main import main; main()", "fork", "up", *wanted]
    command += ["--deployments", str(world), "--state", folder]
    up = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        assert up.returncode == 0, up.stderr
        found = worldfile.read(tmp_path / "forks")
        urls = {node.chain: node.http_url for node in found.nodes}
        assert set(urls) == set(blocks)
        for chain, number in blocks.items():
            there, here = (anvil.rpc(url, "eth_getBlockByNumber", hex(number), False)
                           for url in (devnet.rpc_urls[chain], urls[chain]))  # fmt: skip
            assert there["hash"] == here["hash"]
            assert int(anvil.rpc(urls[chain], "eth_blockNumber"), 16) == number
            assert anvil.rpc(urls[chain], "eth_chainId") == hex(int(chain.partition(":")[2]))
    finally:
        assert crossmargin("fork", "down", "--state", folder).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--chain", f"1=https://x.example/{SECRET}@x", "--chain", "1=https://y.example"], "asked for twice"),
        (["--chain", "424242=http://127.0.0.1:1"], "no deployment of it"),
        (["--chain", "1=env:NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        ([], "nothing to fork"),
        (["--portfolio", "me", "--chain", "1=http://127.0.0.1:1"], "expected NAME=ACCOUNT"),
    ],
)
def test_command_names_the_mistake(tmp_path, arguments, says):
    told = crossmargin("fork", "up", *arguments, "--state", str(tmp_path / "forks"))
    assert told.exit_code != 0
    assert isinstance(told.exception, (ChainError, ServiceError))
    assert says in str(told.exception)
    assert SECRET not in str(told.exception)
