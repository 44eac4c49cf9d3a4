"""``world.json``: what running local chains tell other processes. Reads without web3 and without the packages.

The chains are those of a devnet, or forks (``chains.forks``); who reads them need not care which.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from chains.caip import AccountId, ChainId
from chains.deployments import ChainDeployment
from chains.deployments_file import BadDeployments, parse_deployments, plain

NAME = "world.json"
FORMAT = 1


class NoWorld(Exception):
    """There is no devnet in the folder; says how to start one."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One anvil process."""

    chain: ChainId
    name: str
    port: int
    pid: int
    forked_block: int | None = None
    """Block that the chain was forked from; None for a chain of its own."""

    @property
    def http_url(self) -> str:
        """HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Portfolio:
    """One member of the cast: accounts margined together by one owner."""

    name: str
    about: str
    accounts: tuple[AccountId, ...]


@dataclass(frozen=True, slots=True)
class WorldFile:
    """The content of the file."""

    format: int
    started_at: int
    """Unix seconds."""
    block_time_s: int | None
    """Seconds between blocks; None means that blocks are mined on demand only."""
    step: str
    """Last step of the tape that was played."""
    paused_bridges: tuple[str, ...]
    """Bridges that stopped delivering; the service takes them out of every rescue route."""
    nodes: tuple[NodeInfo, ...]
    portfolios: tuple[Portfolio, ...]
    deployments: dict[ChainId, ChainDeployment]
    kind: Literal["devnet", "fork", "devnet-fork"] = "devnet"
    """``devnet-fork``: forks of a devnet, whose clocks and bridges are a devnet's."""
    relay_pid: int | None = None
    """Process before the endpoints of forks whose URLs are secret."""

    def node(self, chain: ChainId) -> NodeInfo:
        """Process of a chain; raises KeyError."""
        for info in self.nodes:
            if info.chain == chain:
                return info
        raise KeyError(chain)


def path_of(state_dir: Path) -> Path:
    """Where the file of a devnet is."""
    return state_dir / NAME


def write(state_dir: Path, world: WorldFile) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    content: dict[str, Any] = msgspec.to_builtins(world)
    content["deployments"] = plain(list(world.deployments.values()))
    write_atomically(path_of(state_dir), content)


def write_atomically(path: Path, content: Any) -> None:
    """Write JSON beside the target, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
    part.replace(path)


def read(state_dir: Path) -> WorldFile:
    """Content of the file; raises NoWorld when there is none and BadDeployments when it is not ours."""
    path = path_of(state_dir)
    try:
        content = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise NoWorld(f"no devnet in {state_dir}: start one with `crossmargin devnet up`") from None
    except msgspec.DecodeError as error:
        raise BadDeployments(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadDeployments(f"{path}: format: expected {FORMAT}; start the devnet anew")
    deployments = parse_deployments(content.pop("deployments", None), str(path))
    try:
        return msgspec.convert({**content, "deployments": deployments}, WorldFile, from_attributes=True)
    except msgspec.ValidationError as error:
        raise BadDeployments(f"{path}: {error}") from None
