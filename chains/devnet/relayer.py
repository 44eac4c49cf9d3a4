"""A relayer of the devnet: sees deposits of the spoke pools and pays them out after a latency that it draws."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chains.caip import Address, chain_id
from chains.devnet.across import AcrossWorld, Relay
from chains.types import Log
from chains.venues.across.deposits import DEPOSITED, Deposit, decode_deposit

POLL_S = 0.1


@dataclass
class Filled:
    """One deposit that was paid out."""

    deposit: Deposit
    latency_s: float


@dataclass
class Relayer:
    """Runs in a thread between ``start`` and ``stop``; an error of the thread is raised by ``stop``.

    It alone sends transactions of the relayer's account; nobody else may send on a destination while it fills.
    """

    pools: Mapping[int, AcrossWorld]
    """By chain number."""
    draw_s: Callable[[], float]
    """Latency of the next deposit, seconds; infinite: it is never paid out."""
    filled: list[Filled] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Relayer":
        """Start; what was deposited before is left alone."""
        for number in self.pools:
            self._seen |= {(number, d.id) for d in self._deposits(number)}
        self._thread = threading.Thread(target=self._run, name="relayer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; raises what went wrong in the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stop.wait(POLL_S):
                for number in self.pools:
                    for deposit in self._deposits(number):
                        if (number, deposit.id) not in self._seen:
                            self._seen.add((number, deposit.id))
                            self._fill(number, deposit)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that stops this one
            self._error = error

    def _fill(self, number: int, deposit: Deposit) -> None:
        latency = self.draw_s()
        if self._stop.wait(min(latency, threading.TIMEOUT_MAX)):
            return
        destination = next(n for n in self.pools if chain_id(n) == deposit.destination)
        self.pools[destination].fill(_relay(number, deposit))
        self.filled.append(Filled(deposit, latency))

    def _deposits(self, number: int) -> list[Deposit]:
        pool = self.pools[number]
        wanted = {"address": pool.pool.address, "topics": ["0x" + DEPOSITED.hex()], "fromBlock": "0x0"}
        logs = pool.ctx.deployer.rpc("eth_getLogs", wanted)
        return [decode_deposit(chain_id(number), _log(raw)) for raw in logs]


def _relay(number: int, d: Deposit) -> Relay:
    return Relay(
        d.depositor, d.recipient, d.exclusive_relayer, d.input_token, d.output_token, d.input_amount,
        d.output_amount, number, d.id, d.fill_deadline, d.exclusivity_deadline, d.message,
    )  # fmt: skip


def _log(raw: Mapping[str, Any]) -> Log:
    return Log(
        Address(raw["address"]), tuple(bytes.fromhex(t[2:]) for t in raw["topics"]),
        bytes.fromhex(raw["data"][2:]), int(raw["blockNumber"], 16), raw["blockHash"], raw["transactionHash"],
        int(raw["logIndex"], 16),
    )  # fmt: skip
