"""Values of a chain's state: blocks, the cut of a cycle, calls and their results, logs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from chains.caip import Address, ChainId


class Finality(StrEnum):
    """Tag by which a block was chosen."""

    LATEST = "latest"
    SAFE = "safe"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block of one chain. Every read of a cycle names it by hash (EIP-1898)."""

    chain: ChainId
    number: int
    hash: str
    parent_hash: str
    timestamp: int
    """block.timestamp, unix seconds UTC."""
    finality: Finality


class ChainStatus(StrEnum):
    """How far a chain can be relied on at a cut."""

    OK = "ok"
    STALLED = "stalled"
    """Its head is older than its limit by the wall clock: no block is used."""
    UNREACHABLE = "unreachable"
    """No endpoint gives a head: no block is used."""
    SEQUENCER_DOWN = "sequencer_down"
    """Its block is read, but nobody can act on the chain."""
    SEQUENCER_RECOVERING = "sequencer_recovering"
    """The sequencer runs again, but not for as long as prices and liquidations need."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """Status of one chain with its reason, '' where there is nothing to say."""

    status: ChainStatus = ChainStatus.OK
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """One block per chain: the state of the world that a cycle reads."""

    blocks: Mapping[ChainId, BlockRef]
    failures: Mapping[ChainId, str] = field(default_factory=dict)
    """Chains without a usable block, with the reason."""
    states: Mapping[ChainId, ChainState] = field(default_factory=dict)
    """Chains that are not what they should be, those without a block among them."""

    def state(self, chain: ChainId) -> ChainState:
        """State of a chain of the cut."""
        return self.states.get(chain, ChainState())

    @property
    def max_skew_s(self) -> int:
        """Largest difference of block timestamps inside the cut."""
        stamps = [block.timestamp for block in self.blocks.values()]
        return max(stamps) - min(stamps) if stamps else 0


class Call(NamedTuple):
    """One read of contract state."""

    to: Address
    data: bytes


class CallResult(NamedTuple):
    """Answer of one call; ``data`` holds the revert data where ``success`` is false."""

    success: bool
    data: bytes


class Log(NamedTuple):
    """One event log of a canonical block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: str
    transaction_hash: str
    log_index: int


class LogFilter(NamedTuple):
    """Inclusive block range, addresses and topics (None matches anything) of eth_getLogs."""

    from_block: int
    to_block: int
    addresses: tuple[Address, ...]
    topics: tuple[tuple[bytes, ...] | None, ...] = ()
