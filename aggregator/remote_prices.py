"""Price sources outside the chains, from the settings: exchanges by HTTP or stream, Pyth's Hermes."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from aggregator.clock import host_s
from aggregator.config import ExchangeSettings, PriceSettings
from aggregator.errors import ConfigError
from oracles.clocks import ClockMeter
from oracles.params import PriceParams
from oracles.protocols import PriceSource
from oracles.sources.books import EXCHANGES
from oracles.sources.exchange import ExchangeSource, Listing
from oracles.sources.hermes import HermesSource
from oracles.sources.http import JsonHttp
from oracles.sources.stream import STREAMS, StreamSource
from oracles.types import USD

INVERSE = "1/"
"""Before a symbol whose book prices the other side: ``KRW = "1/USDKRW"``."""


async def open_remote(
    stack: AsyncExitStack, settings: PriceSettings, params: PriceParams, meter: ClockMeter, poll_s: float
) -> list[PriceSource]:
    """Sources that the settings name, opened on the stack; raises ConfigError for an unknown exchange."""
    found: list[PriceSource] = []
    for index, exchange in enumerate(settings.exchanges):
        where = f"prices.exchanges.{index}.name"
        if exchange.stream:
            found.append(await stack.enter_async_context(_stream(exchange, params, where)))
        else:
            found.append(await _by_http(stack, exchange, params, meter, poll_s, where))
    if settings.hermes is not None:
        hermes = settings.hermes
        headers = {"Authorization": f"Bearer {hermes.key.get_secret_value()}"} if hermes.key else {}
        http = JsonHttp(
            "hermes",
            hermes.url.get_secret_value(),
            host_s,
            headers=headers,
            timeout_s=hermes.timeout_s,
            meter=meter,
        )
        await stack.enter_async_context(http)
        found.append(HermesSource(http, hermes.ids, params.sources))
    return found


async def _by_http(
    stack: AsyncExitStack,
    settings: ExchangeSettings,
    params: PriceParams,
    meter: ClockMeter,
    poll_s: float,
    where: str,
) -> ExchangeSource:
    exchange = EXCHANGES.get(settings.name)
    if exchange is None:
        raise ConfigError(f"{where}: expected one of {sorted(EXCHANGES)}, was {settings.name!r}")
    url = settings.url.get_secret_value() if settings.url else exchange.url
    http = JsonHttp(settings.name, url, host_s, timeout_s=settings.timeout_s, meter=meter)
    await stack.enter_async_context(http)
    return ExchangeSource(exchange, http, _listings(settings.symbols), params.sources, poll_s)


def _stream(settings: ExchangeSettings, params: PriceParams, where: str) -> StreamSource:
    stream = STREAMS.get(settings.name)
    if stream is None:
        raise ConfigError(f"{where}: streams are known of {sorted(STREAMS)}, not of {settings.name!r}")
    url = settings.url.get_secret_value() if settings.url else stream.url
    return StreamSource(stream, url, _listings(settings.symbols), params.sources, host_s)


def legs_of(symbols: Mapping[str, str]) -> frozenset[str]:
    """What an exchange's symbols are traded against, the dollar aside."""
    return frozenset(listing.in_key for listing in _listings(symbols).values() if listing.in_key != USD)


def _listings(symbols: Mapping[str, str]) -> dict[str, Listing]:
    """``ETH = "ETHUSDT@USDT"``: the symbol, and after the @ what it is traded against if not the dollar."""
    found = {}
    for key, text in symbols.items():
        symbol, _, in_key = text.removeprefix(INVERSE).partition("@")
        found[key] = Listing(symbol, in_key or USD, text.startswith(INVERSE))
    return found
