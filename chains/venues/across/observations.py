"""What transfers took: deposit time on the origin, fill time on the destination. All pure.

Event: SpokePool of @across-protocol/contracts 5.0 (FilledRelay).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from chains.caip import ChainId, chain_id
from chains.errors import BadAnswer
from chains.types import Log
from chains.venues.across.deposits import VENUE, Deposit

FILLED = keccak(
    text="FilledRelay(bytes32,bytes32,uint256,uint256,uint256,uint256,uint256,uint32,uint32,"
    "bytes32,bytes32,bytes32,bytes32,bytes32,(bytes32,bytes32,uint256,uint8))"
)
FILLED_DATA = (
    "bytes32", "bytes32", "uint256", "uint256", "uint256", "uint32", "uint32", "bytes32", "bytes32", "bytes32",
)  # fmt: skip
"""The words up to the recipient; what follows is not read."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One transfer as a latency law wants it. Times in unix seconds of the blocks."""

    bridge: str
    source: ChainId
    destination: ChainId
    deposit_id: int
    deposited_at: int
    filled_at: int | None
    """None: not filled at the cut."""

    @property
    def latency_s(self) -> int | None:
        """Seconds from the deposit's to the fill's block, at least 1: two clocks may differ by a second."""
        return None if self.filled_at is None else max(1, self.filled_at - self.deposited_at)


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill on the destination."""

    origin: ChainId
    deposit_id: int
    block_number: int
    depositor: bytes
    input_token: bytes
    input_amount: int

    def of(self, deposit: Deposit) -> bool:
        """The fill of this deposit; ids alone do not bind, anybody may fill what was never deposited."""
        mine = (deposit.origin, deposit.id, deposit.depositor, deposit.input_token, deposit.input_amount)
        return mine == (self.origin, self.deposit_id, self.depositor, self.input_token, self.input_amount)


def decode_fill(log: Log) -> Fill:
    """Fill of a FilledRelay log; raises BadAnswer where the log is not that event."""
    try:
        _, origin, deposit_id, _ = log.topics
        words = decode(FILLED_DATA, log.data)
    except (ValueError, DecodingError, OverflowError) as error:
        raise BadAnswer(f"FilledRelay in block {log.block_number}: {error}") from None
    source = chain_id(int.from_bytes(origin))
    return Fill(source, int.from_bytes(deposit_id), log.block_number, words[8], words[0], words[2])


def observed(deposit: Deposit, deposited_at: int, fills: Iterable[Fill], stamps: Mapping[int, int]) -> Observed:
    """One transfer; ``stamps``: block timestamps of the destination by number."""
    filled = next((stamps[fill.block_number] for fill in fills if fill.of(deposit)), None)
    return Observed(VENUE, deposit.origin, deposit.destination, deposit.id, deposited_at, filled)
