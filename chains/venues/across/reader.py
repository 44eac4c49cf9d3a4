"""Reading Across transfers in flight: deposits from the origin's logs, fills from the destinations' state."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chains.accounts import ReadFailure, ReadResult, VenueAccount, VenueId, failed
from chains.caip import AccountId, Address, AssetId, ChainId, account_address, account_chain, chain_number
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer, ChainError, Reverted
from chains.evm.abi import Function
from chains.types import BlockRef, Call, CallResult, Cut, Finality, Log, LogFilter
from chains.venues.across.deposits import (
    DEPOSITED,
    REFUNDED,
    VENUE,
    Deposit,
    FillStatus,
    Progress,
    decode_deposit,
    decode_refunds,
    decode_transfer,
    refunded,
    to_word,
)
from chains.venues.across.observations import FILLED, Observed, decode_fill, observed

FILL_STATUS = Function("fillStatuses(bytes32)", "(uint256)")
PAUSED_FILLS = Function("pausedFills()", "(bool)")
PAUSED_DEPOSITS = Function("pausedDeposits()", "(bool)")
DEPOSITORS_PER_QUERY = 500
"""Endpoints bound the alternatives of a topic; 1000 is common."""
SETTLED_AFTER_S = 86_400
"""A deposit this long past its deadline is filled or refunded; bundles settle in hours. Used only where the
destination cannot be asked, so that an old transfer does not leave an account incomplete for ever."""


class SpokeClient(Protocol):
    """What is asked of the clients of the origin and of the destinations."""

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        """Answers in order, at the block's hash."""
        ...

    async def logs(self, wanted: LogFilter) -> tuple[Log, ...]:
        """Logs in chain order."""
        ...

    async def blocks(self, numbers: Sequence[int], finality: Finality) -> tuple[BlockRef, ...]:
        """Blocks by number in order."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """Answer of a destination about its deposits."""

    open: tuple[tuple[Deposit, Progress], ...] = ()
    """Not filled; the age is not known yet."""
    failures: tuple[ReadFailure, ...] = ()


class AcrossReader:
    """VenueReader of the deposits made on one chain; an account is one transfer in flight.

    Parameters
    ----------
    clients, deployments : of all chains, since a fill is known on the destination only.
    start_block : block of the origin from which deposits are looked for, usually that of the pool's deployment.
    lookback_blocks : look back this many blocks at most; it must span the pool's longest fill deadline (6 h as a
        rule) and the settlement after it, or a transfer is forgotten while it is under way.
    """

    def __init__(
        self,
        chain: ChainId,
        clients: Mapping[ChainId, SpokeClient],
        deployments: Mapping[ChainId, ChainDeployment],
        *,
        start_block: int = 0,
        lookback_blocks: int | None = None,
    ) -> None:
        self._chain = chain
        self._clients = clients
        self._pools: dict[ChainId, Address] = {
            c: d.venues[VENUE]["spoke_pool"] for c, d in deployments.items() if VENUE in d.venues and c in clients
        }
        self._infos: dict[AssetId, AssetInfo] = {i.asset: i for d in deployments.values() for i in d.assets}
        self._start_block = start_block
        self._lookback_blocks = lookback_blocks

    @property
    def venue(self) -> VenueId:
        """The venue."""
        return VENUE

    @property
    def chain(self) -> ChainId:
        """The chain whose deposits it reads."""
        return self._chain

    async def read(self, accounts: Sequence[AccountId], cut: Cut) -> ReadResult:
        """Transfers that had not arrived at the cut. Accounts of other chains only name possible recipients."""
        mine = [account for account in accounts if account_chain(account) == self.chain]
        if not mine:
            return ReadResult()
        at = cut.blocks.get(self.chain)
        if at is None:
            return failed(mine, VENUE, "no_block", cut.failures.get(self.chain, "no block in the cut"))
        try:
            deposits = await self._deposits(mine, at)
            asked = await self._ask_destinations(deposits, at, cut)
            expired = [d for one in asked for d, progress in one.open if progress.expired]
            gone = await self._refunded(expired, at)
            found = await self._transfers([item for one in asked for item in one.open], gone, at, accounts)
        except BadAnswer as error:
            return failed(mine, VENUE, _reason(error), str(error))
        return ReadResult(found, tuple(failure for one in asked for failure in one.failures))

    async def observations(self, accounts: Sequence[AccountId], cut: Cut) -> tuple[Observed, ...]:
        """What every deposit of the accounts took, or that it is still under way, for the law of its route.

        Deposits to chains that are not configured or have no block are left out: nothing is known of them. Raises
        BadAnswer or EndpointError where a chain cannot be asked.
        """
        mine = [account for account in accounts if account_chain(account) == self.chain]
        at = cut.blocks.get(self.chain)
        if not mine or at is None:
            return ()
        by_destination: dict[ChainId, list[Deposit]] = defaultdict(list)
        for deposit in await self._deposits(mine, at):
            by_destination[deposit.destination].append(deposit)
        known = [(c, group) for c, group in by_destination.items() if c in self._pools and c in cut.blocks]
        found = await asyncio.gather(*(self._observe(group, cut.blocks[c], at) for c, group in known))
        return tuple(one for group in found for one in group)

    async def _observe(self, deposits: Sequence[Deposit], there: BlockRef, at: BlockRef) -> list[Observed]:
        ids = tuple(deposit.id.to_bytes(32) for deposit in deposits)
        origin = (chain_number(self.chain).to_bytes(32),)
        wanted = LogFilter(0, there.number, (self._pools[there.chain],), ((FILLED,), origin, ids))
        fills = [decode_fill(log) for log in await self._clients[there.chain].logs(wanted)]
        sent = await self._stamps(self.chain, {deposit.block_number for deposit in deposits}, at)
        paid = await self._stamps(there.chain, {fill.block_number for fill in fills}, there)
        return [observed(deposit, sent[deposit.block_number], fills, paid) for deposit in deposits]

    async def _stamps(self, chain: ChainId, numbers: Iterable[int], at: BlockRef) -> dict[int, int]:
        """Timestamps of blocks."""
        wanted = sorted(numbers)
        blocks = await self._clients[chain].blocks(wanted, at.finality) if wanted else ()
        return {block.number: block.timestamp for block in blocks}

    async def _deposits(self, accounts: Sequence[AccountId], at: BlockRef) -> list[Deposit]:
        pool, client = self._pools[self.chain], self._clients[self.chain]
        (paused,) = await client.call([PAUSED_DEPOSITS.call(pool)], at)
        PAUSED_DEPOSITS.decode(paused)  # an address without code would answer no logs, which is not "no transfers"
        depositors = sorted({to_word(account_address(account)) for account in accounts})
        found: list[Deposit] = []
        for i in range(0, len(depositors), DEPOSITORS_PER_QUERY):
            topics = ((DEPOSITED,), None, None, tuple(depositors[i : i + DEPOSITORS_PER_QUERY]))
            logs = await client.logs(LogFilter(self._first_block(at), at.number, (pool,), topics))
            found += [decode_deposit(self.chain, log) for log in logs]
        return found

    def _first_block(self, at: BlockRef) -> int:
        lookback = at.number if self._lookback_blocks is None else self._lookback_blocks
        return min(max(self._start_block, at.number - lookback), at.number)

    async def _ask_destinations(self, deposits: Iterable[Deposit], at: BlockRef, cut: Cut) -> list[_Asked]:
        by_destination: dict[ChainId, list[Deposit]] = defaultdict(list)
        for deposit in deposits:
            by_destination[deposit.destination].append(deposit)
        return await asyncio.gather(*(self._ask(chain, group, at, cut) for chain, group in by_destination.items()))

    async def _ask(self, destination: ChainId, deposits: Sequence[Deposit], at: BlockRef, cut: Cut) -> _Asked:
        there = cut.blocks.get(destination)
        if destination not in self._pools:
            return _unknown(deposits, at, "no_block", "the destination is not configured with a spoke pool")
        if there is None:
            return _unknown(deposits, at, "no_block", cut.failures.get(destination, "no block in the cut"))
        pool = self._pools[destination]
        calls = [PAUSED_FILLS.call(pool), *(FILL_STATUS.call(pool, d.relay_hash) for d in deposits)]
        try:
            paused, *results = await self._clients[destination].call(calls, there)
            (is_paused,) = PAUSED_FILLS.decode(paused)
        except BadAnswer as error:
            return _unknown(deposits, at, _reason(error), str(error))
        except ChainError as error:
            return _unknown(deposits, at, "unreachable", str(error))
        return _decode_statuses(deposits, results, there, bool(is_paused))

    async def _refunded(self, expired: Sequence[Deposit], at: BlockRef) -> set[Deposit]:
        if not expired:
            return set()
        first = min(deposit.block_number for deposit in expired)
        topics = ((REFUNDED,), (chain_number(self.chain).to_bytes(32),))
        wanted = LogFilter(first, at.number, (self._pools[self.chain],), topics)
        return refunded(expired, decode_refunds(await self._clients[self.chain].logs(wanted)))

    async def _transfers(
        self,
        open_: Sequence[tuple[Deposit, Progress]],
        gone: set[Deposit],
        at: BlockRef,
        accounts: Sequence[AccountId],
    ) -> tuple[VenueAccount, ...]:
        live = [item for item in open_ if item[0] not in gone]
        stamps = await self._stamps(self.chain, {deposit.block_number for deposit, _ in live}, at)
        watched = frozenset(accounts)
        found = []
        for deposit, known in live:
            age_s = at.timestamp - stamps[deposit.block_number]
            progress = Progress(known.slow_fill, known.expired, known.fills_paused, age_s)
            found.append(decode_transfer(deposit, progress, at, self._infos, watched))
        return tuple(found)


def _decode_statuses(
    deposits: Sequence[Deposit], results: Sequence[CallResult], there: BlockRef, paused: bool
) -> _Asked:
    still_open, failures = [], []
    for deposit, result in zip(deposits, results, strict=True):
        try:
            (code,) = FILL_STATUS.decode(result)
            status = FillStatus(code)
        except BadAnswer as error:
            failures.append(_failure(deposit, _reason(error), str(error)))
            continue
        except ValueError:
            failures.append(_failure(deposit, "unknown_mode", "the fill status is none that is known"))
            continue
        if status is not FillStatus.FILLED:
            expired = there.timestamp > deposit.fill_deadline
            slow = status is FillStatus.SLOW_FILL_REQUESTED
            still_open.append((deposit, Progress(slow, expired, paused, 0)))
    return _Asked(tuple(still_open), tuple(failures))


def _unknown(deposits: Sequence[Deposit], at: BlockRef, reason: str, detail: str) -> _Asked:
    """Failures for the deposits that may still be under way to a chain that cannot be asked."""
    young = [d for d in deposits if at.timestamp <= d.fill_deadline + SETTLED_AFTER_S]
    return _Asked(failures=tuple(_failure(deposit, reason, detail) for deposit in young))


def _failure(deposit: Deposit, reason: str, detail: str) -> ReadFailure:
    where = f"transfer {deposit.id} to {deposit.destination}"
    return ReadFailure(deposit.depositor_account, VENUE, reason, f"{where}: {detail}")


def _reason(error: BadAnswer) -> str:
    if isinstance(error, Reverted):
        return "reverted"
    return "no_code" if "0 bytes returned" in str(error) else "undecodable"
