"""From logs to the accounts they concern. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chains.accounts import VenueId
from chains.caip import AccountId, Address, ChainId
from chains.errors import BadAnswer
from chains.events import VenueEvents
from chains.indexer.owned import Blocks, Positions, join
from chains.indexer.types import Touches
from chains.types import Log


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched on one chain: the venues with the contracts that emit their events."""

    chain: ChainId
    venues: tuple[VenueEvents, ...]
    contracts: Mapping[VenueId, frozenset[Address]]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All contracts, in a fixed order."""
        return tuple(sorted({address for found in self.contracts.values() for address in found}))

    @property
    def topics(self) -> tuple[bytes, ...]:
        """First topics of all events."""
        return tuple(sorted({topic for venue in self.venues for topic in venue.by_topic}))


@dataclass(frozen=True, slots=True)
class Digest:
    """What a range of logs says."""

    touches: Touches
    undecodable: int
    grew: frozenset[VenueId]
    """Venues that a contract joined: their contracts must be found anew, and the range be read again with them."""
    unnamed: Mapping[VenueId, Mapping[int, Blocks]]
    """Positions by id that changed and whose owner no log of the range names: who owns them must be asked."""


def digest(logs: Iterable[Log], watch: Watch) -> Digest:
    """Accounts that the logs concern. A log that is not what its signature promises is counted, not guessed at."""
    found: dict[AccountId, tuple[int, int]] = {}
    mentioned: dict[AccountId, int] = {}
    holders: dict[VenueId, int] = {}
    undecodable, grew = 0, set()
    emitters = [(venue, watch.contracts[venue.venue]) for venue in watch.venues]
    positions = {v.venue: Positions(v, watch.contracts[v.venue]) for v in watch.venues if v.owners is not None}
    for log in logs:
        for venue, contracts in emitters:
            names = venue.names(log) if log.address in contracts else None
            if names is None:
                continue
            try:
                dirty, others = venue.dirty_accounts(log), venue.mentions(watch.chain, log)
                if venue.venue in positions:
                    positions[venue.venue].see(log)
                    dirty -= contracts
            except BadAnswer:
                undecodable += 1
                continue
            for address in dirty:
                join(found, watch.chain, address, (log.block_number, log.block_number))
            mentioned |= dict.fromkeys(others, log.block_number)
            if names.all_holders:
                holders[venue.venue] = log.block_number
            if names.new_contract:
                grew.add(venue.venue)
    for held in positions.values():
        for owner, blocks in held.marked.items():
            join(found, watch.chain, owner, blocks)
    unnamed = {venue: held.waiting for venue, held in positions.items() if held.waiting}
    return Digest(Touches(found, mentioned, holders), undecodable, frozenset(grew), unnamed)
