"""What every reader of a venue on one chain begins with: whose accounts these are, and at which block."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chains.accounts import ReadResult, VenueId, failed
from chains.caip import AccountId, ChainId, account_chain
from chains.errors import BadAnswer
from chains.evm.batch import reason_code
from chains.types import BlockRef, Cut


class OneChainReader(ABC):
    """VenueReader whose accounts sit on one chain; a venue adds ``_read``."""

    def __init__(self, venue: VenueId, chain: ChainId) -> None:
        self._venue, self._chain = venue, chain

    @property
    def venue(self) -> VenueId:
        """The venue."""
        return self._venue

    @property
    def chain(self) -> ChainId:
        """The chain whose accounts it reads."""
        return self._chain

    async def read(self, accounts: Sequence[AccountId], cut: Cut) -> ReadResult:
        """State of the accounts at the cut's block of this chain. Accounts of other chains are ignored.

        An account without a position at the venue is in neither list; one that cannot be read is a failure and the
        others stand. Raises EndpointError where the chain cannot be asked at all.
        """
        mine = [account for account in accounts if account_chain(account) == self.chain]
        if not mine:
            return ReadResult()
        at = cut.blocks.get(self.chain)
        if at is None:
            return failed(mine, self.venue, "no_block", cut.failures.get(self.chain, "no block in the cut"))
        try:
            return await self._read(mine, at)
        except BadAnswer as error:
            return failed(mine, self.venue, reason_code(error), str(error))

    @abstractmethod
    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """State of the accounts, all of this chain; raises BadAnswer where nothing of the venue can be read."""
