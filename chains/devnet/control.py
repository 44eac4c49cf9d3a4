"""What the command line does with the devnet: fetch, up, down, status, tape."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from chains.caip import ChainId
from chains.devnet import aave36, keep, morpho, packages, pyth, sequencer, worldfile
from chains.devnet.anvil import AnvilError, rpc
from chains.devnet.chain_world import CHAINS
from chains.devnet.clock import wall_s
from chains.devnet.errors import AlreadyUp
from chains.devnet.tape import Step, find, play
from chains.devnet.world import Progress, World, attach, build
from chains.devnet.worldfile import NodeInfo, NoWorld

STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One chain of the devnet."""

    chain: ChainId
    name: str
    port: int
    pid: int
    running: bool
    block: int | None
    """Height, None where the chain does not answer."""
    lag_s: int | None
    """Wall clock minus the head's timestamp."""
    step: str
    """Last step of the tape that was played."""


def fetch() -> None:
    """Install anvil, solc and the protocol packages and compile what comes as source; only what is missing."""
    packages.fetch()
    compilations: tuple[Callable[[], object], ...] = (
        aave36.compiled, morpho.compiled, pyth.artifact, sequencer.artifacts,
    )  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for work in compilations]:
            done.result()


def up(state_dir: Path, block_time_s: int | None = None, on_progress: Progress = lambda _: None) -> World:
    """Start the devnet; its chains outlive this process until ``down``. Raises AlreadyUp, AnvilError."""
    try:
        running = [info for info in worldfile.read(state_dir).nodes if is_ours(info)]
    except NoWorld:
        running = []
    if running:
        names = ", ".join(info.name for info in running)
        raise AlreadyUp(f"{state_dir}: {names} already running: end them with `crossmargin devnet down`")
    return build(state_dir, block_time_s=block_time_s, on_progress=on_progress)


def down(state_dir: Path) -> tuple[NodeInfo, ...]:
    """End the chains of the folder's devnet and forget it; returns those that were running. Raises NoWorld."""
    nodes = worldfile.read(state_dir).nodes
    running = tuple(info for info in nodes if is_ours(info))
    for info in running:
        os.kill(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while any(is_ours(info) for info in running) and time.monotonic() < deadline:
        time.sleep(0.02)
    for info in running:
        if is_ours(info):
            os.kill(info.pid, signal.SIGKILL)
    keep.remove(state_dir)
    return running


def status(state_dir: Path) -> tuple[StatusRow, ...]:
    """State of each chain; raises NoWorld."""
    file = worldfile.read(state_dir)
    return tuple(_row(info, file.step) for info in file.nodes)


def tape(
    state_dir: Path, steps: Sequence[str] | None = None, on_step: Callable[[Step], None] = lambda _: None
) -> tuple[Step, ...]:
    """Play steps by name (all for none) on the running devnet; raises NoWorld, AnvilError, NoSuchStep."""
    chosen = find(steps or ())
    world = attach(state_dir)
    for step in chosen:
        play(world, step)
        on_step(step)
    return chosen


def refresh(state_dir: Path) -> None:
    """Keeper: new rounds at the present prices."""
    attach(state_dir).refresh()


def stage_lines(world: World) -> tuple[str, ...]:
    """How long building took, a line per chain, slowest first; for ``--verbose``."""
    totals = {number: sum(stages.values()) for number, stages in world.stages.items()}
    lines = []
    for number in sorted(totals, key=lambda n: -totals[n]):
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in world.stages[number].items())
        lines.append(f"{CHAINS[number]}: {totals[number]:.2f} s ({parts})")
    return tuple(lines)


def is_ours(info: NodeInfo) -> bool:
    """Whether the process is still the anvil of that port; a number alone may be anybody's by now."""
    words = command_of(info.pid)
    if not words or "anvil" not in Path(words[0]).name:
        return False
    return any(pair == ("--port", str(info.port)) for pair in pairwise(words))


def command_of(pid: int) -> list[str]:
    """Words of a process's command line; none where it has ended or may not be looked at."""
    proc = Path("/proc")
    try:
        if proc.joinpath("self").exists():
            return proc.joinpath(str(pid), "cmdline").read_bytes().decode().split("\0")
        done = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return done.stdout.split()


def _row(info: NodeInfo, step: str) -> StatusRow:
    running = is_ours(info)
    block = lag = None
    if running:
        try:
            head = rpc(info.http_url, "eth_getBlockByNumber", "latest", False)
            block, lag = int(head["number"], 16), wall_s() - int(head["timestamp"], 16)
        except (OSError, AnvilError):
            block = lag = None
    return StatusRow(info.chain, info.name, info.port, info.pid, running, block, lag, step)
