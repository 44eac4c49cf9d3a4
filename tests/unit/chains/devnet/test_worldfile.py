"""``world.json`` comes back as written, never half written, and refuses what is not ours."""

from dataclasses import replace
from pathlib import Path

import pytest

from chains.caip import AccountId, Address, ChainId
from chains.deployments import ChainDeployment
from chains.deployments_file import BadDeployments
from chains.devnet import worldfile
from chains.devnet.worldfile import NodeInfo, NoWorld, Portfolio, WorldFile

CHAIN = ChainId("eip155:1")
A = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
WORLD = WorldFile(
    worldfile.FORMAT, 1_700_000_000, None, "start", ("across",),
    (NodeInfo(CHAIN, "ethereum", 8545, 1234),),
    (Portfolio("empty", "nothing", (AccountId(f"{CHAIN}:{A}"),)),),
    {CHAIN: ChainDeployment(CHAIN, "ethereum", A, ())},
)  # fmt: skip


def test_comes_back_as_written(tmp_path: Path) -> None:
    worldfile.write(tmp_path / "deep" / "state", WORLD)
    assert worldfile.read(tmp_path / "deep" / "state") == WORLD
    assert [path.name for path in (tmp_path / "deep" / "state").iterdir()] == ["world.json"]


def test_a_second_write_replaces_the_first(tmp_path: Path) -> None:
    worldfile.write(tmp_path, WORLD)
    worldfile.write(tmp_path, replace(WORLD, step="calm", block_time_s=2))
    assert worldfile.read(tmp_path).step == "calm"
    assert worldfile.read(tmp_path).block_time_s == 2


def test_no_world_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NoWorld, match="crossmargin devnet up"):
        worldfile.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "format"),
        ('{"format": 99}', "format: expected 1"),
        ('{"format": 1}', "deployments"),
    ],
)
def test_what_is_not_ours_is_refused(tmp_path: Path, text: str, message: str) -> None:
    worldfile.path_of(tmp_path).write_text(text)
    with pytest.raises(BadDeployments, match=message):
        worldfile.read(tmp_path)


def test_unknown_chain_has_no_node() -> None:
    assert WORLD.node(CHAIN).http_url == "http://127.0.0.1:8545"
    with pytest.raises(KeyError):
        WORLD.node(ChainId("eip155:10"))
