"""What the chain layer asks of its parts: at most three members each, batched."""

from collections.abc import Sequence
from typing import Protocol

from chains.accounts import ReadResult, VenueId
from chains.caip import AccountId, ChainId
from chains.types import BlockRef, Call, CallResult, Cut, Finality, Log, LogFilter


class Transport(Protocol):
    """JSON-RPC to one chain: many requests in one exchange, answers in order, one error per request."""

    async def send(self, requests: Sequence[tuple[str, list[object]]]) -> list[object]:
        """Results of ``(method, params)`` in order; an element is a ``chains.evm.rpc.RpcFault`` where it failed.

        Raises EndpointError when nothing could be asked at all.
        """
        ...


class ChainClient(Protocol):
    """Reads of one chain."""

    @property
    def chain(self) -> ChainId:
        """The chain this client reads."""
        ...

    async def head(self, tag: Finality) -> BlockRef:
        """Block at the tag now; the only moving target in the system."""
        ...

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        """Answers in order, through Multicall3, at the block's hash."""
        ...


class LogSource(Protocol):
    """Event logs of one chain."""

    async def logs(self, wanted: LogFilter) -> tuple[Log, ...]:
        """Logs in chain order."""
        ...


class VenueReader(Protocol):
    """Reads the accounts of one venue on one chain; a whole-endpoint failure raises, one account's is a value."""

    @property
    def venue(self) -> VenueId:
        """The venue."""
        ...

    @property
    def chain(self) -> ChainId:
        """The chain whose accounts it reads."""
        ...

    async def read(self, accounts: Sequence[AccountId], cut: Cut) -> ReadResult:
        """State of the accounts at the cut's block of this chain. Accounts of other chains are ignored."""
        ...
