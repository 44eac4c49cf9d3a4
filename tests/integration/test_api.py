"""The HTTP API over a real store."""

import json
from decimal import Decimal

import pytest
from aiohttp.test_utils import TestClient, TestServer

from aggregator.alerts import status_change
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from api.app import Deps, create_app
from api.http.examples import example_report
from chains.caip import ChainId, parse_account
from risk.status import Status
from tests.kit.reports import ACCOUNT, a_report

EXAMPLE = example_report()
ADDRESS = ACCOUNT.rpartition(":")[2]


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'api.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def client(store):
    portfolios = Portfolios({"desk": (parse_account(ACCOUNT),), "new": (parse_account(ACCOUNT.lower()),)})
    async with TestClient(TestServer(create_app(Deps(store, portfolios, None, 60)))) as opened:
        yield opened


async def test_margin_is_the_stored_report_by_name_account_and_address(client, store):
    report = a_report()
    await store.append([report], status_change, [])
    for name in ("desk", ACCOUNT, ADDRESS, ADDRESS.lower()):
        response = await client.get(f"/v1/accounts/{name}/margin")
        assert response.status == 200
        assert await response.text() == report.model_dump_json()


async def test_amounts_are_strings_and_unknown_is_null(client, store):
    await store.append([a_report(mm_excess_usd=None)], status_change, [])
    body = await (await client.get("/v1/accounts/desk/margin")).json()
    assert body["unified_buffer_usd"] == "1234.5678901234567890"
    assert body["mm_excess_usd"] is None


async def test_positions_carry_as_of_and_quality(client, store):
    await store.append([a_report()], status_change, [])
    body = await (await client.get("/v1/accounts/desk/positions")).json()
    assert set(body) == {"id", "portfolio", "as_of", "data_quality", "positions"}
    assert body["as_of"]["blocks"]["eip155:1"]["number"] == 100


async def test_etag_gives_304_until_the_report_changes(client, store):
    await store.append([a_report()], status_change, [])
    first = await client.get("/v1/accounts/desk/margin")
    same = await client.get("/v1/accounts/desk/margin", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status, await same.read()) == (304, b"")
    await store.append([a_report(status=Status.WATCH)], status_change, [])
    changed = await client.get("/v1/accounts/desk/margin", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status == 200


@pytest.mark.parametrize(
    ("path", "status", "code", "says"),
    [
        ("/v1/accounts/nobody/margin", 404, "unknown_portfolio", "nobody"),
        ("/v1/accounts/0x12/margin", 400, "bad_request", "40 hex digits"),
        ("/v1/accounts/eip155:x:0x12/margin", 400, "bad_request", "CAIP-2"),
        ("/v1/accounts/new/margin", 404, "no_report_yet", "/v1/accounts/new/margin"),
        ("/v1/alerts?limit=0", 400, "bad_request", "limit"),
        ("/v1/alerts?limit=many", 400, "bad_request", "limit"),
        ("/v1/alerts?before=-1", 400, "bad_request", "before"),
        ("/nowhere", 404, "not_found", "/nowhere"),
    ],
)
async def test_problems_name_the_field(client, path, status, code, says):
    response = await client.get(path)
    body = json.loads(await response.text())
    assert (response.status, body["status"], body["code"]) == (status, status, code)
    assert response.content_type == "application/problem+json"
    assert says in body["detail"]


async def test_alerts_page_by_link(client, store):
    for status in (Status.WATCH, Status.SAFE, Status.BRIDGE_NOW):
        await store.append([a_report(status=status)], status_change, [])
    response = await client.get("/v1/alerts?limit=2")
    seen = [alert["status"] for alert in (await response.json())["alerts"]]
    following = await client.get(str(response.links["next"]["url"].relative()))
    seen += [alert["status"] for alert in (await following.json())["alerts"]]
    assert seen == ["BRIDGE_NOW", "SAFE", "WATCH"]
    only = await (await client.get("/v1/alerts?portfolio=new")).json()
    assert only["alerts"] == []
    assert (await client.get("/v1/alerts?portfolio=other")).status == 404


async def test_accounts_without_a_report_say_so(client, store):
    await store.append([a_report()], status_change, [])
    rows = (await (await client.get("/v1/accounts")).json())["accounts"]
    assert [(row["portfolio"], row["status"]) for row in rows] == [("desk", "SAFE"), ("new", None)]
    assert rows[1]["status_reason"] == "no report yet"


async def test_health_and_metrics(client):
    assert (await client.get("/livez")).status == 200
    assert (await client.get("/readyz")).status == 200
    assert "crossmargin_cycles" in await (await client.get("/metrics")).text()


def test_bare_address_stands_for_every_chain():
    chains = (ChainId("eip155:1"), ChainId("eip155:10"))
    found = Portfolios.of({"p": [ADDRESS]}, chains)
    assert found.accounts("p") == tuple(parse_account(f"{chain}:{ADDRESS}") for chain in chains)


async def test_chains_and_venues_add_up_what_lies_on_them_and_one_unknown_makes_the_sum_unknown(client, store):
    line = EXAMPLE.venues[0]
    known = line.model_copy(update={"surplus_usd": Decimal("10.5"), "local_floor_usd": Decimal(2)})
    lacking = known.model_copy(update={"sub_account": "2", "local_floor_usd": None})
    await store.append([a_report(venues=(known, lacking))], status_change, [])
    body = await (await client.get("/v1/accounts/desk/portfolio")).json()
    for (held,) in (body["chains"], body["venues"]):
        assert (held["accounts"], held["surplus_usd"], held["local_floor_usd"]) == (2, "21.0", None)


async def test_history_tells_help_that_cannot_come_from_help_that_is_not_known(client, store):
    line = EXAMPLE.venues[0]
    never = line.model_copy(update={"ttf_s": None, "ttf_reachable": False})
    await store.append([a_report(venues=(never,))], status_change, [])
    body = await (await client.get("/v1/accounts/desk/margin/history")).json()
    ((told,),) = [report["venues"] for report in body["reports"]]
    assert (told["chain"], told["ttf_s"], told["ttf_reachable"]) == (line.chain, None, False)
