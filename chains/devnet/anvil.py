"""One anvil process: start, wait until it answers, stop."""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chains.devnet.packages import anvil_binary

BOOT_TIMEOUT_S = 15.0
KEPT_STATES = 128
"""Blocks whose state can be read. By default anvil keeps 500 in memory and writes older ones to the home folder,
whole and for good: gigabytes within an hour. Block times of 1 and 2 s raise the number to 1500, whatever is said
here; from 3 s on it holds."""


class AnvilError(Exception):
    """An anvil process did not start or did not answer."""


@dataclass(frozen=True)
class Anvil:
    """A running anvil, always on loopback."""

    chain_number: int
    port: int
    process: subprocess.Popen[bytes]

    @property
    def http_url(self) -> str:
        """HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End the process; safe to call twice."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    chain_number: int, *, port: int | None = None, extra: Sequence[str] = (), log: Path | None = None
) -> Anvil:
    """Start anvil for a chain number and return once it answers.

    Gas is free so that seeded balances stay round. A fork (``--fork-url`` in ``extra``) always needs
    ``--no-storage-caching`` too: that cache is keyed on chain, number and timestamp only and gave wrong balances
    between local chains.
    """
    port = port or free_port()
    command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_number)]
    command += ["--silent", "--gas-price", "0", "--base-fee", "0", "--gas-limit", "200000000"]
    command += ["--no-request-size-limit", "--order", "fifo", "--prune-history", str(KEPT_STATES), *extra]
    sink = log.open("ab") if log else subprocess.DEVNULL
    # A session of its own: Ctrl-C reaches the parent only, which then stops its children in order.
    process = subprocess.Popen(
        command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "RUST_BACKTRACE": "0"},
    )  # fmt: skip
    anvil = Anvil(chain_number, port, process)
    _wait(anvil)
    return anvil


def _wait(anvil: Anvil) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        if anvil.process.poll() is not None:
            raise AnvilError(f"anvil for chain {anvil.chain_number} ended with code {anvil.process.returncode}")
        try:
            if int(rpc(anvil.http_url, "eth_chainId"), 16) == anvil.chain_number:
                return
        except OSError:
            time.sleep(0.02)
    anvil.stop()
    raise AnvilError(f"anvil for chain {anvil.chain_number} did not answer in {BOOT_TIMEOUT_S:.0f} s")


def rpc(url: str, method: str, *params: Any) -> Any:
    """One JSON-RPC request with the standard library; for boot and control only."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        raise AnvilError(f"{method}: {answer['error'].get('message')}")
    return answer["result"]
