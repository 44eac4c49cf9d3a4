"""Reading Compound v3: terms and totals, then assets, then prices, balances and the market's own verdict."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.compound.decode import VENUE, WITHDRAW_PAUSED, Base, Collateral, Own, accrued, decode_account

BASE_TOKEN: Final = Function("baseToken()", "(address)")
BASE_FEED: Final = Function("baseTokenPriceFeed()", "(address)")
_BASE_SCALE: Final = Function("baseScale()", "(uint256)")
COUNT: Final = Function("numAssets()", "(uint8)")
_TOTALS: Final = Function("totalsBasic()", "((uint64,uint64,uint64,uint64,uint104,uint104,uint40,uint8))")
_UTILIZATION: Final = Function("getUtilization()", "(uint256)")
ASSET: Final = Function("getAssetInfo(uint8)", "((uint8,address,address,uint64,uint64,uint64,uint64,uint128))")
_SUPPLY_RATE: Final = Function("getSupplyRate(uint256)", "(uint64)")
_BORROW_RATE: Final = Function("getBorrowRate(uint256)", "(uint64)")
_PRICE: Final = Function("getPrice(address)", "(uint256)")
_USER: Final = Function("userBasic(address)", "(int104,uint64,uint64,uint16,uint8)")
_COLLATERAL: Final = Function("collateralBalanceOf(address,address)", "(uint128)")
_SUPPLIED: Final = Function("balanceOf(address)", "(uint256)")
_BORROWED: Final = Function("borrowBalanceOf(address)", "(uint256)")
_ACCRUE: Final = Function("accrueAccount(address)")
_LIQUIDATABLE: Final = Function("isLiquidatable(address)", "(bool)")
_TERMS: Final = (BASE_TOKEN, BASE_FEED, _BASE_SCALE, COUNT, _TOTALS, _UTILIZATION)


class CompoundReader(OneChainReader):
    """VenueReader of the Comet markets of one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._deployment = client, deployment
        self._markets = dict(deployment.venues[VENUE])

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """State of the accounts in every market; a market that cannot be read fails for those that use it."""
        terms = self._ask_terms(accounts)
        await terms.run(self._client, at)
        assets = self._ask_assets(terms)
        await assets.run(self._client, at)
        state = self._ask_state(accounts, terms, assets)
        await state.run(self._client, at)
        read: list[VenueAccount] = []
        failures: list[ReadFailure] = []
        desk = _Desk(self._deployment, at, terms, assets, state)
        for account in accounts:
            for market, comet in self._markets.items():
                try:
                    found = desk.account(account, market, comet)
                except BadAnswer as error:
                    failures.append(ReadFailure(account, VENUE, reason_code(error), f"{market}: {error}"))
                    continue
                if found is not None:
                    read.append(found)
        return ReadResult(tuple(read), tuple(failures))

    def _ask_terms(self, accounts: Iterable[AccountId]) -> Batch:
        batch = Batch()
        for market, comet in self._markets.items():
            for function in _TERMS:
                batch.ask((market, function.name), function, comet)
            for account in accounts:
                batch.ask((market, account), _USER, comet, account_address(account))
        return batch

    def _ask_assets(self, terms: Batch) -> Batch:
        batch = Batch()
        for market, comet in self._markets.items():
            if not terms.answered((market, COUNT.name)) or not terms.answered((market, _UTILIZATION.name)):
                continue
            for i in range(terms.value((market, COUNT.name))):
                batch.ask((market, i), ASSET, comet, i)
            utilization = terms.value((market, _UTILIZATION.name))
            for function in (_SUPPLY_RATE, _BORROW_RATE):
                batch.ask((market, function.name), function, comet, utilization)
        return batch

    def _ask_state(self, accounts: Sequence[AccountId], terms: Batch, assets: Batch) -> Batch:
        """Prices and balances; interest is accrued inside the read before the market is asked for its verdict."""
        batch = Batch()
        for market, comet in self._markets.items():
            found = asset_terms(market, terms, assets)
            feeds = {asset[2] for asset in found}
            if terms.answered((market, BASE_FEED.name)) and terms.answered((market, BASE_TOKEN.name)):
                feeds.add(terms.value((market, BASE_FEED.name)))
                batch.ask((market, "cash"), _SUPPLIED, terms.value((market, BASE_TOKEN.name)), comet)
            for feed in sorted(feeds):
                batch.ask((market, "price", feed), _PRICE, comet, feed)
            for account in accounts:
                user = account_address(account)
                for asset in found:
                    batch.ask((market, account, asset[1]), _COLLATERAL, comet, user, asset[1])
                for function in (_SUPPLIED, _BORROWED, _ACCRUE, _LIQUIDATABLE):
                    batch.ask((market, account, function.name), function, comet, user)
        return batch


def asset_terms(market: str, terms: Batch, assets: Batch) -> list[tuple[Any, ...]]:
    """AssetInfo structs of a market; those that cannot be read are left out here and missed later."""
    if not terms.answered((market, COUNT.name)):
        return []
    count = terms.value((market, COUNT.name))
    return [assets.value((market, i)) for i in range(count) if assets.answered((market, i))]


class _Desk:
    """Answers of all rounds, put together."""

    def __init__(
        self, deployment: ChainDeployment, at: BlockRef, terms: Batch, assets: Batch, state: Batch
    ) -> None:
        self._deployment, self._at = deployment, at
        self._terms, self._assets, self._state = terms, assets, state

    def account(self, account: AccountId, market: str, comet: Address) -> VenueAccount | None:
        """One account in one market; raises BadAnswer or UnknownMode."""
        principal = self._terms.value((market, account))
        count = self._terms.value((market, COUNT.name))
        structs = [self._assets.value((market, i)) for i in range(count)]
        balances = [self._state.value((market, account, struct[1])) for struct in structs]
        if not (principal or any(balances)):
            return None
        base = self._base(market)
        held = [
            self._collateral(market, struct, balance)
            for struct, balance in zip(structs, balances, strict=True)
            if balance
        ]
        self._state.values((market, account, _ACCRUE.name))
        names = (_SUPPLIED, _BORROWED, _LIQUIDATABLE)
        own = Own(*(self._state.value((market, account, function.name)) for function in names))
        return decode_account(account, principal, base, held, own, self._at)

    def _base(self, market: str) -> Base:
        token, feed, scale = (
            self._terms.value((market, function.name)) for function in (BASE_TOKEN, BASE_FEED, _BASE_SCALE)
        )
        info = self._asset(token)
        if info.peg != "USD":
            raise UnknownMode(
                f"base token {info.symbol} is no USD stablecoin: its market may not count in dollars"
            )
        totals = self._terms.value((market, _TOTALS.name))
        rates = [self._assets.value((market, function.name)) for function in (_SUPPLY_RATE, _BORROW_RATE)]
        elapsed_s = self._at.timestamp - totals[6]
        return Base(
            market=market,
            info=info,
            price=self._state.value((market, "price", feed)),
            unit=scale,
            supply_index=accrued(totals[0], rates[0], elapsed_s),
            borrow_index=accrued(totals[1], rates[1], elapsed_s),
            supply_rate=rates[0],
            borrow_rate=rates[1],
            cash=self._state.value((market, "cash")),
            withdrawals_open=not totals[7] & WITHDRAW_PAUSED,
        )

    def _collateral(self, market: str, struct: tuple[Any, ...], balance: int) -> Collateral:
        _, token, feed, scale, borrow, liquidate, liquidation, _ = struct
        price = self._state.value((market, "price", feed))
        return Collateral(self._asset(token), price, scale, borrow, liquidate, liquidation, balance)

    def _asset(self, token: Address) -> AssetInfo:
        info = self._deployment.asset(erc20(self._deployment.chain, token))
        if info is None:
            raise UnknownMode(f"token {token} is not a registered asset of {self._deployment.chain}: add it")
        return info
