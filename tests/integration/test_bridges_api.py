"""GET /v1/bridges and ``crossmargin bridges``: what the latency laws are and what they rest on."""

import json
from datetime import UTC, datetime

from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from aggregator.bridge_laws import COLUMNS, Observation, defaults, laws
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.cli.main import app

ARB, BASE = "eip155:42161", "eip155:8453"


async def answered(tmp_path, used=None):
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'api.db'}")
    try:
        deps = Deps(store, Portfolios({}), None, 60, used)
        async with TestClient(TestServer(create_app(deps))) as client:
            return (await (await client.get("/v1/bridges")).json())["bridges"]
    finally:
        await store.close()


async def test_defaults_are_served_with_quantiles_fees_and_capacity(tmp_path):
    rows = await answered(tmp_path)
    assert len(rows) == len(defaults())
    for row in rows:
        assert row["median_s"] <= (row["p95_s"] or 1e99) <= (row["p99_s"] or 1e99) <= (row["p99_stress_s"] or 1e99)
        assert row["observations"] == 0
        assert row["fee_bps"] >= 0 < row["capacity_usd"]


async def test_a_posterior_is_visible_with_its_size_and_age(tmp_path):
    now = datetime.now(UTC)
    used = laws(defaults(("across",)), [Observation(now, "across", ARB, BASE, 45.0)] * 30, now)
    (row,) = [r for r in await answered(tmp_path, used) if (r["source"], r["destination"]) == (ARB, BASE)]
    assert row["observations"] == 30
    assert row["age_s"] is not None
    assert row["median_s"] > row["default"]["median_s"]


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
