"""Reads Lyra v1 positions in three rounds for all accounts: positions, their strikes, the contracts' verdicts."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from eth_utils.crypto import keccak

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, ChainId, account_address, erc20
from chains.deployments import ChainDeployment
from chains.errors import BadAnswer, NoContractCode, Reverted
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef, Call, CallResult
from chains.venue_reader import OneChainReader
from chains.venues.lyra.decode import ACTIVE, VENUE, Answers, Leg, MarketTerms, RawPosition, StrikeTerms, decode
from chains.venues.lyra.rule import MinCollateralParams, OptionType

_POSITION: Final = "(uint256,uint256,uint8,uint256,uint256,uint8)"
_OWNER_POSITIONS: Final = Function("getOwnerPositions(address)", f"({_POSITION}[])")
_CAN_LIQUIDATE: Final = Function(f"canLiquidate({_POSITION},uint256,uint256,uint256)", "(bool)")
_SPOT: Final = Function("getSpotPriceForMarket(address)", "(uint256)")
_MIN_COLLATERAL_PARAMS: Final = Function("getMinCollatParams()", f"(({','.join(['uint256'] * 8)}))")
_PENALTIES: Final = Function("partialCollatParams()", "(uint256,uint256,uint256,uint256)")
_CACHE_PARAMS: Final = Function("getGreekCacheParams()", f"(({','.join(['uint256'] * 9)},int256))")
_STRIKE: Final = Function(
    "getStrikeAndBoard(uint256)",
    f"(({','.join(['uint256'] * 9)}),(uint256,uint256,uint256,bool,uint256[]))",
)
_SETTLEMENT: Final = Function("getSettlementParameters(uint256)", "(uint256,uint256,uint256)")
_MIN_COLLATERAL: Final = Function("getMinCollateral(uint8,uint256,uint256,uint256,uint256)", "(uint256)")
_PRICES: Final = Function("optionPrices(uint256,uint256,uint256,uint256,int256)", "(uint256,uint256)")
_PRICES_SELECTOR: Final = keccak(text="optionPrices(BlackScholes.BlackScholesInputs)")[:4]
"""A library's function is named by the struct's name; its one static struct is encoded as its fields in a row."""

_REVERTS: Final = {
    bytes.fromhex("473da07e"): "the venue's spot rate is stale or invalid",
    bytes.fromhex("0d7e3183"): "the market is paused",
    bytes.fromhex("48bf9ae5"): "all markets are paused",
}
"""SynthetixAdapter's errors RateIsInvalid, MarketIsPaused, AllMarketsPaused."""


@dataclass(frozen=True, slots=True)
class MarketContracts:
    """Contracts of one market."""

    name: str
    option_market: Address
    option_token: Address
    greek_cache: Address
    quote_asset: Address
    base_asset: Address


class _Gap(NamedTuple):
    reason: str
    detail: str


@dataclass(slots=True)
class _Gathered:
    """What is known of each account so far."""

    positions: dict[AccountId, list[RawPosition]] = field(default_factory=dict)
    failures: list[ReadFailure] = field(default_factory=list)

    def fail(self, account: AccountId, gap: _Gap) -> None:
        self.failures.append(ReadFailure(account, VENUE, gap.reason, gap.detail))

    def fail_all(self, gap: _Gap) -> ReadResult:
        for account in self.positions:
            self.fail(account, gap)
        return ReadResult(failures=tuple(self.failures))


class LyraReader(OneChainReader):
    """VenueReader of all Lyra v1 markets of one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        addresses = deployment.venues[VENUE]
        self._client = client
        self._adapter = _address(addresses, "synthetix_adapter", self._chain)
        self._black_scholes = _address(addresses, "black_scholes", self._chain)
        self._markets = _markets(addresses, self._chain)

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Venue accounts of all owners; an owner without options produces nothing."""
        parts = await asyncio.gather(*(self._read_market(market, accounts, at) for market in self._markets))
        return ReadResult(
            accounts=tuple(account for part in parts for account in part.accounts),
            failures=tuple(failure for part in parts for failure in part.failures),
        )

    async def _read_market(
        self, market: MarketContracts, accounts: Sequence[AccountId], at: BlockRef
    ) -> ReadResult:
        shared = [
            _SPOT.call(self._adapter, market.option_market),
            _CACHE_PARAMS.call(market.greek_cache),
            _MIN_COLLATERAL_PARAMS.call(market.greek_cache),
            _PENALTIES.call(market.option_token),
        ]
        owners = [_OWNER_POSITIONS.call(market.option_token, account_address(a)) for a in accounts]
        results = await self._client.call([*shared, *owners], at)
        gathered = _positions(market, accounts, results[len(shared) :])
        if not gathered.positions:
            return ReadResult(failures=tuple(gathered.failures))
        terms = _market_terms(market, self._chain, results[: len(shared)])
        if isinstance(terms, _Gap):
            return gathered.fail_all(terms)
        strikes = await self._strikes(market, gathered, at)
        answers = await self._answers(market, terms, gathered, strikes, at)
        return _accounts(terms, gathered, strikes, answers, at)

    async def _strikes(
        self, market: MarketContracts, gathered: _Gathered, at: BlockRef
    ) -> dict[int, StrikeTerms | _Gap]:
        ids = sorted({p.strike for positions in gathered.positions.values() for p in positions})
        calls = [f.call(market.option_market, i) for i in ids for f in (_STRIKE, _SETTLEMENT)]
        results = await self._client.call(calls, at)
        return {i: _strike_terms(market, i, results[2 * n : 2 * n + 2]) for n, i in enumerate(ids)}

    async def _answers(
        self,
        market: MarketContracts,
        terms: MarketTerms,
        gathered: _Gathered,
        strikes: Mapping[int, StrikeTerms | _Gap],
        at: BlockRef,
    ) -> dict[int, Answers | _Gap]:
        """The contracts' figures by position id, for positions whose board is not settled."""
        live: list[RawPosition] = []
        calls: list[Call] = []
        for position in (p for positions in gathered.positions.values() for p in positions):
            strike = strikes[position.strike]
            if isinstance(strike, StrikeTerms) and not strike.settled_price:
                live.append(position)
                calls += self._questions(market, terms, position, strike, at)
        results = iter(await self._client.call(calls, at))
        return {p.id: _answers_of(market, p, [next(results) for _ in range(_count(p))]) for p in live}

    def _questions(
        self, market: MarketContracts, terms: MarketTerms, position: RawPosition, strike: StrikeTerms, at: BlockRef
    ) -> list[Call]:
        """Prices, verdict and, for shorts, the minimum collateral."""
        seconds = max(0, strike.expiry - at.timestamp)
        inputs = (seconds, strike.vol, terms.spot, strike.price, terms.rate)
        prices = Call(self._black_scholes, _PRICES_SELECTOR + _PRICES.call(self._black_scholes, *inputs).data[4:])
        verdict = _CAN_LIQUIDATE.call(
            market.option_token, tuple(position), strike.expiry, strike.price, terms.spot
        )
        if not position.kind.is_short:
            return [prices, verdict]
        kind, amount = int(position.kind), position.amount
        return [
            prices,
            verdict,
            _MIN_COLLATERAL.call(market.greek_cache, kind, strike.price, strike.expiry, terms.spot, amount),
        ]


def _count(position: RawPosition) -> int:
    return 3 if position.kind.is_short else 2


def _positions(market: MarketContracts, accounts: Sequence[AccountId], results: Sequence[CallResult]) -> _Gathered:
    gathered = _Gathered()
    for account, result in zip(accounts, results, strict=True):
        values = _decoded(_OWNER_POSITIONS, result, f"{market.name} positions")
        if isinstance(values, _Gap):
            gathered.fail(account, values)
            continue
        for fields in values[0]:
            position = _position(market, fields)
            if isinstance(position, _Gap):
                gathered.fail(account, position)
            else:
                gathered.positions.setdefault(account, []).append(position)
    return gathered


def _position(market: MarketContracts, fields: tuple[int, ...]) -> RawPosition | _Gap:
    position_id, strike, kind, amount, collateral, state = fields
    where = f"{market.name} position {position_id}"
    if kind not in OptionType.__members__.values():
        return _Gap("unknown_mode", f"{where}: option type {kind} is not one of 0 to 4")
    if state != ACTIVE:
        return _Gap("unknown_mode", f"{where}: state {state} of an owned position, expected {ACTIVE} (active)")
    return RawPosition(position_id, strike, OptionType(kind), amount, collateral, state)


def _market_terms(market: MarketContracts, chain: ChainId, results: Sequence[CallResult]) -> MarketTerms | _Gap:
    functions = (_SPOT, _CACHE_PARAMS, _MIN_COLLATERAL_PARAMS, _PENALTIES)
    values = [_decoded(f, r, f"{market.name} market") for f, r in zip(functions, results, strict=True)]
    for value in values:
        if isinstance(value, _Gap):
            return value
    (spot,), (cache,), (params,), (penalty, _, _, least_penalty) = values
    return MarketTerms(
        name=market.name,
        base=erc20(chain, market.base_asset),
        quote=erc20(chain, market.quote_asset),
        spot=spot,
        rate=cache[-1],
        params=MinCollateralParams(*params),
        penalty=penalty,
        least_penalty=least_penalty,
    )


def _strike_terms(market: MarketContracts, strike_id: int, results: Sequence[CallResult]) -> StrikeTerms | _Gap:
    listed = _decoded(_STRIKE, results[0], f"{market.name} strike {strike_id}")
    settlement = _decoded(_SETTLEMENT, results[1], f"{market.name} strike {strike_id}")
    if isinstance(listed, _Gap):
        return listed
    if isinstance(settlement, _Gap):
        return settlement
    strike, board = listed
    if strike[0] != strike_id or strike[1] == 0:
        return _Gap("undecodable", f"{market.name} strike {strike_id}: the market does not list it")
    return StrikeTerms(
        id=strike_id,
        board=board[0],
        price=strike[1],
        skew=strike[2],
        iv=board[2],
        expiry=board[1],
        frozen=board[3],
        settled_price=settlement[1],
        base_ratio=settlement[2],
    )


def _answers_of(market: MarketContracts, position: RawPosition, results: Sequence[CallResult]) -> Answers | _Gap:
    where = f"{market.name} position {position.id}"
    functions = (_PRICES, _CAN_LIQUIDATE, _MIN_COLLATERAL)[: len(results)]
    values = [_decoded(f, r, where) for f, r in zip(functions, results, strict=True)]
    for value in values:
        if isinstance(value, _Gap):
            return value
    (call, put), (verdict,), *floor = values
    return Answers(call, put, verdict, floor[0][0] if floor else None)


def _accounts(
    market: MarketTerms,
    gathered: _Gathered,
    strikes: Mapping[int, StrikeTerms | _Gap],
    answers: Mapping[int, Answers | _Gap],
    at: BlockRef,
) -> ReadResult:
    found: list[VenueAccount] = []
    for account, positions in gathered.positions.items():
        legs: list[Leg] = []
        for position in positions:
            leg = _leg(position, strikes[position.strike], answers.get(position.id))
            if isinstance(leg, _Gap):
                gathered.fail(account, leg)
            else:
                legs.append(leg)
        found += decode(account, at, market, legs)
    return ReadResult(tuple(found), tuple(gathered.failures))


def _leg(position: RawPosition, strike: StrikeTerms | _Gap, answers: Answers | _Gap | None) -> Leg | _Gap:
    if isinstance(strike, _Gap):
        return strike
    return answers if isinstance(answers, _Gap) else Leg(position, strike, answers)


def _decoded(function: Function, result: CallResult, where: str) -> tuple[Any, ...] | _Gap:
    try:
        return function.decode(result)
    except Reverted as error:
        return _Gap("reverted", f"{where}: {_REVERTS.get(result.data[:4], error)}")
    except BadAnswer as error:
        return _Gap("undecodable" if result.data else "no_code", f"{where}: {error}")


def _address(addresses: Mapping[str, Address], name: str, chain: ChainId) -> Address:
    if name not in addresses:
        raise NoContractCode(f"{chain}: venues.{VENUE}.{name} is missing; add the contract's address")
    return addresses[name]


def _markets(addresses: Mapping[str, Address], chain: ChainId) -> tuple[MarketContracts, ...]:
    names: Iterable[str] = sorted({name.partition(".")[0] for name in addresses if "." in name})
    parts = ("option_market", "option_token", "greek_cache", "quote_asset", "base_asset")
    return tuple(
        MarketContracts(name, *(_address(addresses, f"{name}.{part}", chain) for part in parts)) for name in names
    )
