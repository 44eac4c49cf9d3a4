"""Values of the index: what is stored, what changes it, and what observers are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chains.accounts import VenueId
from chains.caip import AccountId, ChainId
from chains.errors import ChainError
from chains.types import BlockRef


class CheckpointMoved(ChainError):
    """Somebody else has moved the checkpoint of this chain: two indexers run on one store."""


class CheckpointUnusable(ChainError):
    """The checkpoint could not be read or written."""


@dataclass(frozen=True, slots=True)
class Touches:
    """What the logs of a range say, each with the block that said it."""

    found: Mapping[AccountId, tuple[int, int]] = field(default_factory=dict)
    """Accounts of this chain that own an event: first and last block of it in the range."""
    mentioned: Mapping[AccountId, int] = field(default_factory=dict)
    """Accounts of any chain that are concerned if they are known: last block."""
    holders: Mapping[VenueId, int] = field(default_factory=dict)
    """Venues all of whose holders are concerned: last block."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The chain was indexed up to ``anchors[-1]``."""

    after: BlockRef | None
    """Checkpoint before; the change is refused when the store has another."""
    anchors: tuple[BlockRef, ...]
    touches: Touches
    drop: tuple[int, ...] = ()
    """Numbers of older anchors that are not needed any more."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """Blocks above ``to`` are not canonical any more; -1 is before the first block."""

    after: BlockRef
    to: int


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as the store has it."""

    account: AccountId
    dirty: bool
    marks: int
    """Grows with every mark; a read clears the account only if it has not grown meanwhile."""
    touched_block: int
    failures: int
    """Reads in a row that failed."""
    state: str | None
    """Standing of the last read, None before the first one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Outcome of reading one account at one block."""

    account: AccountId
    marks: int
    at: BlockRef
    state: str
    failure: str = ""
    """Why the state is not complete; it stays dirty then, and ``state`` is not stored."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Accounts that were read again."""

    items: tuple[Reading, ...]


Change = Advance | Rollback | Readings


class IndexStore(Protocol):
    """Where the index lives. Every change is one transaction: a killed process leaves none half done."""

    async def load(self, chain: ChainId) -> tuple[BlockRef, ...]:
        """Canonical blocks that were indexed, ascending; the last one is the checkpoint."""
        ...

    async def apply(self, chain: ChainId, change: Change) -> None:
        """Make the change; raises CheckpointMoved or CheckpointUnusable with nothing changed."""
        ...

    async def pick(self, chain: ChainId, *, dirty: bool, limit: int) -> Sequence[StoredAccount]:
        """Dirty accounts, those that failed least first; or clean ones by chance."""
        ...


# --- what observers are told ---


@dataclass(frozen=True, slots=True)
class Advanced:
    """Blocks were indexed and committed."""

    chain: ChainId
    tip: BlockRef
    head: int
    blocks: int
    logs: int
    undecodable: int
    """Logs whose shape is not that of their signature: whoever they name stays as it is."""
    accounts: frozenset[AccountId]
    """Accounts that are dirty by these blocks."""
    seconds: float


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A reorg was found and taken back."""

    chain: ChainId
    tip: BlockRef
    """Checkpoint that was not canonical any more."""
    to: int

    @property
    def depth(self) -> int:
        """Blocks that were taken back."""
        return self.tip.number - self.to


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Dirty accounts were read again."""

    chain: ChainId
    at: BlockRef
    accounts: int
    failures: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """Clean accounts were read again to see whether events had told everything."""

    chain: ChainId
    accounts: int
    drifted: tuple[tuple[AccountId, VenueId], ...]
    """Where the state had changed without an event: a defect of the index, healed by this read."""


@dataclass(frozen=True, slots=True)
class Failing:
    """The chain cannot be indexed for the moment; told once."""

    chain: ChainId
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """It works again."""

    chain: ChainId


IndexEvent = Advanced | RolledBack | Refreshed | Sampled | Failing | Recovered
