"""Reading Perp v2: three rounds for all accounts together, the last only where someone makes a market."""

from collections.abc import Iterable, Sequence
from typing import Final

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues.perp.decode import decode_account
from chains.venues.perp.rule import (
    VENUE,
    AccountState,
    Collateral,
    CollateralRules,
    Leg,
    Market,
    Params,
    Theirs,
    funding_premium,
)

COLLATERAL_TWAP_S: Final = 900

_SETTINGS: Final = {
    "settlement_token": ("vault", Function("getSettlementToken()", "(address)")),
    "mm_ratio": ("config", Function("getMmRatio()", "(uint24)")),
    "im_ratio": ("config", Function("getImRatio()", "(uint24)")),
    "twap_s": ("config", Function("getTwapInterval()", "(uint32)")),
    "max_funding": ("config", Function("getMaxFundingRate()", "(uint24)")),
    "penalty_ratio": ("config", Function("getLiquidationPenaltyRatio()", "(uint24)")),
}
_PER_ACCOUNT: Final = {
    "balance": ("vault", Function("getBalance(address)", "(int256)")),
    "pnl": ("account_balance", Function("getPnlAndPendingFee(address)", "(int256,int256,uint256)")),
    "bases": ("account_balance", Function("getBaseTokens(address)", "(address[])")),
    "tokens": ("vault", Function("getCollateralTokens(address)", "(address[])")),
    "account_value": ("clearing_house", Function("getAccountValue(address)", "(int256)")),
    "requirement": ("account_balance", Function("getMarginRequirementForLiquidation(address)", "(int256)")),
    "free": ("vault", Function("getFreeCollateral(address)", "(uint256)")),
}
_PER_LEG: Final = {
    "info": ("account_balance", Function("getAccountInfo(address,address)", "((int256,int256,int256))")),
    "funding": ("exchange", Function("getPendingFundingPayment(address,address)", "(int256)")),
    "orders": ("order_book", Function("getOpenOrderIds(address,address)", "(bytes32[])")),
}
_PER_MARKET: Final = {
    "open": Function("isOpen()", "(bool)"),
    "closed": Function("isClosed()", "(bool)"),
    "paused_price": Function("getPausedIndexPrice()", "(uint256)"),
    "closed_price": Function("getClosedPrice()", "(uint256)"),
}
_PER_COLLATERAL: Final = {
    "token_config": Function("getCollateralConfig(address)", "((address,uint24,uint24,uint256))"),
    "token_decimals": Function("getPriceFeedDecimals(address)", "(uint8)"),
}
_INDEX = Function("getIndexPrice(uint256)", "(uint256)")
_POOL_TWAP = Function("getSqrtMarketTwapX96(address,uint32)", "(uint160)")
_MARK = Function("getMarkPrice(address)", "(uint256)")
_VERDICT = Function("getLiquidatablePositionSize(address,address,int256)", "(int256)")
_ORDER_DEBT = Function("getTotalOrderDebt(address,address,bool)", "(uint256)")
_IN_POOL = Function("getTotalTokenAmountInPoolAndPendingFee(address,address,bool)", "(uint256,uint256)")
_COLLATERAL_LIQUIDATABLE = Function("isLiquidatable(address)", "(bool)")
_COLLATERAL_MM = Function("getCollateralMmRatio()", "(uint24)")
_BALANCE_OF = Function("getBalanceByToken(address,address)", "(int256)")
_TOKEN_PRICE = Function("getPrice(address,uint256)", "(uint256)")
_DEBT_RATIO = Function("getDebtNonSettlementTokenValueRatio()", "(uint24)")
_DEBT_LIMIT = Function("getDebtThresholdByTrader(address)", "(uint256)")


class PerpReader(OneChainReader):
    """VenueReader of Perp v2 on one chain."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client = client
        self._deployment = deployment
        self._to = deployment.venues[VENUE]

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """State of the accounts; a problem of the venue's settings fails all of them."""
        first = self._first(accounts)
        await first.run(self._client, at)
        params = self._params(first)
        held, failures = _holders(accounts, first)
        second = self._second(held, first, params)
        await second.run(self._client, at)
        third = self._third(held, first, second)
        await third.run(self._client, at)
        answers = _Answers(self._deployment, params, first, second, third)
        read: list[VenueAccount] = []
        for account in held:
            try:
                read.append(decode_account(account, answers.state(account), params, at))
            except BadAnswer as error:
                failures.append(ReadFailure(account, VENUE, reason_code(error), str(error)))
        return ReadResult(tuple(read), tuple(failures))

    def _first(self, accounts: Iterable[AccountId]) -> Batch:
        batch = Batch()
        for name, (contract, function) in _SETTINGS.items():
            batch.ask(name, function, self._to[contract])
        for account in accounts:
            for name, (contract, function) in _PER_ACCOUNT.items():
                batch.ask((name, account), function, self._to[contract], account_address(account))
        return batch

    def _second(self, accounts: Iterable[AccountId], first: Batch, params: Params) -> Batch:
        batch = Batch()
        for account in accounts:
            owner = account_address(account)
            theirs = first.value(("account_value", account))
            for base in first.value(("bases", account)):
                self._ask_market(batch, base, params.twap_s)
                for name, (contract, function) in _PER_LEG.items():
                    batch.ask((name, account, base), function, self._to[contract], owner, base)
                batch.ask(("verdict", account, base), _VERDICT, self._to["account_balance"], owner, base, theirs)
            for token in first.value(("tokens", account)):
                self._ask_collateral(batch, token)
                batch.ask(("held", account, token), _BALANCE_OF, self._to["vault"], owner, token)
                batch.ask(("hit", account), _COLLATERAL_LIQUIDATABLE, self._to["vault"], owner)
                batch.ask(("debt_limit", account), _DEBT_LIMIT, self._to["collateral_manager"], owner)
        return batch

    def _ask_market(self, batch: Batch, base: Address, twap_s: int) -> None:
        batch.ask(("mark", base), _MARK, self._to["account_balance"], base)
        batch.ask(("index", base), _INDEX, base, twap_s)
        batch.ask(("pool_twap", base), _POOL_TWAP, self._to["exchange"], base, twap_s)
        for name, function in _PER_MARKET.items():
            batch.ask((name, base), function, base)

    def _ask_collateral(self, batch: Batch, token: Address) -> None:
        manager = self._to["collateral_manager"]
        batch.ask("collateral_mm", _COLLATERAL_MM, self._to["vault"])
        batch.ask("debt_ratio", _DEBT_RATIO, manager)
        batch.ask(("token_price", token), _TOKEN_PRICE, manager, token, COLLATERAL_TWAP_S)
        for name, function in _PER_COLLATERAL.items():
            batch.ask((name, token), function, manager, token)

    def _third(self, accounts: Iterable[AccountId], first: Batch, second: Batch) -> Batch:
        batch, book = Batch(), self._to["order_book"]
        for account in accounts:
            for base in first.value(("bases", account)):
                if not second.answered(("orders", account, base)) or not second.value(("orders", account, base)):
                    continue
                for is_base in (True, False):
                    arguments = (account_address(account), base, is_base)
                    batch.ask(("debt", account, base, is_base), _ORDER_DEBT, book, *arguments)
                    batch.ask(("pool", account, base, is_base), _IN_POOL, book, *arguments)
        return batch

    def _params(self, first: Batch) -> Params:
        token = _registered(self._deployment, first.value("settlement_token"), "settlement token")
        numbers = (
            first.value(name) for name in ("mm_ratio", "im_ratio", "twap_s", "max_funding", "penalty_ratio")
        )
        return Params(token, *numbers)


class _Answers:
    """Three rounds of answers, put together per account."""

    def __init__(
        self, deployment: ChainDeployment, params: Params, first: Batch, second: Batch, third: Batch
    ) -> None:
        self._deployment = deployment
        self._params = params
        self._first, self._second, self._third = first, second, third

    def state(self, account: AccountId) -> AccountState:
        """All of one account; raises BadAnswer where a call failed, UnknownMode for unregistered tokens."""
        first = self._first
        owed, _, fee = first.values(("pnl", account))
        bases, tokens = first.value(("bases", account)), first.value(("tokens", account))
        return AccountState(
            balance=first.value(("balance", account)),
            owed_pnl=owed,
            pending_fee=fee,
            legs=tuple(self._leg(account, base) for base in bases),
            collaterals=tuple(self._collateral(account, token) for token in tokens),
            rules=self._rules(account) if tokens else None,
            theirs=Theirs(
                account_value=first.value(("account_value", account)),
                requirement=first.value(("requirement", account)),
                free=first.value(("free", account)),
                liquidatable=self._verdict(account, bases, tokens),
            ),
        )

    def _verdict(self, account: AccountId, bases: Sequence[Address], tokens: Sequence[Address]) -> bool:
        """A size is liquidatable, or other collateral is; without either, the clearing house's comparison."""
        hit = bool(tokens) and bool(self._second.value(("hit", account)))
        if bases:
            return hit or any(self._second.value(("verdict", account, base)) != 0 for base in bases)
        return hit or self._first.value(("account_value", account)) < self._first.value(("requirement", account))

    def _leg(self, account: AccountId, base: Address) -> Leg:
        second, third = self._second, self._third
        size, notional, _ = second.value(("info", account, base))
        market, funding = self._market(base), second.value(("funding", account, base))
        if not second.value(("orders", account, base)):
            return Leg(market, size, notional, funding)
        return Leg(
            market, size, notional, funding, True,
            base_in_pool=third.value(("pool", account, base, True)),
            quote_in_pool=third.value(("pool", account, base, False)),
            base_debt=third.value(("debt", account, base, True)),
            quote_debt=third.value(("debt", account, base, False)),
        )  # fmt: skip

    def _market(self, base: Address) -> Market:
        asset = _registered(self._deployment, base, "market's base token")
        if self._second.value(("open", base)):
            twaps = (self._second.value(("pool_twap", base)), self._second.value(("index", base)))
            premium = funding_premium(*twaps, self._params.max_funding)
            return Market(asset, "open", self._second.value(("mark", base)), premium)
        if self._second.value(("closed", base)):
            return Market(asset, "closed", self._second.value(("closed_price", base)))
        return Market(asset, "paused", self._second.value(("paused_price", base)))

    def _collateral(self, account: AccountId, token: Address) -> Collateral:
        _, ratio, _, _ = self._second.value(("token_config", token))
        return Collateral(
            _registered(self._deployment, token, "collateral"),
            self._second.value(("held", account, token)),
            self._second.value(("token_price", token)),
            self._second.value(("token_decimals", token)),
            ratio,
        )

    def _rules(self, account: AccountId) -> CollateralRules:
        return CollateralRules(
            self._second.value("collateral_mm"),
            self._second.value("debt_ratio"),
            self._second.value(("debt_limit", account)),
        )


def _holders(accounts: Sequence[AccountId], first: Batch) -> tuple[list[AccountId], list[ReadFailure]]:
    """Accounts that hold something, and those whose first round failed."""
    held, failures = [], []
    for account in accounts:
        try:
            found = {name: first.values((name, account)) for name in _PER_ACCOUNT}
        except BadAnswer as error:
            failures.append(ReadFailure(account, VENUE, reason_code(error), str(error)))
            continue
        owed, _, fee = found["pnl"]
        if found["balance"][0] or owed or fee or found["bases"][0] or found["tokens"][0]:
            held.append(account)
    return held, failures


def _registered(deployment: ChainDeployment, token: Address, role: str) -> AssetInfo:
    info = deployment.asset(erc20(deployment.chain, token))
    if info is None:
        raise UnknownMode(
            f"{role} {token} is not a registered asset of {deployment.chain}: add it with its factor"
        )
    return info
