"""A chain in memory that mines, reorganises and rolls back at will; its venue's state is the sum of its logs."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chains.accounts import Position, PositionKind, ReadFailure, ReadResult, VenueAccount, VenueId
from chains.caip import AccountId, Address, AssetId, ChainId, account_chain, account_id, parse_address
from chains.errors import BadAnswer, BlockUnavailable
from chains.events import Names, VenueEvents, topic
from chains.indexer.indexer import ChainIndexer, IndexPlan
from chains.indexer.types import IndexEvent, IndexStore
from chains.types import BlockRef, Call, CallResult, Cut, Finality, Log, LogFilter

VENUE = VenueId("toy")
CONTRACT = Address("0x000000000000000000000000000000000000c0de")
CONTRACT = parse_address(CONTRACT)
TOUCHED = "Touched(address,uint256)"
EVENTS = VenueEvents(VENUE, {TOUCHED: Names((1,)), "Everybody()": Names(all_holders=True)})


def address(number: int) -> Address:
    return parse_address(f"0x{number:040x}")


@dataclass
class Block:
    ref: BlockRef
    touches: tuple[tuple[int, int], ...]
    """(account number, amount)"""


@dataclass
class ToyChain:
    """BlockSource and ChainClient over a list of blocks; ``before_request`` may change them under the reader."""

    chain: ChainId
    blocks: list[Block] = field(default_factory=list)
    before_request: Callable[["ToyChain"], None] = lambda _: None
    most_logs_range: int = 10**9
    requests: int = 0
    _salt: int = 0

    def __post_init__(self) -> None:
        self.mine(())

    def mine(self, *blocks: tuple[tuple[int, int], ...]) -> None:
        for touches in blocks or ((),):
            self._salt += 1
            number = len(self.blocks)
            parent = self.blocks[-1].ref.hash if self.blocks else "0x" + "00" * 32
            digest = hashlib.sha256(f"{self.chain}/{number}/{parent}/{self._salt}".encode()).hexdigest()
            ref = BlockRef(self.chain, number, "0x" + digest, parent, 1000 + number, Finality.LATEST)
            self.blocks.append(Block(ref, tuple(touches)))

    def drop(self, depth: int) -> None:
        """Take the newest blocks away, never the first one."""
        del self.blocks[max(1, len(self.blocks) - depth) :]

    def reorg(self, depth: int, *blocks: tuple[tuple[int, int], ...]) -> None:
        self.drop(depth)
        self.mine(*blocks)

    def sums(self, upto: BlockRef | None = None) -> dict[AccountId, int]:
        """What a fresh read of the canonical chain gives, for accounts with at least one event."""
        found: dict[AccountId, int] = defaultdict(int)
        for block in self.blocks[: None if upto is None else upto.number + 1]:
            for who, amount in block.touches:
                found[account_id(self.chain, address(who))] += amount
        return dict(found)

    def _asked(self) -> None:
        self.requests += 1
        self.before_request(self)

    async def head(self, tag: Finality) -> BlockRef:
        self._asked()
        return self.blocks[-1].ref

    async def known(self, numbers: Sequence[int], finality: Finality) -> tuple[BlockRef | None, ...]:
        self._asked()
        return tuple(self.blocks[n].ref if n < len(self.blocks) else None for n in numbers)

    async def logs_between(self, wanted: LogFilter, ends: Sequence[BlockRef]) -> tuple[Log, ...]:
        self._asked()
        if wanted.to_block - wanted.from_block >= self.most_logs_range:
            raise BadAnswer("range too wide")
        for end in ends:
            self.require(end)
        return tuple(
            Log(CONTRACT, (topic(TOUCHED), int(address(who), 16).to_bytes(32)), amount.to_bytes(32, signed=True),
                block.ref.number, block.ref.hash, "0x" + "11" * 32, index)
            for block in self.blocks[wanted.from_block : wanted.to_block + 1]
            for index, (who, amount) in enumerate(block.touches)
        )  # fmt: skip

    def require(self, block: BlockRef) -> None:
        if block.number >= len(self.blocks) or self.blocks[block.number].ref.hash != block.hash:
            raise BlockUnavailable(f"block {block.number} is not canonical")

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        raise AssertionError("the toy venue is read through its reader")


@dataclass
class ToyReader:
    """VenueReader of the toy venue."""

    source: ToyChain
    broken: set[AccountId] = field(default_factory=set)
    """Accounts that cannot be read."""
    reason: str = "reverted"
    hidden: dict[AccountId, int] = field(default_factory=dict)
    """What changes an account without any event."""
    reads: list[tuple[int, int]] = field(default_factory=list)
    """(block, accounts) of every read."""
    venue: VenueId = VENUE

    @property
    def chain(self) -> ChainId:
        return self.source.chain

    async def read(self, accounts: Sequence[AccountId], cut: Cut) -> ReadResult:
        at = cut.blocks[self.chain]
        self.source._asked()
        self.source.require(at)
        self.reads.append((at.number, len(accounts)))
        sums = self.source.sums(at)
        mine = [a for a in accounts if account_chain(a) == self.chain]
        found = [
            venue_account(a, at, sums[a] + self.hidden.get(a, 0))
            for a in mine
            if a not in self.broken and sums.get(a)
        ]
        failures = [ReadFailure(a, VENUE, self.reason, "it always does") for a in mine if a in self.broken]
        return ReadResult(tuple(found), tuple(failures))


def venue_account(account: AccountId, at: BlockRef, amount: int) -> VenueAccount:
    from decimal import Decimal

    asset = AssetId(f"{account_chain(account)}/slip44:60")
    leg = Position(PositionKind.COLLATERAL, asset, "toy", amount, 0, None)
    zero = Decimal(0)
    return VenueAccount(account, VENUE, "", at, (leg,), (), zero, zero, (), None)


def indexer(
    source: ToyChain,
    store: IndexStore,
    *,
    reader: ToyReader | None = None,
    tips: dict[ChainId, BlockRef] | None = None,
    events: list[IndexEvent] | None = None,
    first_block: int | None = 0,
    sample_interval_s: float = 1e9,
    most_blocks: int = 100_000,
) -> ChainIndexer:
    plan = IndexPlan(
        source.chain,
        ((EVENTS, {"toy": CONTRACT}),),
        first_block,
        sample_interval_s=sample_interval_s,
        most_blocks=most_blocks,
    )
    readers = [reader or ToyReader(source)]
    tips = {} if tips is None else tips
    return ChainIndexer(plan, source, readers, store, tips, (events if events is not None else []).append)


async def settle(*indexers: ChainIndexer, rounds: int = 40) -> None:
    """Rounds until all are at their heads twice in a row."""
    calm = 0
    for _ in range(rounds):
        done = [await one.round() for one in indexers]
        calm = calm + 1 if all(done) else 0
        if calm == 2:
            return
    raise AssertionError("the index did not come to rest")


def amounts(stored: Sequence[object]) -> dict[AccountId, int]:
    """Account -> amount from stored states of the toy venue; 0 where the account has no leg."""
    import msgspec

    found = {}
    for one in stored:
        legs = msgspec.json.decode(one.state)
        found[one.account] = int(legs[VENUE][0][4]) if legs else 0
    return found
