"""Reading Uniswap v3 positions: NFTs, their terms, their pools, then the pools' state; five batched rounds."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, NoCode, UnknownMode, reason_code
from chains.haircuts import Haircuts
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.uniswap.decode import VENUE, Nft, PoolState, Tokens, decode_position
from chains.venues.uniswap.liquidity import FeeGrowth

MOST: Final = 1_000
"""Positions read of one account: contracts that keep the NFTs of thousands belong to none of them."""
NO_POOL: Final = "0x" + "0" * 40

_FACTORY = Function("factory()", "(address)")
_COUNT = Function("balanceOf(address)", "(uint256)")
_NFT = Function("tokenOfOwnerByIndex(address,uint256)", "(uint256)")
_TERMS = Function(
    "positions(uint256)",
    "(uint96,address,address,address,uint24,int24,int24,uint128,uint256,uint256,uint128,uint128)",
)
_POOL = Function("getPool(address,address,uint24)", "(address)")
_SLOT0 = Function("slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")
_GROWTH0 = Function("feeGrowthGlobal0X128()", "(uint256)")
_GROWTH1 = Function("feeGrowthGlobal1X128()", "(uint256)")
_TICK = Function("ticks(int24)", "(uint128,int128,uint256,uint256,int56,uint160,uint32,bool)")


class Held(NamedTuple):
    """An NFT of an account."""

    account: AccountId
    nft: Nft


class UniswapReader(OneChainReader):
    """VenueReader of the position manager of one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment, haircuts: Haircuts | None = None) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._deployment = client, deployment
        self._haircuts = haircuts or Haircuts()
        self._manager = deployment.venues[VENUE]["position_manager"]

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Every position with liquidity or fees; one that cannot be read is a failure of its owner."""
        counted = await self._counted(accounts, at)
        factory = counted.value("factory")
        held, failures = await self._held(accounts, counted, at)
        pools = Batch()
        for key in {one.nft.pool_key for one in held}:
            pools.ask(key, _POOL, factory, *key)
        await pools.run(self._client, at)
        state = self._ask_state(held, pools)
        await state.run(self._client, at)
        read: list[VenueAccount] = []
        for one in held:
            try:
                read.append(self._account(one, pools, state, at))
            except BadAnswer as error:
                failures.append(_failure(one.account, error, f"position {one.nft.id}: "))
        return ReadResult(tuple(read), tuple(failures))

    async def _counted(self, accounts: Iterable[AccountId], at: BlockRef) -> Batch:
        batch = Batch()
        batch.ask("factory", _FACTORY, self._manager)
        for account in accounts:
            batch.ask(account, _COUNT, self._manager, account_address(account))
        await batch.run(self._client, at)
        return batch

    async def _held(
        self, accounts: Iterable[AccountId], counted: Batch, at: BlockRef
    ) -> tuple[list[Held], list[ReadFailure]]:
        """NFTs that are not empty. An account of which any NFT cannot be named or read has a failure for it."""
        failures: list[ReadFailure] = []
        places = []
        named = Batch()
        for account in accounts:
            try:
                if (count := counted.value(account)) > MOST:
                    raise UnknownMode(f"holds {count} positions, at most {MOST} are read of one account")
                for i in range(count):
                    places.append((account, i))
                    named.ask((account, i), _NFT, self._manager, account_address(account), i)
            except BadAnswer as error:
                failures.append(_failure(account, error))
        await named.run(self._client, at)
        terms = Batch()
        for place in places:
            if named.answered(place):
                terms.ask(named.value(place), _TERMS, self._manager, named.value(place))
        await terms.run(self._client, at)
        held = []
        for place in places:
            try:
                token_id = named.value(place)
                nft = decode_terms(token_id, terms.values(token_id))
            except BadAnswer as error:
                failures.append(_failure(place[0], error, f"position no. {place[1]}: "))
                continue
            if not nft.empty and any(self._known(nft)):
                held.append(Held(place[0], nft))
        return held, failures

    def _ask_state(self, held: Iterable[Held], pools: Batch) -> Batch:
        batch = Batch()
        for _, nft in held:
            if not pools.answered(nft.pool_key):
                continue
            pool = pools.value(nft.pool_key)
            for function in (_SLOT0, _GROWTH0, _GROWTH1):
                batch.ask((pool, function.name), function, pool)
            for tick in (nft.lower, nft.upper):
                batch.ask((pool, tick), _TICK, pool, tick)
        return batch

    def _known(self, nft: Nft) -> tuple[AssetInfo | None, AssetInfo | None]:
        """Its tokens as registered. Anybody can send an NFT of strangers: it is as invisible as idle strangers."""
        infos = [self._deployment.asset(erc20(self.chain, token)) for token in (nft.token0, nft.token1)]
        return infos[0], infos[1]

    def _account(self, one: Held, pools: Batch, state: Batch, at: BlockRef) -> VenueAccount:
        """Raises BadAnswer where the pool or a tick cannot be read, UnknownMode for a token not registered."""
        nft = one.nft
        address = pools.value(nft.pool_key)
        if address == NO_POOL:
            raise NoCode(f"getPool: the factory has no pool of {nft.token0}, {nft.token1} and fee {nft.fee_pips}")
        first, second = self._known(nft)
        if first is None or second is None:
            missing = nft.token0 if first is None else nft.token1
            raise UnknownMode(f"token {missing} is not a registered asset of {self.chain}: add it")
        root, tick, *_ = state.values((address, _SLOT0.name))
        growth = FeeGrowth(state.value((address, _GROWTH0.name)), state.value((address, _GROWTH1.name)))
        pool = PoolState(address, root, tick, growth)
        outside = tuple(FeeGrowth(*state.values((address, end))[2:4]) for end in (nft.lower, nft.upper))
        tokens = Tokens(first, second)
        return decode_position(one.account, nft, pool, (outside[0], outside[1]), tokens, self._haircuts, at)


def decode_terms(token_id: int, values: Sequence[Any]) -> Nft:
    """NFT from the 12 words of ``positions``."""
    _, _, token0, token1, fee, lower, upper, liquidity, last0, last1, owed0, owed1 = values
    return Nft(token_id, token0, token1, fee, lower, upper, liquidity, FeeGrowth(last0, last1), (owed0, owed1))


def _failure(account: AccountId, error: BadAnswer, where: str = "") -> ReadFailure:
    return ReadFailure(account, VENUE, reason_code(error), f"{where}{error}")
