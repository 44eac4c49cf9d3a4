"""Three rounds of calls per read: the markets; every account in every market; the accounts that hold something."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chains.accounts import ReadFailure, ReadResult, VenueAccount, failed
from chains.caip import AccountId, Address, AssetId, account_address, erc20
from chains.deployments import ChainDeployment
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.synthetix.decode import VENUE, Assets, MarketAccount, Theirs, decode_account
from chains.venues.synthetix.rules import Holding, Market, Terms

_ALL_MARKETS: Final = Function("allMarkets(bool)", "(address[])")
_SUSPENDED: Final = Function("systemSuspended()", "(bool)")
_ACTIVE: Final = Function("requireFuturesMarketActive(bytes32)")
"""Returns nothing and reverts where an order would."""
_GLOBAL_TERMS: Final = {
    "min_initial": Function("minInitialMargin()", "(uint256)"),
    "fee_ratio": Function("liquidationFeeRatio()", "(uint256)"),
    "fee_min": Function("minKeeperFee()", "(uint256)"),
    "fee_max": Function("maxKeeperFee()", "(uint256)"),
    "keeper_fee": Function("keeperLiquidationFee()", "(uint256)"),
}
_MARKET_TERMS: Final = {
    "max_leverage": Function("maxLeverage(bytes32)", "(uint256)"),
    "skew_scale": Function("skewScale(bytes32)", "(uint256)"),
    "max_funding_velocity": Function("maxFundingVelocity(bytes32)", "(uint256)"),
    "premium_multiplier": Function("liquidationPremiumMultiplier(bytes32)", "(uint256)"),
    "buffer_ratio": Function("liquidationBufferRatio(bytes32)", "(uint256)"),
}
_MARKET: Final = {
    "key": Function("marketKey()", "(bytes32)"),
    "base": Function("baseAsset()", "(bytes32)"),
    "price": Function("assetPrice()", "(uint256,bool)"),
    "skew": Function("marketSkew()", "(int128)"),
    "funded_at": Function("fundingLastRecomputed()", "(uint32)"),
    "funded_rate": Function("fundingRateLastRecomputed()", "(int128)"),
    "entries": Function("fundingSequenceLength()", "(uint256)"),
    "rate": Function("currentFundingRate()", "(int256)"),
}
_POSITION: Final = Function("positions(address)", "((uint64,uint64,uint128,uint128,int128))")
_ENTRY: Final = Function("fundingSequence(uint256)", "(int128)")
_OWN: Final = {
    "remaining": Function("remainingMargin(address)", "(uint256,bool)"),
    "accessible": Function("accessibleMargin(address)", "(uint256,bool)"),
    "notional": Function("notionalValue(address)", "(int256,bool)"),
    "accrued_funding": Function("accruedFunding(address)", "(int256,bool)"),
    "liquidation_price": Function("liquidationPrice(address)", "(uint256,bool)"),
    "liquidation_fee": Function("liquidationFee(address)", "(uint256)"),
    "can_liquidate": Function("canLiquidate(address)", "(bool)"),
    "flagged": Function("isFlagged(address)", "(bool)"),
}
_ORDER: Final = Function(
    "delayedOrders(address)", "((bool,int128,uint128,uint128,uint128,uint128,uint256,uint256,bytes32))"
)


class SynthetixReader(OneChainReader):
    """VenueReader of PerpsV2 on one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client = client
        self._deployment = deployment
        self._addresses: Mapping[str, Address] = deployment.venues[VENUE]

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        first = Batch()
        first.ask("markets", _ALL_MARKETS, self._addresses["futures_market_manager"], True)
        for name, function in _GLOBAL_TERMS.items():
            first.ask(name, function, self._addresses["settings"])
        first.ask("suspended", _SUSPENDED, self._addresses["system_status"])
        await first.run(self._client, at)
        try:
            markets: Sequence[Address] = first.value("markets")
            shared = {name: first.value(name) for name in _GLOBAL_TERMS}
            first.value("suspended")  # proves the contract whose silence means active
        except BadAnswer as error:
            return failed(accounts, VENUE, _reason(error), f"{self.chain}: {error}")
        second = Batch()
        for market in markets:
            for name, function in _MARKET.items():
                second.ask((market, name), function, market)
            for account in accounts:
                second.ask((market, account), _POSITION, market, account_address(account))
        await second.run(self._client, at)
        holders, failures = _holders(second, markets, accounts)
        third = self._ask_holders(second, holders)
        await third.run(self._client, at)
        found: list[VenueAccount] = []
        for market, account in holders:
            try:
                found.append(self._decode(account, at, market, shared, second, third))
            except BadAnswer as error:
                failures.append(ReadFailure(account, VENUE, _reason(error), f"market {market}: {error}"))
        return ReadResult(tuple(found), tuple(failures))

    def _ask_holders(self, second: Batch, holders: Sequence[tuple[Address, AccountId]]) -> Batch:
        third = Batch()
        for market, account in holders:
            try:
                key, last = second.value((market, "key")), max(1, second.value((market, "entries"))) - 1
            except BadAnswer:
                continue  # decoding the market says so
            third.ask((market, "active"), _ACTIVE, self._addresses["system_status"], key)
            for name, function in _MARKET_TERMS.items():
                third.ask((market, name), function, self._addresses["settings"], key)
            index = second.value((market, account))[1]
            for entry in (last, index):
                third.ask((market, "entry", entry), _ENTRY, market, entry)
            address = account_address(account)
            third.ask((market, account, "order"), _ORDER, market, address)
            for name, function in _OWN.items():
                third.ask((market, account, name), function, market, address)
        return third

    def _decode(
        self,
        account: AccountId,
        at: BlockRef,
        address: Address,
        shared: Mapping[str, int],
        second: Batch,
        third: Batch,
    ) -> VenueAccount:
        market = _market(address, second, third)
        terms = _terms(address, market, shared, third)
        _, index, posted, last_price, size = second.value((address, account))
        if size and market.price == 0:
            raise _Unpriced(f"{market.key}: the venue has no price for {market.base_asset}")
        held = Holding(posted, last_price, size, index, third.value((address, "entry", index)))
        own = {name: third.value((address, account, name)) for name in _OWN}
        order = third.value((address, account, "order"))
        theirs = Theirs(**own, funding_rate=second.value((address, "rate")), pending_size=order[1])
        assets = self._assets(market)
        return decode_account(MarketAccount(account, at, market, terms, held, theirs, assets))

    def _assets(self, market: Market) -> Assets:
        susd = erc20(self.chain, self._addresses["susd"])
        for info in self._deployment.assets:
            if info.symbol == market.base_asset:
                return Assets(susd, info.asset, True)
        return Assets(susd, AssetId(f"{self.chain}/synthetix:{market.base_asset}"), False)


class _Unpriced(BadAnswer):
    """The venue has no price for what the account holds."""


def _holders(
    second: Batch, markets: Sequence[Address], accounts: Sequence[AccountId]
) -> tuple[list[tuple[Address, AccountId]], list[ReadFailure]]:
    """Accounts with sUSD or a position in a market, and those whose position could not be read."""
    holders: list[tuple[Address, AccountId]] = []
    failures: list[ReadFailure] = []
    for market in markets:
        for account in accounts:
            try:
                _, _, posted, _, size = second.value((market, account))
            except BadAnswer as error:
                failures.append(ReadFailure(account, VENUE, _reason(error), f"market {market}: {error}"))
                continue
            if posted or size:
                holders.append((market, account))
    return holders, failures


def _market(address: Address, second: Batch, third: Batch) -> Market:
    answers: dict[str, tuple[Any, ...]] = {name: second.values((address, name)) for name in _MARKET}
    price, price_invalid = answers["price"]
    try:
        third.values((address, "active"))
        active = True
    except Reverted:
        active = False
    return Market(
        key=_text(answers["key"][0]),
        base_asset=_text(answers["base"][0]),
        price=price,
        price_invalid=price_invalid,
        skew=answers["skew"][0],
        funded_at=answers["funded_at"][0],
        funded_rate=answers["funded_rate"][0],
        funding_entry=third.value((address, "entry", answers["entries"][0] - 1)),
        active=active,
        contract=address,
    )


def _terms(address: Address, market: Market, shared: Mapping[str, int], third: Batch) -> Terms:
    try:
        own = {name: third.value((address, name)) for name in _MARKET_TERMS}
    except Reverted as error:
        raise UnknownMode(f"{market.key}: not a market of release 2.102: {error}") from None
    terms = Terms(**own, **shared)
    if terms.skew_scale == 0 or terms.max_leverage <= 10**15:
        raise UnknownMode(f"{market.key}: skewScale or maxLeverage is not set")
    return terms


def _text(key: bytes) -> str:
    return key.rstrip(b"\0").decode("ascii", "backslashreplace")


def _reason(error: BadAnswer) -> str:
    return "unpriced" if isinstance(error, _Unpriced) else reason_code(error)
