"""GET /v1/bridges and ``crossmargin bridges``: what the latency laws are and what they rest on."""

import json
from datetime import UTC, datetime, timedelta

from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from aggregator.bridge_desk import BridgeDesk, Said, Watched
from aggregator.bridge_laws import COLUMNS, Observation, defaults
from aggregator.bridge_live import Estimate
from aggregator.config import ModelSettings
from aggregator.model import load_model
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.cli.main import app

ARB, BASE = "eip155:42161", "eip155:8453"


async def answered(tmp_path, desk=None):
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'api.db'}")
    try:
        deps = Deps(store, Portfolios({}), None, 60, desk)
        async with TestClient(TestServer(create_app(deps))) as client:
            return await (await client.get("/v1/bridges")).json()
    finally:
        await store.close()


def desk_of():
    return BridgeDesk(load_model(ModelSettings(bridges=("across",)), (ARB, BASE)), timedelta(minutes=5))


def one(body):
    (row,) = [r for r in body["bridges"] if (r["source"], r["destination"]) == (ARB, BASE)]
    return row


async def test_defaults_are_served_with_quantiles_fees_and_capacity(tmp_path):
    body = await answered(tmp_path)
    assert len(body["bridges"]) == len(defaults())
    assert body["watched"] == []
    for row in body["bridges"]:
        assert row["median_s"] <= (row["p95_s"] or 1e99) <= (row["p99_s"] or 1e99) <= (row["p99_stress_s"] or 1e99)
        assert row["observations"] == 0
        assert row["live"] is None
        assert float(row["fee_bps"]) >= 0 < float(row["capacity_usd"])


async def test_a_posterior_is_visible_with_its_size_and_age(tmp_path):
    now, desk = datetime.now(UTC), desk_of()
    assert await desk.learn([Observation(now, "across", ARB, BASE, 45.0)] * 30, now)
    row = one(await answered(tmp_path, desk))
    assert row["observations"] == 30
    assert row["age_s"] is not None
    assert row["median_s"] > row["default"]["median_s"]


async def test_what_operators_say_and_where_looking_fails_are_visible(tmp_path):
    now, desk = datetime.now(UTC), desk_of()
    desk.said["across", ARB, BASE] = Said(now, "", Estimate(median_s=60.0, capacity_usd=5_000.0))
    desk.said["across", BASE, ARB] = Said(now, "across: answered HTTP 500; the default law stands")
    desk.watched[BASE] = Watched(now, 17, "no block")
    assert await desk.learn((), now)
    body = await answered(tmp_path, desk)
    row = one(body)
    assert (row["capacity_usd"], row["live"]["used"], row["live"]["median_s"]) == ("5000", True, 60)
    assert row["median_s"] > 50 > row["default"]["median_s"]
    (other,) = [r for r in body["bridges"] if (r["source"], r["destination"]) == (BASE, ARB)]
    assert (other["live"]["used"], other["live"]["reason"][:20]) == (False, "across: answered HTT")
    assert other["median_s"] == other["default"]["median_s"]
    (pool,) = body["watched"]
    assert (pool["chain"], pool["block"], pool["reason"]) == (BASE, 17, "no block")


async def test_an_old_answer_is_not_used_any_more(tmp_path):
    now, desk = datetime.now(UTC), desk_of()
    desk.said["across", ARB, BASE] = Said(now - timedelta(minutes=6), "", Estimate(capacity_usd=5_000.0))
    assert not await desk.learn((), now)
    assert one(await answered(tmp_path, desk))["capacity_usd"] != "5000"


def test_command_line_shows_the_same(tmp_path):
    path = tmp_path / "own.csv"
    line = f"{datetime.now(UTC).isoformat()},across,{ARB},{BASE},45"
    path.write_text("\n".join([",".join(COLUMNS), *[line] * 30]))
    done = CliRunner().invoke(app, ["bridges", "--bridge", "across", "--observations", str(path), "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)["bridges"]
    assert len(rows) == 12
    assert [r["observations"] for r in rows if (r["source"], r["destination"]) == (ARB, BASE)] == [30]
    assert CliRunner().invoke(app, ["bridges", "--all"]).exit_code == 0
