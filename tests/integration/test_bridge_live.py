"""Operators' interfaces, served locally in the shapes of their documents; each failure leaves the default law."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aggregator import bridge_live
from aggregator.bridge_laws import defaults

ARB, BASE = "eip155:42161", "eip155:8453"
TOKEN = {ARB: "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", BASE: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"}


def route(bridge, source=ARB, destination=BASE):
    (found,) = [r for r in defaults((bridge,)) if (r.source, r.destination) == (source, destination)]
    return found


@contextlib.asynccontextmanager
async def served(**answers: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A loopback server: path with __ for / to JSON, a number for a status, text as it is."""

    async def handle(request: web.Request) -> web.Response:
        answer = answers.get(request.path.strip("/").replace("/", "__"))
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(text=answer) if isinstance(answer, str) else web.json_response(answer)

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        yield session, f"http://127.0.0.1:{port}"
    await runner.cleanup()


def fees(seconds=4, pct="800000000000000", instant="250000000000"):
    return {
        "estimatedFillTimeSec": seconds, "totalRelayFee": {"pct": pct, "total": "8000"},
        "limits": {"maxDepositInstant": instant, "maxDepositShortDelay": "900000000000"},
    }  # fmt: skip


async def test_across_quote_makes_the_route_slower_smaller_and_dearer():
    default = route("across")
    async with served(**{"api__suggested-fees": fees()}) as (session, url):
        found = await bridge_live.across(session, url, default, TOKEN)
    assert found.reason == ""
    assert found.route.law.body.median_s == 4
    assert (found.route.fee_bps, found.route.capacity_usd) == (8.0, 250_000)


async def test_a_flattering_quote_changes_no_quantile_and_no_capacity():
    default = route("across")
    async with served(**{"api__suggested-fees": fees(1, "100000000000000", "9" * 15)}) as (session, url):
        found = await bridge_live.across(session, url, default, TOKEN)
    assert found.route.law == default.law
    assert found.route.capacity_usd == default.capacity_usd
    assert found.route.fee_bps == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        500,
        429,
        "<html>",
        {},
        [],
        None,
        fees(-1),
        fees(0),
        {"estimatedFillTimeSec": "soon"},
        fees(pct=str(2 * 10**18)),
    ],
)
async def test_every_failure_leaves_the_default(answer):
    default = route("across")
    async with served(**{"api__suggested-fees": answer}) as (session, url):
        found = await bridge_live.across(session, url, default, TOKEN)
    assert found.route == default
    assert "default law stands" in found.reason
    assert "http" not in found.reason


async def test_nobody_there_leaves_the_default():
    async with aiohttp.ClientSession() as session:
        found = await bridge_live.across(session, "http://127.0.0.1:9", route("across"), TOKEN)
    assert found.route == route("across")
    assert found.reason


async def test_cctp_allowance_bounds_the_capacity_and_its_fee_is_taken():
    answers = {
        "v2__fastBurn__USDC__allowance": {"allowance": 1234.5, "lastUpdated": "2026-01-01T00:00:00Z"},
        "v2__burn__USDC__fees__3__6": [
            {"finalityThreshold": 1000, "minimumFee": 1}, {"finalityThreshold": 2000, "minimumFee": 0},
        ],
    }  # fmt: skip
    async with served(**answers) as (session, url):
        found = await bridge_live.cctp_fast(session, url, route("cctp_v2_fast"))
    assert (found.route.capacity_usd, found.route.fee_bps, found.reason) == (1234.5, 1.0, "")
    async with served(v2__fastBurn__USDC__allowance={"allowance": 0}) as (session, url):
        empty = await bridge_live.cctp_fast(session, url, route("cctp_v2_fast"))
    assert empty.route.capacity_usd == 0


async def test_ccip_lane_latency_is_a_ninetieth_percentile():
    default = route("ccip")
    async with served(v2__lanes__latency={"totalMs": 3_000_000}) as (session, url):
        slow = await bridge_live.ccip(session, url, default, {"source": "a", "dest": "b"})
    p90 = slow.route.law.body.median_s * 2.718281828 ** (1.28155 * default.law.body.log_sd)
    assert p90 == pytest.approx(3000, rel=1e-4)
    async with served(v2__lanes__latency={"totalMs": 1000}) as (session, url):
        assert (await bridge_live.ccip(session, url, default, {})).route == default


def status(**changes):
    done = {
        "status": "DONE", "sending": {"timestamp": 1_767_225_600, "chainId": 42161},
        "receiving": {"timestamp": 1_767_225_607, "chainId": 8453},
    }  # fmt: skip
    return done | changes


async def test_lifi_status_becomes_an_observation():
    async with served(v1__status=status()) as (session, url):
        found = await bridge_live.lifi_status(session, url, "0xab", "across")
    assert (found.source, found.destination, found.latency_s) == (ARB, BASE, 7.0)
    async with served(v1__status=status(status="PENDING")) as (session, url):
        assert (await bridge_live.lifi_status(session, url, "0xab", "across")).latency_s is None


@pytest.mark.parametrize("answer", [404, {}, "no", {"status": "DONE"}, status(receiving={"timestamp": 1})])
async def test_lifi_answers_that_say_nothing_are_none(answer):
    async with served(v1__status=answer) as (session, url):
        assert await bridge_live.lifi_status(session, url, "0xab", "across") is None
