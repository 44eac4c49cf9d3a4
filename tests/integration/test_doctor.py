"""The doctor over the devnet: every fault that is made is a failing line with its fix, and nothing else turns."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from aggregator.devnet_settings import devnet_settings
from aggregator.doctor.finding import Outcome
from aggregator.doctor.run import examine
from chains.caip import chain_id
from tests.kit.receivers import SECRET, Script, serving

pytestmark = pytest.mark.devnet
ARBITRUM, OPTIMISM = chain_id(42161), chain_id(10)
STALE = "price LINK from chainlink@eip155:1"
"""The cast has a feed that nobody updates."""


def hook(name: str, url: str, **more) -> dict:
    return {"name": name, "url": url, "secret": SECRET, "allow_private": True, "timeout_s": 5, **more}


async def lines_of(settings) -> dict:
    lines = await examine(settings)
    for line in lines:
        assert bool(line.fix) == (line.outcome is not Outcome.PASS)
        assert "127.0.0.1" not in line.detail + line.fix
    return {line.what: line for line in lines}


def failed(lines) -> set[str]:
    return {what for what, line in lines.items() if not line.ok}


async def test_every_fault_has_its_line(devnet, tmp_path):
    script = Script([204])
    database = f"sqlite+aiosqlite:///{tmp_path / 's.db'}"
    async with serving(script):
        plain = devnet_settings(devnet.state_dir, database=database, webhooks=[hook("up", script.url)])
        sound = await lines_of(plain)
        assert failed(sound) == {STALE}
        assert sound["webhooks.up: somebody listens"].outcome is Outcome.PASS
    chain = plain.chains[ARBITRUM].model_copy(update={"rpc_urls": plain.chains[OPTIMISM].rpc_urls})
    broken = plain.model_copy(
        update={
            "chains": {**plain.chains, ARBITRUM: chain},
            "deployments": bare(plain.deployments, tmp_path),
            "database": SecretStr("sqlite+aiosqlite:////no/such/folder/x.db"),
        }
    )
    lines = await lines_of(broken)
    more = failed(lines) - {STALE}
    assert f"chains.{ARBITRUM}: endpoint, chain id, multicall3" in more
    assert "serves eip155:10" in lines[f"chains.{ARBITRUM}: endpoint, chain id, multicall3"].detail
    assert f"chains.{ARBITRUM}: {plain.finality.value} block is fresh" in more
    (code,) = [what for what in more if what.startswith(f"chains.{OPTIMISM}: venue ")]
    assert BARE in lines[code].detail
    assert "database: reachable" in more
    assert "webhooks.up: somebody listens" in more  # it has stopped meanwhile
    voting = {what for what in sound if what.startswith("price ") and "from venue:" not in what}
    assert {what for what in voting if what.endswith(f"@{ARBITRUM}")} - {STALE} <= more
    assert any(what.endswith(f"@{ARBITRUM}") for what in voting)
    assert script.bodies == []


BARE = "0x00000000000000000000000000000000000ba4E5"


def bare(deployments: str, folder) -> str:
    """The deployments with an address of one venue at which there is nothing."""
    content = json.loads(Path(deployments).read_text())
    for found in content["deployments"]:
        if found["chain"] == OPTIMISM:
            venue = next(iter(found["venues"].values()))
            venue[next(iter(venue))] = BARE
    path = folder / "deployments.json"
    path.write_text(json.dumps(content))
    return str(path)
