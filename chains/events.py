"""Small tables of a venue's events: which of its logs name whose account. Events only say *whose* state to read.

A venue's ``events.py`` holds one ``VenueEvents``: where the events come from, and for each signature the places of
the addresses whose account it changed.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.accounts import VenueId
from chains.caip import AccountId, Address, ChainId
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch
from chains.protocols import ChainClient
from chains.types import BlockRef, Log

ZERO_ADDRESS: Final = Address("0x" + "0" * 40)
"""Mints come from it and burns go to it; it is nobody's account."""
OWNER_OF: Final = Function("ownerOf(uint256)", "(address)")
Addresses = Mapping[str, Address]
"""Contracts of a venue by name, as the deployment lists them."""
Find = Callable[[ChainClient, Addresses, BlockRef], Awaitable[frozenset[Address]]]
Owners = Callable[[ChainClient, Addresses, Collection[int], BlockRef], Awaitable[Mapping[int, Address]]]
"""Owners of positions by their ids at a block; those that are burned by then are left out."""


class Names(NamedTuple):
    """Where an event names accounts, and what else it means."""

    topics: tuple[int, ...] = ()
    """Indexes into the log's topics; 0 is the signature."""
    words: tuple[int, ...] = ()
    """Indexes of 32-byte words of the data (static arguments only)."""
    all_holders: bool = False
    """It changes what every account with a position at the venue holds, and names none."""
    new_contract: bool = False
    """A contract joined the venue: its own events count from its first block on."""
    ids: tuple[int, ...] = ()
    """Indexes of topics that name a position (an NFT, a sub-account) whose owner the event does not name."""
    passes: int | None = None
    """Index of the topic that names the position which passes from the first to the second of ``topics``."""
    kinds: tuple[str, ...] = ()
    """Where many events share the signature and the second topic is the hash of a name: the names that count."""


def topic(signature: str) -> bytes:
    """First topic of an event by its signature."""
    return keccak(text=signature.replace(" ", ""))


async def listed(_: ChainClient, names: Addresses, __: BlockRef) -> frozenset[Address]:
    """All contracts of the deployment: for venues that list everything which emits."""
    return frozenset(names.values())


def no_mentions(_: ChainId, __: Log) -> frozenset[AccountId]:
    """For venues whose events concern nobody but those they name."""
    return frozenset()


@dataclass(frozen=True, slots=True)
class VenueEvents:
    """The events of one venue."""

    venue: VenueId
    signatures: Mapping[str, Names]
    contracts: Find = listed
    """Contracts that emit, found on chain where the deployment cannot list them."""
    mentions: Callable[[ChainId, Log], frozenset[AccountId]] = no_mentions
    """Accounts, on any chain, whose state the log also changes but which it does not prove to exist."""
    owners: Owners | None = None
    """For venues with events that name positions only."""
    complete: bool = True
    """False where some events that change an account do not name it: then they find accounts and wake portfolios,
    but the index keeps no state of the venue, which would be old without anybody noticing."""
    by_topic: Mapping[bytes, Names] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = {topic(signature): names for signature, names in self.signatures.items()}
        object.__setattr__(self, "by_topic", found)

    def dirty_accounts(self, log: Log) -> frozenset[Address]:
        """Addresses whose account the log changed; empty for a log that is not of this table.

        Raises BadAnswer where the log has not the places that its signature promises.
        """
        names = self.names(log)
        if names is None:
            return frozenset()
        try:
            words = [log.topics[i] for i in names.topics] + [_word(log.data, i) for i in names.words]
        except IndexError:
            size = f"{len(log.topics)} topics and {len(log.data)} bytes"
            raise BadAnswer(f"{self.venue}: log of block {log.block_number} has {size}, too few for it") from None
        return frozenset(to_address(word) for word in words) - {ZERO_ADDRESS}

    def ids(self, log: Log) -> tuple[int, ...]:
        """Positions that the log changed without naming their owner; raises BadAnswer like ``dirty_accounts``."""
        names = self.names(log)
        return () if names is None else self._topics(log, names.ids)

    def passed(self, log: Log) -> tuple[int, Address, Address] | None:
        """Position that the log passes on, from whom and to whom; raises BadAnswer like ``dirty_accounts``."""
        names = self.names(log)
        if names is None or names.passes is None:
            return None
        (position,) = self._topics(log, (names.passes,))
        giver, taker = (to_address(log.topics[i]) for i in names.topics)
        return position, giver, taker

    def _topics(self, log: Log, places: tuple[int, ...]) -> tuple[int, ...]:
        if any(place >= len(log.topics) for place in places):
            raise BadAnswer(f"{self.venue}: log of block {log.block_number} has {len(log.topics)} topics, too few")
        return tuple(int.from_bytes(log.topics[place]) for place in places)

    def names(self, log: Log) -> Names | None:
        """What the table says of the log's signature, and of its kind where there are several."""
        found = self.by_topic.get(log.topics[0]) if log.topics else None
        if found is None or not found.kinds:
            return found
        return found if log.topics[1:2] and log.topics[1] in {keccak(text=kind) for kind in found.kinds} else None


def erc721_owners(contract: str) -> Owners:
    """Owners of the NFTs of one contract of the venue, by its name in the deployment."""

    async def owners(
        client: ChainClient, names: Addresses, ids: Collection[int], at: BlockRef
    ) -> Mapping[int, Address]:
        batch = Batch()
        for token_id in ids:
            batch.ask(token_id, OWNER_OF, names[contract], token_id)
        await batch.run(client, at)
        return {token_id: batch.value(token_id) for token_id in ids if batch.answered(token_id)}

    return owners


def to_address(word: bytes) -> Address:
    """Address in the last 20 of 32 bytes."""
    return Address(to_checksum_address(word[-20:]))


def _word(data: bytes, index: int) -> bytes:
    word = data[32 * index : 32 * index + 32]
    if len(word) < 32:
        raise IndexError(index)
    return word
