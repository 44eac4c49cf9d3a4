"""What venues' own oracles say: observed facts. They decide about liquidation there; they have no vote here.

Aave: its provider's price oracle, per asset, in its base currency. Synthetix: ExchangeRates behind the address
resolver, per currency, with the time of the rate.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from chains.caip import Address, asset_address
from chains.deployments import AssetInfo
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.protocols import ChainClient
from chains.types import Call, CallResult, Cut
from oracles.sources.onchain import OnChain, Unread
from oracles.types import Quote, Quotes

PROVIDER = Function("ADDRESSES_PROVIDER()", "(address)")
PRICE_ORACLE = Function("getPriceOracle()", "(address)")
BASE_UNIT = Function("BASE_CURRENCY_UNIT()", "(uint256)")
ASSET_PRICE = Function("getAssetPrice(address)", "(uint256)")
RESOLVER = Function("resolver()", "(address)")
GET_ADDRESS = Function("getAddress(bytes32)", "(address)")
RATE = Function("rateAndUpdatedTime(bytes32)", "(uint256,uint256)")
WAD = 18


class AaveOracleSource:
    """Prices of Aave's oracle on one chain; the oracle is found anew each time, for governance may replace it."""

    def __init__(self, client: ChainClient, pool: Address, assets: Sequence[AssetInfo]) -> None:
        self._on = OnChain("venue:aave-v3", client)
        self._pool = pool
        self._tokens: dict[str, Address] = {}
        for info in assets:
            if "/erc20:" in info.asset:
                self._tokens.setdefault(info.price_key, asset_address(info.asset))

    @property
    def name(self) -> str:
        """``venue:aave-v3@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """A fact for each asset that the oracle prices; what it does not price is no gap."""
        wanted = {key: token for key, token in self._tokens.items() if key in keys}
        oracle = await self._oracle(cut) if wanted else None
        if oracle is None:
            return Quotes()
        calls = [BASE_UNIT.call(oracle), *(ASSET_PRICE.call(oracle, token) for token in wanted.values())]
        answer = await self._on.read(calls, cut)
        if isinstance(answer, Unread):
            return Quotes()
        at, (unit, *results) = answer
        base = _number(BASE_UNIT, unit)
        if not base:
            return Quotes()
        prices = {key: _number(ASSET_PRICE, result) for key, result in zip(wanted, results, strict=True)}
        return Quotes(
            tuple(
                fact(self._on, key, Decimal(raw) / base, at.timestamp, received_at, {"oracle": oracle})
                for key, raw in prices.items()
                if raw
            )
        )

    async def _oracle(self, cut: Cut) -> Address | None:
        provider = await _address(self._on, PROVIDER, PROVIDER.call(self._pool), cut)
        return (
            None if provider is None else await _address(self._on, PRICE_ORACLE, PRICE_ORACLE.call(provider), cut)
        )


class SynthetixRatesSource:
    """Rates of Synthetix' ExchangeRates on one chain, found through the resolver that a system contract names."""

    def __init__(self, client: ChainClient, system_contract: Address, currencies: Mapping[str, str]) -> None:
        self._on = OnChain("venue:synthetix", client)
        self._contract = system_contract
        self._currencies = {key: name.encode().ljust(32, b"\0") for key, name in currencies.items()}

    @property
    def name(self) -> str:
        """``venue:synthetix@<chain>``."""
        return self._on.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """A fact for each currency with a rate, with the rate's own time."""
        wanted = {key: name for key, name in self._currencies.items() if key in keys}
        rates = await self._rates(cut) if wanted else None
        if rates is None:
            return Quotes()
        answer = await self._on.read([RATE.call(rates, name) for name in wanted.values()], cut)
        if isinstance(answer, Unread):
            return Quotes()
        found = []
        for key, result in zip(wanted, answer[1], strict=True):
            try:
                raw, updated = RATE.decode(result)
            except BadAnswer:
                continue
            if raw and updated:
                found.append(
                    fact(self._on, key, Decimal(raw).scaleb(-WAD), updated, received_at, {"rates": rates})
                )
        return Quotes(tuple(found))

    async def _rates(self, cut: Cut) -> Address | None:
        resolver = await _address(self._on, RESOLVER, RESOLVER.call(self._contract), cut)
        if resolver is None:
            return None
        call = GET_ADDRESS.call(resolver, b"ExchangeRates".ljust(32, b"\0"))
        return await _address(self._on, GET_ADDRESS, call, cut)


def fact(
    on: OnChain, key: str, price: Decimal, observed_at: int, received_at: float, detail: Mapping[str, str]
) -> Quote:
    """A venue's belief as a quote without a vote."""
    return Quote(
        price_key=key, source=on.name, group=on.group, price=price, half_width=Decimal(0), observed_at=observed_at,
        received_at=received_at, detail=detail, votes=False,
    )  # fmt: skip


async def _address(on: OnChain, function: Function, call: Call, cut: Cut) -> Address | None:
    answer = await on.read([call], cut)
    if isinstance(answer, Unread):
        return None
    try:
        found: Address = function.decode(answer[1][0])[0]
    except BadAnswer:
        return None
    return found if int(found, 16) else None


def _number(function: Function, result: CallResult) -> int:
    """The one number of an answer, 0 where there is none."""
    try:
        return int(function.decode(result)[0])
    except BadAnswer:
        return 0
