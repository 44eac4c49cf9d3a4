"""Prices kept, shown and carried in files: the store on both databases, HTTP, the command line."""

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from aggregator.errors import StoreError
from aggregator.history import HistoryError, read_history_csv
from aggregator.portfolios import Portfolios
from aggregator.price_files import read_prices, write_bars, write_prices
from aggregator.prices import PriceLine, price_line
from aggregator.store.prices import PriceLog, packed, unpacked
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.cli.main import app
from api.cli.price_picture import drawing
from oracles.reconcile import reconcile
from tests.kit.quotes import NOW, PARAMS, three

WHEN = datetime.fromtimestamp(NOW, UTC)


def line(after_s: float = 0, *prices: str, key: str = "ETH") -> PriceLine:
    quotes = three(*(prices or ("3000", "3003", "2500")), key=key)
    return price_line(reconcile(quotes, NOW, PARAMS)[key], WHEN + timedelta(seconds=after_s), "params_v1")


async def test_a_line_comes_back_equal_with_its_reasons(store):
    log = PriceLog(store)
    lines = [line(0), line(15, "3000", "2000", "1000"), line(0, "0.88", "0.881", "0.879", key="USDC")]
    assert await log.add(lines) == 3
    assert await log.at("ETH") == lines[1]
    assert [found async for found in log.lines()] == lines
    assert await log.keys() == ("ETH", "USDC")


async def test_at_is_what_was_known_by_then(store):
    log = PriceLog(store)
    await log.add([line(0), line(60, "3100", "3100", "3100")])
    for after, mid in ((-1, None), (0, 3000), (59.9, 3000), (60, 3100), (9999, 3100)):
        found = await log.at("ETH", WHEN + timedelta(seconds=after))
        assert (None if found is None else found.mid_usd) == mid


async def test_the_same_row_is_kept_once_and_never_changed(store):
    log = PriceLog(store)
    assert await log.add([line(0), line(15)]) == 2
    assert await log.add([line(0, "1", "1", "1"), line(30)]) == 1
    assert (await log.at("ETH", WHEN)).mid_usd == 3000


async def test_lines_can_be_chosen_by_key_and_time(store):
    log = PriceLog(store)
    await log.add([line(i * 60, key=key) for i in range(5) for key in ("ETH", "BTC")])
    span = (WHEN + timedelta(seconds=60), WHEN + timedelta(seconds=180))
    assert [found.time async for found in log.lines(["BTC"], *span)] == [
        WHEN + timedelta(seconds=s) for s in (60, 120)
    ]


def test_a_line_is_stored_in_a_quarter_of_its_size():
    for found in (line(0), line(15, "3000", "2000", "1000"), line(30, "3000.12", "3001.5", "2999.8")):
        text = found.model_dump_json()
        assert unpacked(packed(text)).decode() == text
        assert len(packed(text)) < 200 < len(text) / 3


def test_an_unknown_format_is_refused():
    with pytest.raises(StoreError, match="written by a newer version"):
        unpacked(b"\x02abc")


@pytest.mark.parametrize("name", ["prices.csv", "prices.parquet"])
def test_files_carry_every_reason_both_ways(tmp_path, name):
    lines = [line(0), line(15, "3000", "2000", "1000"), line(30, "0.88", "0.881", "0.879", key="USDC")]
    path = tmp_path / name
    write_prices(path, lines)
    assert list(read_prices(path)) == lines


def test_csv_reads_without_us(tmp_path):
    write_prices(tmp_path / "p.csv", [line(0), line(15, "3000", "2000", "1000")])
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert [(row["price_key"], row["status"], row["mid_usd"]) for row in rows] == [
        ("ETH", "DEGRADED", "3000"), ("ETH", "NO_CONSENSUS", ""),
    ]  # fmt: skip


def test_parquet_reads_without_us(tmp_path):
    import pyarrow.parquet

    write_prices(tmp_path / "p.parquet", [line(0), line(15, "3000", "2000", "1000")])
    table = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    assert table.column("mid_usd").to_pylist() == ["3000", None]


def test_bars_are_what_fitting_reads(tmp_path):
    path = tmp_path / "bars.csv"
    lines = [line(i * 20, *[str(3000 + i)] * 3) for i in range(7)] + [line(130, "3000", "2000", "1000")]
    assert write_bars(path, lines, 60) == 3
    bars = read_history_csv(path)
    assert (bars.assets, bars.step_s) == (("ETH",), 60)
    assert bars.close[:, 0].tolist() == [3001, 3004, 3006]
    assert bars.high[:, 0].tolist() == [3001, 3004, 3006]
    assert bars.low[:, 0].tolist() == [3000, 3002, 3005]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.csv", "a,b\n1,2\n", "row 1: no price record"),
        ("p.csv", "record\n{}\n", "row 1: no price record"),
        ("p.parquet", "nonsense", "not a Parquet file"),
        ("p.txt", "x", "expected a name that ends in .csv or .parquet"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(HistoryError, match=says):
        list(read_prices(path))
    with pytest.raises(HistoryError, match="no such file"):
        list(read_prices(tmp_path / "absent.csv"))


# --- HTTP ---


@pytest.fixture
async def client(tmp_path):
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'api.db'}")
    await PriceLog(store).add(
        [line(0), line(60, "3100", "3100", "3100"), line(0, "0.88", "0.881", "0.879", key="USDC")]
    )
    async with TestClient(TestServer(create_app(Deps(store, Portfolios({}), None, 60)))) as opened:
        yield opened
    await store.close()


async def test_a_price_is_answered_with_votes_exclusions_and_reasons(client):
    body = await (await client.get(f"/v1/prices/ETH?at={WHEN.isoformat().replace('+00:00', 'Z')}")).json()
    assert (body["status"], body["mid_usd"]) == ("DEGRADED", "3000")
    assert [vote["source"] for vote in body["contributors"]] == ["chainlink@eip155:1", "pyth@eip155:1"]
    (dissent,) = body["dissenters"]
    assert (dissent["reason"], dissent["price_usd"]) == ("outside_band", "2500")
    assert "-1667 bps" in body["reason"]
    assert (await (await client.get("/v1/prices/ETH")).json())["mid_usd"] == "3100"


async def test_all_prices_are_listed(client):
    body = await (await client.get("/v1/prices")).json()
    assert [(item["price_key"], item["mid_usd"]) for item in body["prices"]] == [("ETH", "3100"), ("USDC", "0.88")]
    assert "off its peg" in body["prices"][1]["notes"][0]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/v1/prices/NONE", 404, "/v1/prices/NONE"), ("/v1/prices/ETH?at=soon", 400, "at: "),
     ("/v1/prices/ETH?at=2000-01-01T00:00:00", 404, "/v1/prices/ETH")],
)  # fmt: skip
async def test_problems_are_named(client, path, status, says):
    response = await client.get(path)
    assert response.status == status
    assert says in json.loads(await response.text())["detail"]


# --- terminal ---


def test_the_picture_shows_the_interval_and_who_is_out_of_sight():
    rows = drawing(line(0))
    assert rows[0].lstrip().startswith("ETH")
    assert "#" in rows[0]
    assert "=" in rows[0]
    assert sum("o" in row.split("|")[1] for row in rows[1:3]) == 2
    assert rows[3].split("|")[1].startswith("<")
    assert "uniswap@eip155:1 (outside_band)" in rows[3]
    assert drawing(line(0, "NaN", "NaN", "NaN")) == []


def test_the_picture_survives_any_width_of_opinion():
    for prices in (("3000", "2000", "1000"), ("1e-9", "1", "1e9"), ("3000", "3000", "3000")):
        rows = drawing(line(0, *prices))
        assert len({len(row.split("|")[1]) for row in rows[:-1]}) == 1
    one = price_line(reconcile(three("1", "1", "1"), NOW + 99_999, PARAMS)["ETH"], WHEN, "x")
    assert len(drawing(one)) == 4


def test_every_incident_is_replayed_with_what_was_said_and_decided():
    result = CliRunner().invoke(app, ["prices", "replay", "--all"], terminal_width=200)
    assert result.exit_code == 0, result.output
    for words in ("mango-2022", "rise capped", "a plain median", "(assumed)", "QUARANTINED", "kelp-rseth-2026"):
        assert words in result.output
    listed = CliRunner().invoke(app, ["prices", "replay"])
    assert len(listed.output.splitlines()) >= 19


def settings_file(tmp_path):
    (tmp_path / "deployments.json").write_text('{"deployments": []}')
    path = tmp_path / "crossmargin.toml"
    path.write_text(
        f'deployments = "deployments.json"\ndatabase = "sqlite+aiosqlite:///{tmp_path / "cli.db"}"\n'
        '[chains."eip155:1"]\nrpc_urls = ["http://127.0.0.1:1"]\n'
    )
    return path


def test_history_goes_out_and_in_and_is_shown_by_time(tmp_path):
    config, file = settings_file(tmp_path), tmp_path / "in.parquet"
    write_prices(file, [line(0), line(60, "3100", "3100", "3100")])
    run = CliRunner().invoke
    assert "2 rows, 2 new" in run(app, ["prices", "import", str(file), "-c", str(config)]).output
    assert "2 rows, 0 new" in run(app, ["prices", "import", str(file), "-c", str(config)]).output
    shown = run(app, ["prices", "ETH", "--at", WHEN.isoformat(), "--why", "-c", str(config)])
    assert shown.exit_code == 0, shown.output
    for words in ("DEGRADED", "left out", "outside_band", "chainlink@eip155:1"):
        assert words in shown.output
    as_json = run(
        app, ["prices", "ETH", "--at", (WHEN + timedelta(hours=1)).isoformat(), "--json", "-c", str(config)]
    )
    assert Decimal(json.loads(as_json.stdout)["mid_usd"]) == 3100
    out = tmp_path / "out.csv"
    assert "2 rows" in run(app, ["prices", "export", str(out), "-c", str(config)]).output
    assert len(list(read_prices(out))) == 2
    missing = run(app, ["prices", "NONE", "--at", "2030-01-01", "-c", str(config)])
    assert "no price of 'NONE'" in str(missing.exception)
