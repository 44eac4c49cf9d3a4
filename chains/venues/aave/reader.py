"""Reading an Aave v3 pool: three batched rounds for all accounts, then pure decoding."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chains.accounts import ReadFailure, ReadResult, VenueAccount, failed
from chains.caip import AccountId, Address, account_address
from chains.deployments import ChainDeployment
from chains.errors import BadAnswer, Reverted
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import BlockRef, Call, CallResult
from chains.venue_reader import OneChainReader
from chains.venues.aave.account import VENUE, decode_account
from chains.venues.aave.market import AccountData, EMode, Market, Reserve, UserState, decode_reserve
from chains.venues.aave.version import VERSIONS, Version

ZERO_ADDRESS = Address("0x" + "0" * 40)

PROVIDER = Function("ADDRESSES_PROVIDER()", "(address)")
REVISION = Function("POOL_REVISION()", "(uint256)")
RESERVES = Function("getReservesList()", "(address[])")
CONFIGURATION = Function("getUserConfiguration(address)", "(uint256)")
USER_EMODE = Function("getUserEMode(address)", "(uint256)")
ACCOUNT_DATA = Function("getUserAccountData(address)", "(uint256,uint256,uint256,uint256,uint256,uint256)")
ORACLE = Function("getPriceOracle()", "(address)")
RESERVE_DATA = Function(
    "getReserveData(address)",
    "(uint256,uint128,uint128,uint128,uint128,uint128,uint40,uint16,"
    "address,address,address,address,uint128,uint128,uint128)",
)
EMODE_DATA = Function("getEModeCategoryData(uint8)", "((uint16,uint16,uint16,address,string))")
EMODE_TERMS = Function("getEModeCategoryCollateralConfig(uint8)", "((uint16,uint16,uint16))")
EMODE_COLLATERAL = Function("getEModeCategoryCollateralBitmap(uint8)", "(uint128)")
EMODE_LTV_ZERO = Function("getEModeCategoryLtvzeroBitmap(uint8)", "(uint128)")
VIRTUAL_BALANCE = Function("getVirtualUnderlyingBalance(address)", "(uint128)")
BASE_CURRENCY = Function("BASE_CURRENCY()", "(address)")
BASE_UNIT = Function("BASE_CURRENCY_UNIT()", "(uint256)")
PRICE = Function("getAssetPrice(address)", "(uint256)")
SCALED = Function("scaledBalanceOf(address)", "(uint256)")
BALANCE = Function("balanceOf(address)", "(uint256)")
STABLE_USER_RATE = Function("getUserStableRate(address)", "(uint256)")


class _Refused(Exception):
    """The market as a whole cannot be read: reason code and detail."""


class _Pool(NamedTuple):
    version: Version
    provider: Address
    tokens: tuple[Address, ...]


class _Asked(NamedTuple):
    """First-round answers for one account."""

    account: AccountId
    configuration: int
    emode: int
    own: CallResult


class AaveReader(OneChainReader):
    """VenueReader of one Aave v3 pool of any version known; an account is the cross account of an address."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client = client
        self._pool = deployment.venues[VENUE]["pool"]
        self._names = {
            token: (info.asset, info.symbol)
            for info in deployment.assets
            if (token := Address(info.asset.partition("/erc20:")[2]))
        }

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """Accounts with a supply or a debt at the cut's block; one account's unreadable state is a failure."""
        try:
            return await self._read_pool(accounts, at)
        except _Refused as refusal:
            reason, detail = refusal.args
            return failed(accounts, VENUE, reason, detail)

    async def _read_pool(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        pool, asked, failures = await self._first_round(accounts, at)
        oracle, reserves, emodes = await self._second_round(pool, asked, at)
        sources = {e.price_source for e in emodes.values() if e.price_source is not None}
        shared = self._shared_calls(oracle, pool.version, reserves, sources)
        own = [call for one in asked for call in _balance_calls(one, reserves, pool.version)]
        results = await self._client.call([*shared, *own], at)
        market = self._market(results[: len(shared)], pool.version, reserves, emodes, sources, at)
        answers = iter(results[len(shared) :])
        found: list[VenueAccount] = []
        for one in asked:
            balances = [next(answers) for _ in _balance_calls(one, reserves, pool.version)]
            read = _decode_one(one, market, balances)
            if isinstance(read, ReadFailure):
                failures.append(read)
            elif read is not None:
                found.append(read)
        return ReadResult(tuple(found), tuple(failures))

    async def _first_round(
        self, accounts: Sequence[AccountId], at: BlockRef
    ) -> tuple[_Pool, list[_Asked], list[ReadFailure]]:
        calls = [function.call(self._pool) for function in (PROVIDER, REVISION, RESERVES)]
        for account in accounts:
            user = account_address(account)
            calls += [function.call(self._pool, user) for function in (CONFIGURATION, USER_EMODE, ACCOUNT_DATA)]
        results = await self._client.call(calls, at)
        pool = _decode_pool(results[:3], self._pool)
        asked, failures = [], []
        for i, account in enumerate(accounts):
            configuration, emode, own = results[3 + 3 * i : 6 + 3 * i]
            try:
                asked.append(_Asked(account, _word(CONFIGURATION, configuration), _word(USER_EMODE, emode), own))
            except BadAnswer as error:
                failures.append(_failure(account, error))
        return pool, asked, failures

    async def _second_round(
        self, pool: _Pool, asked: Iterable[_Asked], at: BlockRef
    ) -> tuple[Address, tuple[Reserve, ...], dict[int, EMode]]:
        categories = sorted({one.emode for one in asked if one.emode})
        calls = [ORACLE.call(pool.provider)]
        calls += [RESERVE_DATA.call(self._pool, token) for token in pool.tokens]
        kinds = _emode_functions(pool.version)
        calls += [function.call(self._pool, category) for category in categories for function in kinds]
        results = await self._client.call(calls, at)
        try:
            (oracle,) = ORACLE.decode(results[0])
            split = 1 + len(pool.tokens)
            reserves = tuple(
                decode_reserve(token, RESERVE_DATA.decode(result), at, pool.version)
                for token, result in zip(pool.tokens, results[1:split], strict=True)
            )
            emodes = {
                category: _decode_emode(category, results[at_ : at_ + len(kinds)])
                for category, at_ in zip(categories, range(split, len(results), len(kinds)), strict=True)
            }
        except BadAnswer as error:
            raise _refusal(error) from None
        return oracle, reserves, emodes

    def _shared_calls(
        self, oracle: Address, version: Version, reserves: Sequence[Reserve], sources: Iterable[Address]
    ) -> list[Call]:
        calls = [BASE_CURRENCY.call(oracle), BASE_UNIT.call(oracle)]
        calls += [PRICE.call(oracle, token) for token in _priced(reserves, sources)]
        if version.emode_bitmaps:  # since 3.1 the pool counts what it holds: tokens sent to it are not its own
            return calls + [VIRTUAL_BALANCE.call(self._pool, reserve.token) for reserve in reserves]
        return calls + [BALANCE.call(reserve.token, reserve.a_token) for reserve in reserves]

    def _market(
        self,
        results: Sequence[CallResult],
        version: Version,
        reserves: tuple[Reserve, ...],
        emodes: Mapping[int, EMode],
        sources: Iterable[Address],
        at: BlockRef,
    ) -> Market:
        try:
            (currency,), (unit,) = BASE_CURRENCY.decode(results[0]), BASE_UNIT.decode(results[1])
        except BadAnswer as error:
            raise _refusal(error) from None
        if currency != ZERO_ADDRESS or not unit:
            raise _Refused(
                "unknown_mode", f"oracle counts in {currency} with unit {unit}, expected US dollars (0x0)"
            )
        priced = _priced(reserves, sources)
        prices = zip(priced, results[2:], strict=False)
        liquidity = zip((r.token for r in reserves), results[2 + len(priced) :], strict=True)
        return Market(
            at=at,
            base_unit=unit,
            reserves=reserves,
            emodes=emodes,
            prices={token: price for token, result in prices if (price := _word_or_none(PRICE, result))},
            liquidity={
                token: raw for token, result in liquidity if (raw := _word_or_none(BALANCE, result)) is not None
            },
            names=self._names,
            version=version,
        )


def _priced(reserves: Sequence[Reserve], sources: Iterable[Address]) -> list[Address]:
    tokens = [reserve.token for reserve in reserves]
    return tokens + sorted(set(sources) - set(tokens))


def _balance_calls(one: _Asked, reserves: Sequence[Reserve], version: Version) -> list[Call]:
    """Supplies of every reserve (those that are no collateral leave no bit), debts where the bit is set."""
    user = account_address(one.account)
    calls = [SCALED.call(reserve.a_token, user) for reserve in reserves]
    for reserve in _borrowed(one, reserves):
        calls.append(SCALED.call(reserve.variable_debt_token, user))
        if version.stable_debts:
            calls += [function.call(reserve.stable_debt_token, user) for function in (BALANCE, STABLE_USER_RATE)]
    return calls


def _borrowed(one: _Asked, reserves: Sequence[Reserve]) -> list[Reserve]:
    return [reserve for reserve in reserves if one.configuration >> (2 * reserve.id) & 1]


def _decode_one(one: _Asked, market: Market, balances: Sequence[CallResult]) -> VenueAccount | ReadFailure | None:
    reserves = market.reserves
    try:
        supplied = {r.id: _word(SCALED, result) for r, result in zip(reserves, balances, strict=False)}
        if one.configuration == 0 and not any(supplied.values()):
            return None
        borrowed, each = _borrowed(one, reserves), market.version.debt_calls
        debts = {
            reserve.id: balances[at : at + each]
            for reserve, at in zip(borrowed, range(len(reserves), len(balances), each), strict=True)
        }
        user = UserState(
            configuration=one.configuration,
            emode=one.emode,
            supplied=supplied,
            variable_debt={i: _word(SCALED, found[0]) for i, found in debts.items()},
            stable_debt={i: _word(BALANCE, found[1]) for i, found in debts.items() if found[1:]},
            stable_rates={i: _word(STABLE_USER_RATE, found[2]) for i, found in debts.items() if found[1:]},
            own=AccountData(*ACCOUNT_DATA.decode(one.own)),
        )
        return decode_account(one.account, market, user)
    except BadAnswer as error:
        return _failure(one.account, error)
    except LookupError as error:
        return ReadFailure(one.account, VENUE, "undecodable", str(error.args[0]))


def _decode_pool(results: Sequence[CallResult], pool: Address) -> _Pool:
    if results[0].success and not results[0].data:
        raise _Refused("no_code", f"pool {pool} has no code: correct the address")
    try:
        (provider,), (revision,) = PROVIDER.decode(results[0]), REVISION.decode(results[1])
        (tokens,) = RESERVES.decode(results[2])
    except BadAnswer as error:
        raise _refusal(error) from None
    if revision not in VERSIONS:
        known = ", ".join(f"{number} (v{version.name})" for number, version in VERSIONS.items())
        raise _Refused("unknown_mode", f"pool revision {revision} is none of {known}: its rules are not known")
    return _Pool(VERSIONS[revision], provider, tuple(tokens))


def _emode_functions(version: Version) -> tuple[Function, ...]:
    return (EMODE_TERMS, EMODE_COLLATERAL, EMODE_LTV_ZERO) if version.emode_bitmaps else (EMODE_DATA,)


def _decode_emode(category: int, results: Sequence[CallResult]) -> EMode:
    if len(results) > 1:
        terms, collateral, ltv_zero = results
        ((ltv, threshold, bonus),) = EMODE_TERMS.decode(terms)
        bitmaps = _word(EMODE_COLLATERAL, collateral), _word(EMODE_LTV_ZERO, ltv_zero)
        return EMode(category, ltv, threshold, None, *bitmaps, bonus=bonus)
    ((ltv, threshold, bonus, source, _),) = EMODE_DATA.decode(results[0])
    return EMode(category, ltv, threshold, None if source == ZERO_ADDRESS else source, bonus=bonus)


def _word(function: Function, result: CallResult) -> int:
    (value,) = function.decode(result)
    return int(value)


def _word_or_none(function: Function, result: CallResult) -> int | None:
    try:
        return _word(function, result)
    except BadAnswer:
        return None


def _reason(error: BadAnswer) -> str:
    return "reverted" if isinstance(error, Reverted) else "undecodable"


def _refusal(error: BadAnswer) -> _Refused:
    return _Refused(_reason(error), str(error))


def _failure(account: AccountId, error: BadAnswer) -> ReadFailure:
    return ReadFailure(account, VENUE, _reason(error), str(error))
