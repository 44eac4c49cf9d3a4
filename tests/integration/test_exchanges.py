"""Sources outside the chains against a real HTTP and WebSocket server in the documented shapes, and its faults."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from chains.types import Cut
from oracles.clocks import ClockMeter
from oracles.memory import Memory
from oracles.params import SourceParams, load_params
from oracles.reconcile import reconcile
from oracles.sources.books import EXCHANGES
from oracles.sources.exchange import ExchangeSource, Listing
from oracles.sources.hermes import HermesSource
from oracles.sources.http import JsonHttp
from oracles.sources.stream import STREAMS, StreamSource
from oracles.types import PriceStatus, Quotes, merge
from tests.kit.price_server import PriceServer, iso, price_server

NOW = 1_700_000_000.25
CUT = Cut({})
LIMITS = SourceParams()
SYMBOLS = {"binance": "ETHUSDT", "coinbase": "ETH-USD", "kraken": "XETHZUSD", "okx": "ETH-USDT"}
FEED = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[PriceServer]:
    async with price_server() as running:
        running.at_ms = int((NOW - 2) * 1000)
        running.books = dict.fromkeys(SYMBOLS.values(), ("2999.5", "3000.5"))
        yield running


async def ask(
    server: PriceServer, name: str, listing: Listing | None = None, clock: Clock | None = None, **options: float
) -> Quotes:
    listed = {"ETH": listing or Listing(SYMBOLS[name])}
    async with JsonHttp(name, server.url, clock or Clock(), **options) as http:
        return await ExchangeSource(EXCHANGES[name], http, listed, LIMITS, poll_s=15).quotes({"ETH"}, CUT, NOW)


@pytest.mark.parametrize("name", SYMBOLS)
async def test_a_book_is_its_middle_with_half_the_spread(server: PriceServer, name: str) -> None:
    (quote,) = (await ask(server, name)).found
    assert (quote.price, quote.half_width) == (3000, Decimal("0.5"))
    assert (quote.group, quote.source) == (name, f"{name}:{SYMBOLS[name]}")
    assert quote.received_at == NOW
    assert quote.valid_until == quote.observed_at + LIMITS.exchange_max_age_s


@pytest.mark.parametrize("name", ["binance", "coinbase", "okx"])
async def test_the_exchanges_own_time_is_the_observation(server: PriceServer, name: str) -> None:
    (quote,) = (await ask(server, name)).found
    assert (quote.observed_at, quote.timed) == (int(NOW - 2), True)


async def test_an_exchange_without_a_time_may_be_as_old_as_the_interval(
    server: PriceServer,
) -> None:
    (quote,) = (await ask(server, "kraken")).found
    assert (quote.observed_at, quote.timed) == (int(NOW - 15), False)


@pytest.mark.parametrize("name", SYMBOLS)
@pytest.mark.parametrize(
    ("fault", "reason", "says"),
    [
        ("500", "unreachable", "HTTP 500"),
        ("429", "rate_limited", "HTTP 429, pausing for 7 s"),
        ("html", "undecodable", "not JSON"),
        ("cut", "unreachable", "ClientPayloadError"),
        ("redirect", "unreachable", "HTTP 302"),
    ],
)
async def test_a_fault_is_a_gap_without_the_address(
    server: PriceServer, name: str, fault: str, reason: str, says: str
) -> None:
    server.fault = fault
    answer = await ask(server, name)
    assert answer.found == ()
    (gap,) = answer.gaps
    assert (gap.reason, gap.group) == (reason, name)
    assert says in gap.detail
    assert "127.0.0.1" not in gap.detail


async def test_a_slow_answer_is_a_gap_in_time(server: PriceServer) -> None:
    server.fault = "slow"
    (gap,) = (await ask(server, "okx", timeout_s=0.2)).gaps
    assert (gap.reason, gap.detail) == ("unreachable", "no answer in 0.2 s")


async def test_an_answer_without_end_is_cut_off(server: PriceServer) -> None:
    server.fault = "huge"
    (gap,) = (await ask(server, "coinbase")).gaps
    assert gap.reason == "undecodable"
    assert "above" in gap.detail


async def test_a_provider_that_asks_for_rest_is_left_alone_for_as_long_as_it_says(server: PriceServer) -> None:
    clock = Clock()
    async with JsonHttp("okx", server.url, clock) as http:
        source = ExchangeSource(EXCHANGES["okx"], http, {"ETH": Listing("ETH-USDT")}, LIMITS, 15)
        server.fault = "429"
        await source.quotes({"ETH"}, CUT, NOW)
        server.fault = ""
        clock.now += 6
        (gap,) = (await source.quotes({"ETH"}, CUT, NOW)).gaps
        assert (gap.reason, gap.detail) == ("rate_limited", "paused for another 1 s")
        assert len(server.asked) == 1
        clock.now += 2
        assert len((await source.quotes({"ETH"}, CUT, NOW)).found) == 1


@pytest.mark.parametrize("name", SYMBOLS)
@pytest.mark.parametrize(
    ("book", "says"),
    [(("3001", "3000"), "crossed book"), (("0", "3000"), "one side is empty"), (("x", "3000"), "are no numbers"),
     (("NaN", "NaN"), "one side is empty"), (("-1", "1"), "one side is empty")],
)  # fmt: skip
async def test_a_book_that_is_none_is_a_gap(
    server: PriceServer, name: str, book: tuple[str, str], says: str
) -> None:
    server.books[SYMBOLS[name]] = book
    (gap,) = (await ask(server, name)).gaps
    assert gap.reason == "undecodable"
    assert says in gap.detail


@pytest.mark.parametrize("name", SYMBOLS)
async def test_a_symbol_that_is_not_listed_is_a_gap(server: PriceServer, name: str) -> None:
    (gap,) = (await ask(server, name, Listing("NOSUCH"))).gaps
    assert gap.reason in {"undecodable", "unreachable"}


async def test_four_exchanges_make_a_price_and_a_stablecoin_is_composed_not_assumed(server: PriceServer) -> None:
    server.books["USDCUSDT"] = ("0.9", "0.9002")
    books = {"coinbase": "USDT-USD", "kraken": "USDTZUSD", "okx": "USDT-USD"}
    server.books |= dict.fromkeys(books.values(), ("1.1109", "1.1111"))
    answers = [await ask(server, name) for name in ("coinbase", "kraken")]
    answers += [await ask(server, name, Listing(SYMBOLS[name], "USDT")) for name in ("binance", "okx")]
    for name, symbol in books.items():
        async with JsonHttp(name, server.url, Clock()) as http:
            source = ExchangeSource(EXCHANGES[name], http, {"USDT": Listing(symbol)}, LIMITS, 15)
            answers.append(await source.quotes({"USDT"}, CUT, NOW))
    book = reconcile(merge(answers), NOW, load_params())
    assert book["USDT"].mid == Decimal("1.111")
    # 3000 USDT are 3333 dollars: those two dissent from the ones that trade in dollars, and are not taken at par
    assert book["ETH"].status is PriceStatus.NO_CONSENSUS
    assert "3333" in book["ETH"].reason


async def test_a_book_of_the_other_side_is_turned_over_with_its_interval(server: PriceServer) -> None:
    server.books["USD-KRW"] = ("1150", "1162")
    (quote,) = (await ask(server, "okx", Listing("USD-KRW", inverse=True))).found
    assert quote.price == 1 / Decimal(1156)
    assert (
        quote.price - quote.half_width <= 1 / Decimal(1162) < 1 / Decimal(1150) <= quote.price + quote.half_width
    )


async def test_a_dated_answer_measures_the_providers_clock(server: PriceServer) -> None:
    from time import time as wall  # noqa: TID251 - the server stamps with the real clock

    meter = ClockMeter()
    async with JsonHttp("okx", server.url, lambda: wall() - 100, meter=meter) as http:
        await ExchangeSource(EXCHANGES["okx"], http, {"ETH": Listing("ETH-USDT")}, LIMITS, 15).quotes(
            {"ETH"}, CUT, NOW
        )
    (skew,) = meter.skews()
    assert skew.clock == "okx"
    assert skew.offset_s <= 100 <= skew.offset_s + skew.within_s
    assert skew.doubtful


# --- Hermes ---


def parsed(price: str = "300012345678", conf: str = "45000000", expo: int = -8, at: int = int(NOW)) -> dict:
    fields = {"price": price, "conf": conf, "expo": expo, "publish_time": at}
    meta = {"slot": 138_881_186, "proof_available_time": at, "prev_publish_time": at - 1}
    return {"id": FEED, "price": fields, "ema_price": fields, "metadata": meta}


async def hermes(server: PriceServer, key: str = "") -> Quotes:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with JsonHttp("hermes", server.url, Clock(), headers=headers) as http:
        return await HermesSource(http, {"ETH": "0x" + FEED}, LIMITS).quotes({"ETH"}, CUT, NOW)


async def test_hermes_gives_price_confidence_and_time(server: PriceServer) -> None:
    server.hermes = [parsed()]
    (quote,) = (await hermes(server)).found
    assert (quote.price, quote.half_width) == (Decimal("3000.12345678"), Decimal("0.45"))
    assert (quote.observed_at, quote.group, quote.source) == (int(NOW), "pyth", "pyth@hermes")
    assert quote.detail["prev_publish_time"] == str(int(NOW) - 1)
    assert server.asked == [f"/v2/updates/price/latest?ids%5B%5D=0x{FEED}&parsed=true"]


async def test_hermes_wants_its_key_and_the_message_does_not_hold_it(server: PriceServer) -> None:
    server.hermes, server.key = [parsed()], "sesame"
    (gap,) = (await hermes(server, "wrong-key")).gaps
    assert (gap.reason, gap.detail) == ("unreachable", "HTTP 401: check the key of hermes")
    assert len((await hermes(server, "sesame")).found) == 1


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (parsed(price="0"), "invalid"),
        (parsed(price="-5"), "invalid"),
        (parsed(conf="30001234567"), "too_wide"),
        (parsed(expo=-40), "undecodable"),
        (parsed(price="many"), "undecodable"),
        ({"id": FEED}, "undecodable"),
    ],
)
async def test_hermes_out_of_bounds_is_a_gap(server: PriceServer, item: dict, reason: str) -> None:
    server.hermes = [item]
    (gap,) = (await hermes(server)).gaps
    assert gap.reason == reason


async def test_a_feed_that_hermes_does_not_know_is_a_gap(server: PriceServer) -> None:
    (gap,) = (await hermes(server)).gaps
    assert gap.reason == "no_answer"


# --- streams ---


async def until(what: object, seconds: float = 3) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def stream(server: PriceServer, name: str, clock: Clock) -> StreamSource:
    symbols = {"coinbase": "ETH-USD", "binance": "ETHUSDT", "kraken": "ETH/USD", "okx": "ETH-USD"}
    listings = {"ETH": Listing(symbols[name])}
    return StreamSource(STREAMS[name], server.url.replace("http", "ws"), listings, LIMITS, clock)


def ticker(bid: str, ask: str, at_ms: int) -> dict:
    return {
        "type": "ticker", "sequence": 1, "product_id": "ETH-USD", "price": bid, "best_bid": bid, "best_ask": ask,
        "side": "buy", "time": iso(at_ms), "trade_id": 1, "last_size": "0.1",
    }  # fmt: skip


async def test_a_ticker_is_a_quote_and_a_heartbeat_is_not(server: PriceServer) -> None:
    clock = Clock()
    async with stream(server, "coinbase", clock) as source:
        await until(lambda: server.subscribed)
        assert server.subscribed[0]["channels"] == ["ticker", "heartbeat"]
        (gap,) = (await source.quotes({"ETH"}, CUT, NOW)).gaps
        assert gap.reason == "not_yet"
        await server.say(ticker("2999", "3001", server.at_ms))
        await until(lambda: source._books)
        clock.now += 40
        await server.say({"type": "heartbeat", "product_id": "ETH-USD", "time": iso(server.at_ms + 40_000)})
        await until(lambda: source._alive_at == clock.now)
        (quote,) = (await source.quotes({"ETH"}, CUT, NOW)).found
    assert (quote.price, quote.half_width, quote.observed_at) == (3000, 1, int(NOW - 2))
    assert quote.alive_at == clock.now  # the line stands; the observation is still of 40 s ago


async def test_a_stream_without_times_counts_from_receipt(server: PriceServer) -> None:
    async with stream(server, "binance", Clock()) as source:
        await until(lambda: server.sockets)
        assert server.asked == ["/stream?streams=ethusdt@bookTicker"]
        data = {"u": 400900217, "s": "ETHUSDT", "b": "2999", "B": "31.2", "a": "3001", "A": "40.6"}
        await server.say({"stream": "ethusdt@bookTicker", "data": data})
        await until(lambda: source._books)
        (quote,) = (await source.quotes({"ETH"}, CUT, NOW)).found
    assert (quote.price, quote.timed, quote.observed_at) == (3000, False, int(NOW))


async def test_krakens_ticker_counts_from_receipt_and_a_refusal_is_heard(server: PriceServer) -> None:
    async with stream(server, "kraken", Clock()) as source:
        await until(lambda: server.subscribed)
        assert server.asked == ["/v2"]
        assert server.subscribed[0]["params"]["symbol"] == ["ETH/USD"]
        await server.say({"channel": "heartbeat"})
        item = {"symbol": "ETH/USD", "bid": 2999.0, "bid_qty": 1.5, "ask": 3001.0, "ask_qty": 2.0, "last": 3000.5}
        await server.say({"channel": "ticker", "type": "snapshot", "data": [item]})
        await until(lambda: source._books)
        (quote,) = (await source.quotes({"ETH"}, CUT, NOW)).found
        await server.say({"method": "subscribe", "success": False, "error": "Currency pair not supported"})
        await until(lambda: "not supported" in source._trouble)
    assert (quote.price, quote.timed, quote.observed_at) == (3000, False, int(NOW))


async def test_okxs_ticker_brings_its_time_and_a_refusal_is_heard(server: PriceServer) -> None:
    async with stream(server, "okx", Clock()) as source:
        await until(lambda: server.subscribed)
        assert server.asked == ["/ws/v5/public"]
        assert server.subscribed[0]["args"] == [{"channel": "tickers", "instId": "ETH-USD"}]
        await server.say({"event": "subscribe", "arg": {"channel": "tickers", "instId": "ETH-USD"}})
        item = {"instType": "SPOT", "instId": "ETH-USD", "bidPx": "2999", "askPx": "3001", "ts": str(server.at_ms)}
        await server.say({"arg": {"channel": "tickers", "instId": "ETH-USD"}, "data": [item]})
        await until(lambda: source._books)
        (quote,) = (await source.quotes({"ETH"}, CUT, NOW)).found
        await server.say({"event": "error", "code": "60018", "msg": "Wrong channel"})
        await until(lambda: "Wrong channel" in source._trouble)
    assert (quote.price, quote.half_width, quote.observed_at) == (3000, 1, int(NOW - 2))


async def test_what_does_not_read_leaves_the_last_book_and_time_never_runs_backwards(server: PriceServer) -> None:
    async with stream(server, "coinbase", Clock()) as source:
        await until(lambda: server.sockets)
        await server.say(ticker("2999", "3001", server.at_ms))
        await server.say(ticker("1", "2", server.at_ms - 5000))
        await server.say(ticker("3005", "3001", server.at_ms + 1))
        await server.say("{not json")
        await server.say({"type": "error", "message": "slow down"})
        await until(lambda: "slow down" in source._trouble)
        (quote,) = (await source.quotes({"ETH"}, CUT, NOW)).found
    assert quote.price == 3000


async def test_a_connection_that_breaks_is_made_anew(server: PriceServer) -> None:
    async with stream(server, "coinbase", Clock()) as source:
        await until(lambda: server.sockets)
        first = server.sockets[0]
        await first.close()
        await until(lambda: server.sockets and server.sockets[-1] is not first)
        await server.say(ticker("2999", "3001", server.at_ms))
        await until(lambda: source._books)


async def test_a_silent_stream_has_no_vote_however_fresh_its_last_price(server: PriceServer) -> None:
    clock = Clock()
    async with stream(server, "coinbase", clock) as source:
        await until(lambda: server.sockets)
        await server.say(ticker("2999", "3001", server.at_ms + 100_000))
        await until(lambda: source._books)
        quotes = await source.quotes({"ETH"}, CUT, NOW)
    price = reconcile(quotes, NOW + 70, load_params(), Memory())["ETH"]
    assert [(d.reason, d.detail) for d in price.dissenters] == [("silent", "no sign of life for 70 s, limit 60 s")]
