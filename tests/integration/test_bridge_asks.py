"""Operators' interfaces in the running loop: asked at an interval only; a failure is said, the default stands."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from decimal import Decimal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from aggregator.bridge_watch import BridgeWatch
from aggregator.clock import utc_now
from aggregator.config import make_settings
from aggregator.errors import ConfigError
from aggregator.store.repository import Store
from aggregator.wiring import wire
from api.app import Deps, create_app
from chains.data import packaged

ARB, BASE = "eip155:42161", "eip155:8453"
KEY = "sEcReTkEy77"
HASH = "0x" + "ab" * 32
GOOD = {
    "/api/suggested-fees": {
        "estimatedFillTimeSec": 400, "totalRelayFee": {"pct": "3000000000000000"},
        "limits": {"maxDepositInstant": "70000000000"},
    },
    "/v2/fastBurn/USDC/allowance": {"allowance": 12_345.5},
    "/v2/lanes/latency": {"totalMs": 9_000_000},
}  # fmt: skip


class Operators:
    """All four interfaces on one loopback port, under a path that holds a key."""

    def __init__(self):
        self.asked = 0
        self.fault = None

    async def answer(self, request):
        self.asked += 1
        path = request.path.removeprefix(f"/{KEY}")
        if self.fault == "slow":
            await asyncio.sleep(5)
        if isinstance(self.fault, int):
            return web.Response(status=self.fault, text=KEY)
        if self.fault == "endless":
            return web.Response(body=b" " * (1 << 20) + b"{}")
        if self.fault is not None:
            return web.Response(text=self.fault)
        if path.startswith("/v2/burn/"):
            return web.json_response([{"finalityThreshold": 1000, "minimumFee": 20}])
        if path == "/v1/status":
            sent = int((utc_now() - timedelta(hours=1)).timestamp())
            ends = {
                "sending": {"timestamp": sent, "chainId": 42161},
                "receiving": {"timestamp": sent + 77, "chainId": 8453},
            }
            return web.json_response({"status": "DONE", **ends})
        return web.json_response(GOOD[path])


@pytest.fixture
async def operators():
    found = Operators()
    application = web.Application()
    application.router.add_get("/{tail:.*}", found.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/{KEY}"
    yield found
    await runner.cleanup()


def settings_of(tmp_path, url, every_s):
    lane = {"source": ARB, "destination": BASE, "query": {"source": "a", "dest": "b"}}
    live = {
        "across": url, "cctp": url, "ccip": url, "lifi": url, "lanes": [lane], "transfers": {"hop": [HASH]},
        "every_s": every_s, "timeout_s": 0.4,
    }  # fmt: skip
    content = {
        "deployments": str(packaged()),
        "chains": {chain: {"rpc_urls": ["http://127.0.0.1:9"]} for chain in (ARB, BASE)},
        "database": f"sqlite+aiosqlite:///{tmp_path / 'x.db'}",
        "model": {"bridges": ["across", "cctp_v2_fast", "ccip", "hop", "canonical"]},
        "bridges": {"observe": "off", "every_s": 0.1, "live": live},
    }
    return make_settings(content, "t")


@contextlib.asynccontextmanager
async def served(tmp_path, operators, every_s=0.1):
    """The loop beside the API; gives a function that fetches the rows by bridge, Arbitrum to Base."""
    settings = settings_of(tmp_path, operators.url, every_s)
    store = await Store.open(settings.database.get_secret_value())
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        wired = await stack.enter_async_context(wire(settings))
        application = create_app(Deps(store, wired.cycle.portfolios, None, 60, wired.cycle.bridges))
        loop = asyncio.create_task(BridgeWatch(wired, store).run())
        client = await stack.enter_async_context(TestClient(TestServer(application)))

        async def rows():
            body = await (await client.get("/v1/bridges")).json()
            return {r["bridge"]: r for r in body["bridges"] if (r["source"], r["destination"]) == (ARB, BASE)}

        try:
            yield rows
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


async def until(rows, condition):
    async with asyncio.timeout(30):
        while not condition(found := await rows()):
            await asyncio.sleep(0.05)
    return found


def amounts(row) -> tuple[Decimal, Decimal]:
    """Capacity in dollars and fee in basis points, which JSON carries as strings."""
    assert isinstance(row["capacity_usd"], str)
    return Decimal(row["capacity_usd"]), Decimal(row["fee_bps"])


def answered(found):
    return found["across"]["live"] is not None and found["hop"]["observations"] == 1


async def test_answers_are_used_said_and_asked_for_by_the_loop_only(tmp_path, operators, caplog):
    caplog.set_level(logging.DEBUG)
    async with served(tmp_path, operators, every_s=300) as rows:
        found = await until(rows, answered)
        assert amounts(found["across"]) == (70_000, 30)
        assert found["across"]["median_s"] > 300 > found["across"]["default"]["median_s"]
        assert found["across"]["live"]["used"]
        assert found["across"]["live"]["median_s"] == 400
        assert amounts(found["cctp_v2_fast"]) == (Decimal("12345.5"), 20)
        assert found["ccip"]["p95_s"] > 9_000 > found["ccip"]["default"]["p95_s"]
        assert found["canonical"]["live"] is None
        asked = operators.asked
        for _ in range(5):
            await rows()
            await asyncio.sleep(0.1)
        assert operators.asked == asked
    assert KEY not in caplog.text


FAULTS = (500, "<html>", '{"limits": {}}', "1e999", "slow", "endless")


async def test_every_fault_falls_back_to_the_law_and_is_said(tmp_path, operators, caplog):
    caplog.set_level(logging.DEBUG)
    live = ("across", "cctp_v2_fast", "ccip")
    async with served(tmp_path, operators) as rows:
        for fault in FAULTS:
            operators.fault = None
            await until(rows, lambda f: answered(f) and all(f[b]["live"]["used"] for b in live))
            operators.fault = fault
            found = await until(rows, lambda f: all(f[b]["live"]["reason"] for b in live))
            for row in (found[bridge] for bridge in live):
                assert not row["live"]["used"], fault
                assert "default law stands" in row["live"]["reason"]
            found = await until(rows, lambda f: all(f[b]["median_s"] == f[b]["default"]["median_s"] for b in live))
            assert amounts(found["across"])[0] > 70_000
            assert found["hop"]["observations"] == 1  # what has arrived stays so
    assert KEY not in caplog.text
    assert "127.0.0.1" not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("aggregator"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"observe": "mine"}, "bridges.observe"),
        ({"every_s": 0}, "bridges.every_s"),
        ({"live": {"timeout_s": -1}}, "bridges.live.timeout_s"),
        ({"live": {"acros": "http://x"}}, "bridges.live.acros"),
        ({"live": {"lanes": [{"source": "moon", "destination": BASE, "query": {"a": "b"}}]}}, "moon"),
        ({"live": {"lanes": [{"source": ARB, "destination": BASE, "query": {}}]}}, "lanes.0.query"),
        ({"live": {"lanes": [{"source": ARB, "destination": ARB, "query": {"a": "b"}}]}}, "both"),
        ({"live": {"transfers": {"teleport": [HASH]}}}, "teleport"),
        ({"live": {"transfers": {"hop": ["0x12"]}}}, "64 hex digits"),
    ],
)
def test_mistakes_in_the_settings_name_the_setting(change, says):
    content = {
        "deployments": str(packaged()), "chains": {ARB: {"rpc_urls": ["http://127.0.0.1:9"]}}, "bridges": change,
    }  # fmt: skip
    with pytest.raises(ConfigError) as error:
        make_settings(content, "t")
    assert says in str(error.value)
