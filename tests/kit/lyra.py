"""Lyra states made by hand, and a market without a chain."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from eth_abi.abi import encode

from chains.caip import AccountId, Address, account_address, account_id, chain_id, erc20
from chains.deployments import ChainDeployment
from chains.types import Call, CallResult
from chains.venues.lyra import VENUE, reader, rule
from chains.venues.lyra.decode import ACTIVE, Answers, Leg, MarketTerms, RawPosition, StrikeTerms
from chains.venues.lyra.rule import MinCollateralParams, OptionType
from tests.kit.transport import FakeChainClient, a_block

CHAIN = chain_id(10)
NOW = 1_700_000_000
DAY_S = 86_400
WEEK_S = 7 * DAY_S
AT = a_block(CHAIN, 100, NOW)
USER = account_id(CHAIN, Address("0x1111111111111111111111111111111111111111"))
OTHER = account_id(CHAIN, Address("0x9999999999999999999999999999999999999999"))
ADAPTER, BLACK_SCHOLES, MARKET, TOKEN, CACHE, QUOTE, BASE = (Address("0x" + d * 40) for d in "2345678")
ADDRESSES = {
    "synthetix_adapter": ADAPTER,
    "black_scholes": BLACK_SCHOLES,
    "ETH.option_market": MARKET,
    "ETH.option_token": TOKEN,
    "ETH.greek_cache": CACHE,
    "ETH.quote_asset": QUOTE,
    "ETH.base_asset": BASE,
}


def wad(amount: str | int | Decimal) -> int:
    return int(Decimal(amount).scaleb(18))


PARAMS = MinCollateralParams(
    # @lyrafinance/protocol 0.1.3-alpha, dist/test/utils/defaultParams.js
    min_static_quote=wad(200), min_static_base=wad("0.2"),
    shock_vol_a=wad("2.5"), shock_vol_point_a_s=2 * WEEK_S, shock_vol_b=wad("1.8"), shock_vol_point_b_s=8 * WEEK_S,
    call_spot_shock=wad("1.2"), put_spot_shock=wad("0.8"),
)  # fmt: skip
RATE = wad("0.05")
ETH = MarketTerms("ETH", erc20(CHAIN, BASE), erc20(CHAIN, QUOTE), wad(3000), RATE, PARAMS, wad("0.2"), wad(15))


def a_strike(price: int, days: int = 30, strike_id: int = 7, **other: int) -> StrikeTerms:
    terms = StrikeTerms(strike_id, 1, wad(price), wad("1.1"), wad("0.8"), NOW + days * DAY_S)
    return replace(terms, **other)


def a_leg(
    kind: OptionType, strike: StrikeTerms, amount: str = "5", collateral: int = 0, *,
    position_id: int = 3, market: MarketTerms = ETH,
) -> Leg:  # fmt: skip
    """A position with the answers of contracts that agree with our rules; none once its board is settled."""
    raw = RawPosition(position_id, strike.id, kind, wad(amount), collateral, ACTIVE)
    return Leg(raw, strike, None if strike.settled_price else answers_of(raw, strike, market))


def answers_of(raw: RawPosition, strike: StrikeTerms, market: MarketTerms = ETH) -> Answers:
    seconds = max(0, strike.expiry - NOW)
    call, put = rule.option_prices(seconds, strike.vol, market.spot, strike.price, market.rate)
    if not raw.kind.is_short:
        return Answers(call, put, False, None)
    floor = rule.min_collateral(
        market.params, raw.kind, strike.price, seconds, market.spot, raw.amount, market.rate
    )
    return Answers(call, put, raw.collateral < floor, floor)


@dataclass
class FakeMarket:
    """The contracts of one market, answered from a table."""

    client: FakeChainClient = field(default_factory=lambda: FakeChainClient(CHAIN, timestamp=NOW))

    def answer(self, call: Call, types: Sequence[str], values: Sequence[object]) -> None:
        self.client.answers[call.to, call.data] = CallResult(True, encode(types, values))

    def refuse(self, call: Call, data: bytes = b"") -> None:
        self.client.answers[call.to, call.data] = CallResult(False, data)

    def stand_up(self, market: MarketTerms = ETH) -> "FakeMarket":
        cache = (30, 1, 2, 3, 4, 5, 6, 7, 8, market.rate)
        self.answer(reader._SPOT.call(ADAPTER, MARKET), ["uint256"], [market.spot])
        self.answer(reader._CACHE_PARAMS.call(CACHE), [f"({','.join(['uint256'] * 9)},int256)"], [cache])
        self.answer(reader._MIN_COLLATERAL_PARAMS.call(CACHE), [f"({','.join(['uint256'] * 8)})"], [market.params])
        penalties = (market.penalty, wad("0.4"), wad("0.3"), market.least_penalty)
        self.answer(reader._PENALTIES.call(TOKEN), ["uint256"] * 4, penalties)
        return self

    def own(self, account: AccountId, *positions: Sequence[int]) -> None:
        """What the token says an account owns."""
        call = reader._OWNER_POSITIONS.call(TOKEN, account_address(account))
        self.answer(call, [f"{reader._POSITION}[]"], [[tuple(map(int, p)) for p in positions]])

    def list_strike(self, strike: StrikeTerms) -> None:
        listed = (strike.id, strike.price, strike.skew, 0, 0, 0, 0, 0, strike.board)
        board = (strike.board, strike.expiry, strike.iv, strike.frozen, [strike.id])
        types = [f"({','.join(['uint256'] * 9)})", "(uint256,uint256,uint256,bool,uint256[])"]
        self.answer(reader._STRIKE.call(MARKET, strike.id), types, [listed, board])
        settlement = (strike.price, strike.settled_price, strike.base_ratio)
        self.answer(reader._SETTLEMENT.call(MARKET, strike.id), ["uint256"] * 3, settlement)

    def judge(self, leg: Leg, market: MarketTerms = ETH) -> None:
        """The contracts' figures for a position."""
        raw, strike, answers = leg.raw, leg.strike, leg.answers
        assert answers is not None
        seconds = max(0, strike.expiry - NOW)
        call = reader._PRICES.call(BLACK_SCHOLES, seconds, strike.vol, market.spot, strike.price, market.rate)
        named = Call(BLACK_SCHOLES, reader._PRICES_SELECTOR + call.data[4:])
        self.answer(named, ["uint256", "uint256"], [answers.call, answers.put])
        verdict = reader._CAN_LIQUIDATE.call(TOKEN, tuple(raw), strike.expiry, strike.price, market.spot)
        self.answer(verdict, ["bool"], [answers.can_liquidate])
        if answers.min_collateral is not None:
            call = floor_call(leg, market)
            self.answer(call, ["uint256"], [answers.min_collateral])

    def hold(self, account: AccountId, *legs: Leg) -> None:
        """An account with whole positions."""
        self.own(account, *(leg.raw for leg in legs))
        for leg in legs:
            self.list_strike(leg.strike)
            if leg.answers is not None:
                self.judge(leg)


def floor_call(leg: Leg, market: MarketTerms = ETH) -> Call:
    raw, strike = leg.raw, leg.strike
    return reader._MIN_COLLATERAL.call(CACHE, int(raw.kind), strike.price, strike.expiry, market.spot, raw.amount)


def deployment(**changes: Address | None) -> ChainDeployment:
    """A chain with the market; ``name=None`` leaves an address out."""
    wanted = {**ADDRESSES, **changes}
    addresses = {name: address for name, address in wanted.items() if address is not None}
    return ChainDeployment(CHAIN, "fake", Address("0x" + "c" * 40), (), {VENUE: addresses})
