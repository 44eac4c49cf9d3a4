"""Where the venues of a chain get their prices: every contract that a scenario has to move, and its answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chains.accounts import PositionKind, VenueAccount, VenueId
from chains.caip import Address, AssetId, asset_address, erc20
from chains.deployments import ChainDeployment
from chains.errors import BadAnswer, ChainError
from chains.evm.abi import Function
from chains.evm.batch import Batch
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venues import aave, compound, gmx, lyra, morpho, perp, synthetix
from chains.venues.compound.reader import ASSET, BASE_FEED, BASE_TOKEN, COUNT
from chains.venues.gmx import layout

NOWHERE: Final = Address("0x" + "0" * 40)
MORPHO_DECIMALS: Final = 36
_MARKET: Final = "market:0x"

_AGGREGATOR = Function("aggregator()", "(address)")
_ROUND = Function("latestRoundData()", "(uint80,int256,uint256,uint256,uint80)")
_ANSWER = Function("latestAnswer()", "(int256)")
_DECIMALS = Function("decimals()", "(uint8)")
_OF_A_SOURCE: Final = {"behind": _AGGREGATOR, "round": _ROUND, "answer": _ANSWER, "unit": _DECIMALS}
_PROVIDER = Function("ADDRESSES_PROVIDER()", "(address)")
_RESERVES = Function("getReservesList()", "(address[])")
_ORACLE = Function("getPriceOracle()", "(address)")
_SOURCE = Function("getSourceOfAsset(address)", "(address)")
_ALL_MARKETS = Function("allMarkets(bool)", "(address[])")
_RESOLVER = Function("resolver()", "(address)")
_RESOLVED = Function("getAddress(bytes32)", "(address)")
_BASE_ASSET = Function("baseAsset()", "(bytes32)")
_RATES = Function("exchangeRates()", "(address)")
_BASE_KEY = Function("baseKey(address)", "(bytes32)")
_AGGREGATORS = Function("aggregators(bytes32)", "(address)")
_MARKET_PARAMS = Function("idToMarketParams(bytes32)", "(address,address,address,address,uint256)")
_PRICE = Function("price()", "(uint256)")
_FEED = Function("getPriceFeed()", "(address)")
_COLLATERAL = Function("getCollateralConfig(address)", "((address,uint24,uint24,uint256))")
_DISPATCHED = Function("getDispatchedPrice(uint256)", "(uint256)")
_FEED_PRICE = Function("getPrice(uint256)", "(uint256)")


class CannotMove(ChainError):
    """A price source cannot be moved as a scenario asks; names it."""


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A contract that answers with a price, and what it answers now."""

    target: Address
    """Whose code is replaced: the aggregator behind a proxy, else the source itself."""
    factor: str
    """Risk factor of what is priced."""
    per: str
    """Risk factor of what it is priced in, '' for US dollars."""
    answer: int
    decimals: int
    round_id: int = 1
    begun_at: int = 0
    updated_at: int = 0


Sources = dict[Address, str]
"""Chainlink-like sources with their risk factor."""


async def price_points(
    client: ChainClient, deployment: ChainDeployment, accounts: Sequence[VenueAccount], at: BlockRef
) -> tuple[PricePoint, ...]:
    """All price sources of the deployment's feeds and venues; ``accounts`` say which markets of Perp v2 matter.

    Raises CannotMove where a source does not answer, or where two factors share one.
    """
    sources: Sources = {}
    for feed in deployment.feeds.chainlink:
        _add(sources, feed.proxy, _factor_of_key(deployment, feed.price_key))
    finders = {
        aave.VENUE: _aave_sources, synthetix.VENUE: _synthetix_sources, lyra.VENUE: _lyra_sources,
        compound.VENUE: _compound_sources, gmx.VENUE: _gmx_sources,
    }  # fmt: skip
    for venue, find in finders.items():
        if venue in deployment.venues:
            for source, factor in (await find(client, deployment, at)).items():
                _add(sources, source, factor)
    points = await _chainlink_points(client, sources, at)
    points += await _morpho_points(client, deployment, at)
    points += await _perp_points(client, deployment, accounts, at)
    return _once(points)


def _add(sources: Sources, source: Address, factor: str | None) -> None:
    if source == NOWHERE or factor is None:
        return
    if sources.setdefault(source, factor) != factor:
        raise CannotMove(f"price source {source}: prices both {sources[source]} and {factor}")


def _once(points: Iterable[PricePoint]) -> tuple[PricePoint, ...]:
    found: dict[Address, PricePoint] = {}
    for point in points:
        first = found.setdefault(point.target, point)
        if (first.factor, first.per) != (point.factor, point.per):
            raise CannotMove(f"price source {point.target}: prices both {first.factor} and {point.factor}")
    return tuple(found.values())


def _factor_of_key(deployment: ChainDeployment, price_key: str) -> str | None:
    return next((info.factor for info in deployment.assets if info.price_key == price_key), None)


def _factor(deployment: ChainDeployment, token: Address) -> str | None:
    info = deployment.asset(erc20(deployment.chain, token))
    return None if info is None else info.factor


async def _answers(client: ChainClient, at: BlockRef, batch: Batch, keys: Iterable[object]) -> list[Address]:
    """Addresses that a batch answered, NOWHERE for those it did not."""
    await batch.run(client, at)
    return [batch.value(key) if batch.answered(key) else NOWHERE for key in keys]


async def _aave_sources(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> Sources:
    pool = deployment.venues[aave.VENUE]["pool"]
    first, second, third = Batch(), Batch(), Batch()
    first.ask("provider", _PROVIDER, pool)
    first.ask("reserves", _RESERVES, pool)
    await first.run(client, at)
    second.ask("oracle", _ORACLE, first.value("provider"))
    await second.run(client, at)
    tokens: Sequence[Address] = first.value("reserves")
    for token in tokens:
        third.ask(token, _SOURCE, second.value("oracle"), token)
    found = await _answers(client, at, third, tokens)
    return _by_factor(zip(found, (_factor(deployment, token) for token in tokens), strict=True))


async def _synthetix_sources(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> Sources:
    manager = deployment.venues[synthetix.VENUE]["futures_market_manager"]
    first, second, third = Batch(), Batch(), Batch()
    first.ask("markets", _ALL_MARKETS, manager, True)
    first.ask("resolver", _RESOLVER, manager)
    await first.run(client, at)
    markets: Sequence[Address] = first.value("markets")
    second.ask("rates", _RESOLVED, first.value("resolver"), b"ExchangeRates".ljust(32, b"\0"))
    for market in markets:
        second.ask(market, _BASE_ASSET, market)
    await second.run(client, at)
    keys = [second.value(market) for market in markets if second.answered(market)]
    for key in keys:
        third.ask(key, _AGGREGATORS, second.value("rates"), key)
    found = await _answers(client, at, third, keys)
    symbols = {info.symbol: info.factor for info in deployment.assets}
    return _by_factor(zip(found, (symbols.get(key.rstrip(b"\0").decode("ascii")) for key in keys), strict=True))


async def _lyra_sources(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> Sources:
    names = deployment.venues[lyra.VENUE]
    adapter = names["synthetix_adapter"]
    markets = sorted({name.partition(".")[0] for name in names if "." in name})
    first, second = Batch(), Batch()
    first.ask("rates", _RATES, adapter)
    for market in markets:
        first.ask(market, _BASE_KEY, adapter, names[f"{market}.option_market"])
    await first.run(client, at)
    for market in markets:
        second.ask(market, _AGGREGATORS, first.value("rates"), first.value(market))
    found = await _answers(client, at, second, markets)
    factors = (_factor(deployment, names[f"{market}.base_asset"]) for market in markets)
    return _by_factor(zip(found, factors, strict=True))


async def _compound_sources(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> Sources:
    """Feeds of the base and of every collateral, market by market."""
    first, second = Batch(), Batch()
    markets = deployment.venues[compound.VENUE]
    for market, comet in markets.items():
        for function in (BASE_TOKEN, BASE_FEED, COUNT):
            first.ask((market, function.name), function, comet)
    await first.run(client, at)
    for market, comet in markets.items():
        for i in range(first.value((market, COUNT.name))):
            second.ask((market, i), ASSET, comet, i)
    await second.run(client, at)
    pairs = [(first.value((m, BASE_FEED.name)), first.value((m, BASE_TOKEN.name))) for m in markets]
    for market in markets:
        structs = (second.value((market, i)) for i in range(first.value((market, COUNT.name))))
        pairs += [(feed, token) for _, token, feed, *_ in structs]
    return _by_factor((feed, _factor(deployment, token)) for feed, token in pairs)


async def _gmx_sources(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> Sources:
    """Feeds that the data store names for registered tokens."""
    tokens = [
        asset_address(i.asset) for i in deployment.assets if i.asset.startswith(f"{deployment.chain}/erc20:")
    ]
    store, batch = deployment.venues[gmx.VENUE]["data_store"], Batch()
    for token in tokens:
        batch.ask(token, layout.ADDRESS, store, layout.key_of("PRICE_FEED", token))
    found = await _answers(client, at, batch, tokens)
    return _by_factor(zip(found, (_factor(deployment, token) for token in tokens), strict=True))


def _by_factor(pairs: Iterable[tuple[Address, str | None]]) -> Sources:
    sources: Sources = {}
    for source, factor in pairs:
        _add(sources, source, factor)
    return sources


async def _chainlink_points(client: ChainClient, sources: Mapping[Address, str], at: BlockRef) -> list[PricePoint]:
    """Proxies are moved at their aggregator; adapters, which have none, themselves."""
    batch = Batch()
    for source in sources:
        for name, function in _OF_A_SOURCE.items():
            batch.ask((name, source), function, source)
    await batch.run(client, at)
    return [_chainlink_point(batch, source, factor, at) for source, factor in sources.items()]


def _chainlink_point(batch: Batch, source: Address, factor: str, at: BlockRef) -> PricePoint:
    target = batch.value(("behind", source)) if batch.answered(("behind", source)) else source
    round_id, begun_at, updated_at = 1, at.timestamp, at.timestamp
    try:
        if batch.answered(("round", source)):
            round_id, answer, begun_at, updated_at, _ = batch.values(("round", source))
        else:
            answer = batch.value(("answer", source))
        decimals = batch.value(("unit", source)) if batch.answered(("unit", source)) else 8
    except BadAnswer as error:
        raise CannotMove(f"price source {source} of {factor}: {error}") from None
    # A proxy puts its phase above bit 64 of the aggregator's own round.
    own_round = round_id % 2**64 if target != source else round_id
    return PricePoint(target, factor, "", answer, decimals, own_round, begun_at, updated_at)


async def _morpho_points(client: ChainClient, deployment: ChainDeployment, at: BlockRef) -> list[PricePoint]:
    names = deployment.venues.get(morpho.VENUE, {})
    oracles = {name: oracle for name, oracle in names.items() if name.startswith(_MARKET)}
    batch = Batch()
    for name, oracle in oracles.items():
        batch.ask(name, _MARKET_PARAMS, names["morpho"], bytes.fromhex(name.removeprefix(_MARKET)))
        batch.ask(oracle, _PRICE, oracle)
    await batch.run(client, at)
    points = []
    for name, oracle in oracles.items():
        loan, collateral, *_ = batch.values(name)
        factor, per = _factor(deployment, collateral), _factor(deployment, loan)
        if factor is not None and per is not None:
            points.append(PricePoint(oracle, factor, per, batch.value(oracle), MORPHO_DECIMALS))
    return points


async def _perp_points(
    client: ChainClient, deployment: ChainDeployment, accounts: Sequence[VenueAccount], at: BlockRef
) -> list[PricePoint]:
    """Index feeds of the markets that are held, and feeds of collateral besides the settlement token."""
    names = deployment.venues.get(perp.VENUE)
    if names is None:
        return []
    first, second = Batch(), Batch()
    markets, deposits = perp_markets(accounts), _held(accounts, perp.VENUE, PositionKind.COLLATERAL)
    for asset in markets:
        first.ask(asset, _FEED, asset_address(asset))
    for asset in deposits:
        first.ask(asset, _COLLATERAL, names["collateral_manager"], asset_address(asset))
    await first.run(client, at)
    feeds = {first.value(asset): asset for asset in markets}
    feeds |= {first.value(asset)[0]: asset for asset in deposits}
    feeds.pop(NOWHERE, None)
    for feed in feeds:
        for name, function in (("dispatched", _DISPATCHED), ("price", _FEED_PRICE)):
            second.ask((name, feed), function, feed, 0)
        second.ask(("unit", feed), _DECIMALS, feed)
    await second.run(client, at)
    points = []
    for feed, asset in feeds.items():
        info, kind = deployment.asset(asset), "dispatched" if second.answered(("dispatched", feed)) else "price"
        if info is not None:
            price, decimals = second.value((kind, feed)), second.value(("unit", feed))
            points.append(PricePoint(feed, info.factor, "", price, decimals))
    return points


def perp_markets(accounts: Iterable[VenueAccount]) -> tuple[AssetId, ...]:
    """Base tokens of the Perp v2 markets in which somebody has a position."""
    return _held(accounts, perp.VENUE, PositionKind.PERP)


def _held(accounts: Iterable[VenueAccount], venue: VenueId, kind: PositionKind) -> tuple[AssetId, ...]:
    found = {p.asset for a in accounts if a.venue == venue for p in a.positions if p.kind is kind}
    return tuple(sorted(found))
