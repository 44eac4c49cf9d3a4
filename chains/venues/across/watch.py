"""Following the spoke pool of one chain: deposits that leave it and fills on it, stretch by stretch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from chains.caip import Address, AssetId, ChainId, chain_number, erc20
from chains.errors import BadAnswer
from chains.types import BlockRef, Finality, LogFilter
from chains.venues.across.deposits import (
    DEPOSITED,
    VENUE,
    Deposit,
    FillStatus,
    decode_deposit,
    to_address,
    to_word,
)
from chains.venues.across.observations import FILLED, Fill, decode_fill
from chains.venues.across.reader import FILL_STATUS, PAUSED_DEPOSITS, SpokeClient

PER_QUERY = 500
"""Endpoints bound the alternatives of a topic; 1000 is common."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A deposit with what its fill will be known by."""

    key: str
    bridge: str
    source: ChainId
    destination: ChainId
    depositor: str
    deposit_id: int
    relay_hash: str
    sent_block: int
    sent_at: int
    """Unix seconds of the block."""
    deadline: int
    """Unix seconds after which nobody can fill."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A fill by the key of its deposit."""

    key: str
    destination: ChainId
    fill_block: int
    arrived_at: int


class PoolWatch:
    """The spoke pool of one chain.

    Parameters
    ----------
    assets : registered tokens of all chains; transfers of others say nothing about the route.
    """

    def __init__(self, client: SpokeClient, chain: ChainId, pool: Address, assets: Collection[AssetId]) -> None:
        self._client = client
        self._chain = chain
        self._pool = pool
        self._assets = frozenset(assets)

    async def sent(self, first: int, at: BlockRef, owners: Sequence[Address] | None) -> tuple[Sent, ...]:
        """Deposits from block ``first`` to ``at``, of these depositors or (None) of everyone.

        Raises BadAnswer or EndpointError where the chain cannot be asked.
        """
        (paused,) = await self._client.call([PAUSED_DEPOSITS.call(self._pool)], at)
        PAUSED_DEPOSITS.decode(paused)  # an address without code would answer no logs, which is not "no transfers"
        if owners is None:
            parts: list[tuple[bytes, ...] | None] = [None]
        else:
            words = sorted({to_word(owner) for owner in owners})
            parts = [tuple(words[i : i + PER_QUERY]) for i in range(0, len(words), PER_QUERY)]
        found: list[Deposit] = []
        for words_ in parts:
            wanted = LogFilter(first, at.number, (self._pool,), ((DEPOSITED,), None, None, words_))
            found += [decode_deposit(self._chain, log) for log in await self._client.logs(wanted)]
        known = [deposit for deposit in found if self._registered(deposit)]
        stamps = await self._stamps((deposit.block_number for deposit in known), at.finality)
        return tuple(_sent(deposit, stamps) for deposit in known)

    async def paid(
        self, first: int, at: BlockRef, ids: Mapping[ChainId, Sequence[int]] | None
    ) -> tuple[Paid, ...]:
        """Fills from block ``first`` to ``at``, of these deposits by origin or (None) of everyone."""
        if ids is None:
            filters: list[tuple[tuple[bytes, ...] | None, ...]] = [((FILLED,),)]
        else:
            filters = [
                (
                    (FILLED,),
                    (chain_number(origin).to_bytes(32),),
                    tuple(n.to_bytes(32) for n in numbers[i : i + PER_QUERY]),
                )
                for origin, numbers in ids.items()
                for i in range(0, len(numbers), PER_QUERY)
            ]
        fills: list[Fill] = []
        for topics in filters:
            wanted = LogFilter(first, at.number, (self._pool,), topics)
            fills += [decode_fill(log) for log in await self._client.logs(wanted)]
        stamps = await self._stamps((fill.block_number for fill in fills), at.finality)
        return tuple(
            Paid(_key(f, self._chain), self._chain, f.block_number, stamps[f.block_number]) for f in fills
        )

    async def filled(self, hashes: Sequence[str], at: BlockRef) -> frozenset[str]:
        """Which of these relay hashes are filled here, whenever that was."""
        calls = [FILL_STATUS.call(self._pool, bytes.fromhex(hash_)) for hash_ in hashes]
        answers = await self._client.call(calls, at) if calls else ()
        codes = [FILL_STATUS.decode(answer)[0] for answer in answers]
        return frozenset(h for h, code in zip(hashes, codes, strict=True) if code == FillStatus.FILLED.value)

    def _registered(self, deposit: Deposit) -> bool:
        sent = erc20(deposit.origin, to_address(deposit.input_token))
        try:
            arrives = erc20(deposit.destination, to_address(deposit.output_token))
        except ValueError:
            return False
        return {sent, arrives} <= self._assets

    async def _stamps(self, numbers: Iterable[int], finality: Finality) -> dict[int, int]:
        wanted = sorted(set(numbers))
        blocks = await self._client.blocks(wanted, finality) if wanted else ()
        if len(blocks) != len(wanted):
            raise BadAnswer(f"{self._chain}: {len(blocks)} blocks answered, {len(wanted)} asked")
        return {block.number: block.timestamp for block in blocks}


def _sent(deposit: Deposit, stamps: Mapping[int, int]) -> Sent:
    return Sent(
        key=_key(deposit, deposit.destination),
        bridge=VENUE,
        source=deposit.origin,
        destination=deposit.destination,
        depositor=to_address(deposit.depositor),
        deposit_id=deposit.id,
        relay_hash=deposit.relay_hash.hex(),
        sent_block=deposit.block_number,
        sent_at=stamps[deposit.block_number],
        deadline=deposit.fill_deadline,
    )


def _key(of: Deposit | Fill, destination: ChainId) -> str:
    """What a deposit and its fill have in common; ids alone do not bind, anybody may fill what was never sent."""
    number = of.id if isinstance(of, Deposit) else of.deposit_id
    parts = (of.origin, destination, str(number), of.depositor.hex(), of.input_token.hex(), str(of.input_amount))
    return keccak(text="|".join(parts)).hex()
