"""Forks that outlive the command: ``crossmargin fork up | down | status``.

They are described by a ``world.json`` like a devnet's, so the service runs on them unchanged. Endpoint URLs are in
none of the files.
"""

import os
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from chains.caip import ChainId
from chains.deployments import ChainDeployment
from chains.devnet import anvil, control, keep, worldfile
from chains.devnet.clock import wall_s
from chains.devnet.control import StatusRow
from chains.devnet.errors import AlreadyUp
from chains.devnet.worldfile import NodeInfo, NoWorld, Portfolio, WorldFile
from chains.forks import node
from chains.forks.node import Fork, Forks
from chains.forks.spec import BadFork, ForkSpec, distinct

PRIVATE = 0o700


def up(
    state_dir: Path,
    specs: Sequence[ForkSpec],
    deployments: Mapping[ChainId, ChainDeployment],
    portfolios: Sequence[Portfolio] = (),
    *,
    block_time_s: int | None = None,
    kind: Literal["fork", "devnet-fork"] = "fork",
) -> Forks:
    """Fork the chains and describe them in the folder; they go on running until ``down``.

    With ``block_time_s`` blocks come by the clock; without, a fork stands still until somebody sends something.
    anvil 1.7.1 stops answering when some twenty reads at once go to a block between the forked one and the head
    (measured), so a fork that is read by block hash should stand still. Raises BadFork for a chain without a
    deployment, AlreadyUp, and what ``node.start`` raises.
    """
    for spec in distinct(specs):
        if spec.chain not in deployments:
            raise BadFork(f"--chain {spec.chain}: no deployment of it; there are {', '.join(sorted(deployments))}")
    _refuse_running(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(PRIVATE)
    extra = ["--block-time", str(block_time_s), "--mixed-mining"] if block_time_s else []
    forks = node.start(specs, extra=extra)
    try:
        _to_present(forks, [spec.chain for spec in specs if spec.block is None])
        worldfile.write(state_dir, _file(forks, deployments, portfolios, block_time_s, kind))
    except BaseException:
        forks.stop()
        raise
    return forks


def up_from_devnet(state_dir: Path, devnet_dir: Path, *, block_time_s: int | None = None) -> Forks:
    """Fork a running devnet, with its cast; the tape can be played on the forks too. Raises NoWorld."""
    world = worldfile.read(devnet_dir)
    if state_dir.resolve() == devnet_dir.resolve():
        raise BadFork(f"--state: {state_dir} holds the devnet itself")
    specs = [ForkSpec(info.chain, info.http_url) for info in world.nodes]
    kind: Literal["devnet-fork"] = "devnet-fork"
    forks = up(
        state_dir, specs, world.deployments, world.portfolios, block_time_s=block_time_s, kind=kind
    )  # fmt: skip
    shutil.copy(devnet_dir / keep.NAME, state_dir / keep.NAME)
    file = worldfile.read(state_dir)
    worldfile.write(state_dir, replace(file, step=world.step, paused_bridges=world.paused_bridges))
    return forks


def down(state_dir: Path) -> tuple[NodeInfo, ...]:
    """End the forks of the folder and forget them; returns those that were running. Raises NoWorld."""
    world = _read(state_dir)
    ended = control.down(state_dir)
    if world.relay_pid is not None and _is_relay(world.relay_pid):
        os.kill(world.relay_pid, signal.SIGTERM)
    return ended


def status(state_dir: Path) -> tuple[StatusRow, ...]:
    """State of each fork; raises NoWorld."""
    _read(state_dir)
    return control.status(state_dir)


def _read(state_dir: Path) -> WorldFile:
    try:
        world = worldfile.read(state_dir)
    except NoWorld:
        raise NoWorld(f"no forks in {state_dir}: start them with `crossmargin fork up`") from None
    if world.kind == "devnet":
        raise NoWorld(f"{state_dir} holds a devnet, no forks: use `crossmargin devnet`")
    return world


def _refuse_running(state_dir: Path) -> None:
    try:
        world = worldfile.read(state_dir)
    except NoWorld:
        return
    if running := [info.name for info in world.nodes if control.is_ours(info)]:
        command = "devnet" if world.kind == "devnet" else "fork"
        names = ", ".join(running)
        raise AlreadyUp(f"{state_dir}: {names} already running: end them with `crossmargin {command} down`")


def _to_present(forks: Forks, chains: Iterable[ChainId]) -> None:
    """One block of one timestamp on each fork of a latest block, so that the picture is of now and has no skew.

    Forks of a block that was named stay in its time.
    """
    urls = [forks.by_chain[chain].node.http_url for chain in chains]
    heads = [anvil.rpc(url, "eth_getBlockByNumber", "latest", False) for url in urls]
    stamp = max([wall_s(), *(int(head["timestamp"], 16) for head in heads)])
    for url in urls:
        anvil.rpc(url, "evm_setNextBlockTimestamp", stamp)
        anvil.rpc(url, "evm_mine")


def _file(
    forks: Forks,
    deployments: Mapping[ChainId, ChainDeployment],
    portfolios: Iterable[Portfolio],
    block_time_s: int | None,
    kind: Literal["fork", "devnet-fork"],
) -> WorldFile:
    nodes = tuple(_node(fork, deployments[chain].name) for chain, fork in forks.by_chain.items())
    return WorldFile(
        format=worldfile.FORMAT,
        started_at=wall_s(),
        block_time_s=block_time_s,
        step="",
        paused_bridges=(),
        nodes=nodes,
        portfolios=tuple(portfolios),
        deployments={chain: deployments[chain] for chain in forks.by_chain},
        kind=kind,
        relay_pid=None if forks.relay is None else forks.relay.process.pid,
    )


def _node(fork: Fork, name: str) -> NodeInfo:
    return NodeInfo(fork.chain, name, fork.node.port, fork.node.process.pid, fork.block)


def _is_relay(pid: int) -> bool:
    """Whether the process is still the relay; a number alone may be anybody's by now."""
    return "chains.forks.relay" in control.command_of(pid)
