"""Whose positions are meant where events name them by id: first by the transfers around them, then by the chain.

Within one range of logs the owner at an event is exact: who got the position last before it, else who gave it
away first after it. What no transfer of the range tells is asked of the contract, at the range's last block where
that is the head; of older ranges at the head, for full nodes keep no older state. Whoever owned it in between is
named by the transfers that the index will see.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chains.accounts import VenueId
from chains.caip import AccountId, Address, ChainId, account_id
from chains.events import ZERO_ADDRESS, Addresses, VenueEvents
from chains.protocols import ChainClient
from chains.types import BlockRef, Log

Blocks = tuple[int, int]
"""First and last block of a range that concerns something."""


@dataclass(slots=True)
class Positions:
    """Positions of one venue while the logs of a range go by."""

    events: VenueEvents
    keepers: frozenset[Address]
    """Contracts of the venue itself: what they hold belongs to somebody else."""
    marked: dict[Address, Blocks] = field(default_factory=dict)
    waiting: dict[int, Blocks] = field(default_factory=dict)
    _holders: dict[int, Address] = field(default_factory=dict)

    def see(self, log: Log) -> None:
        """Take in one log of the venue, in chain order; raises BadAnswer where it is misshapen."""
        moved, ids = self.events.passed(log), self.events.ids(log)
        for position in ids:
            if position in self._holders:
                self._mark(self._holders[position], (log.block_number, log.block_number))
            else:
                self.waiting[position] = _joined(self.waiting.get(position), log.block_number)
        if moved is not None:
            self._pass_on(*moved)

    def _pass_on(self, position: int, giver: Address, taker: Address) -> None:
        if position in self.waiting and self._is_somebody(giver):
            self._mark(giver, self.waiting.pop(position))
        self._holders.pop(position, None)
        if self._is_somebody(taker):
            self._holders[position] = taker

    def _mark(self, owner: Address, blocks: Blocks) -> None:
        first, last = self.marked.get(owner, blocks)
        self.marked[owner] = (min(first, blocks[0]), max(last, blocks[1]))

    def _is_somebody(self, address: Address) -> bool:
        return address != ZERO_ADDRESS and address not in self.keepers


async def ask_owners(
    client: ChainClient,
    venues: tuple[tuple[VenueEvents, Addresses], ...],
    unnamed: Mapping[VenueId, Mapping[int, Blocks]],
    at: BlockRef,
) -> dict[AccountId, Blocks]:
    """Accounts that own positions at a block; raises what reading raises."""
    found: dict[AccountId, Blocks] = {}
    for events, names in venues:
        ids = unnamed.get(events.venue, {})
        if not ids or events.owners is None:
            continue
        for position, owner in (await events.owners(client, names, sorted(ids), at)).items():
            join(found, at.chain, owner, ids[position])
    return found


def join(found: dict[AccountId, Blocks], chain: ChainId, owner: Address, blocks: Blocks) -> None:
    """Widen what is known of an account by more blocks."""
    account = account_id(chain, owner)
    first, last = found.get(account, blocks)
    found[account] = (min(first, blocks[0]), max(last, blocks[1]))


def _joined(before: Blocks | None, block: int) -> Blocks:
    return (block, block) if before is None else (before[0], block)
