"""Every read of the API as a command: from the store, from a service, refused and unreachable."""

import asyncio
import io
import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from aggregator.access.keys import Keys
from aggregator.alerts import status_change
from aggregator.clock import unix, utc_now
from aggregator.prices import price_lines
from aggregator.store.prices import price_rows
from aggregator.store.repository import Store
from api.cli.get import NO_COMMAND, events, name_of, readable
from api.cli.main import app
from api.cli.show import show
from api.client import ApiRefused, ApiUnreachable
from api.http.models import AccountRow
from api.http.table import TABLE
from oracles.reconcile import reconcile
from tests.integration.test_api_specification import running
from tests.kit import world as hand
from tests.kit.api import NAME, a_world
from tests.kit.commands import rows, written

SETTINGS = """
deployments = "mainnet_v1"
database = "{dsn}"
chains."eip155:1".rpc_urls = ["http://127.0.0.1:1"]
chains."eip155:42161".rpc_urls = ["http://127.0.0.1:1"]
portfolios.desk.accounts = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]
"""


@pytest.fixture(scope="module")
async def report(tmp_path_factory):
    """A stored report, beside the settings of its store."""
    path = tmp_path_factory.mktemp("get")
    dsn = f"sqlite+aiosqlite:///{path / 'store.db'}"
    (path / "crossmargin.toml").write_text(SETTINGS.format(dsn=dsn))
    world, store = a_world(), await Store.open(dsn)
    book = reconcile(world.quotes, unix(world.now), hand.maker().prices)
    (made,) = hand.maker().make(world)
    await store.append([made], status_change, [], price_rows(price_lines(book, world.now)))
    await store.close()
    return path / "crossmargin.toml", made


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as found:
        yield found


def got(*arguments: str):
    return CliRunner().invoke(app, ["get", *arguments], catch_exceptions=True)


def test_every_read_of_the_api_is_a_command_or_says_why_not():
    reads = [endpoint for endpoint in TABLE if endpoint.method == "GET"]
    known = readable()
    for endpoint in reads:
        assert (endpoint.path in NO_COMMAND) != (known.get(name_of(endpoint)) is endpoint), endpoint.path
    assert set(NO_COMMAND) <= {endpoint.path for endpoint in reads}
    assert all(NO_COMMAND.values())
    assert written() == rows(), "python -m tests.kit.commands writes the table of docs/cli.md"


def test_a_command_reads_the_store_without_any_chain(report):
    config, made = report
    done = got("margin", NAME, "--config", str(config), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(made.model_dump_json())
    for words in (f"liquidation {NAME}", f"history {NAME}", "prices", "price ETH", "roots", "bridges"):
        shown = got(*words.split(), "--config", str(config))
        assert shown.exit_code == 0, shown.output
        assert "as of " in shown.stdout
    assert "unified buffer" in got("margin", NAME, "--config", str(config)).stdout


def test_every_command_answers_a_running_service(url):
    given = {"id": NAME, "asset": "ETH"}
    for name, endpoint in readable().items():
        if endpoint.timeout_s == 0:
            continue
        parts = [given.get(part, "none") for part in re.findall(r"\{(\w+)", endpoint.path)]
        done = got(name, *parts, "--url", url)
        refused = isinstance(done.exception, ApiRefused | ApiUnreachable)
        assert done.exit_code == 0 or refused, (name, done.exception)
        if not refused and endpoint.answer is not None:
            json.loads(got(name, *parts, "--url", url, "--json").stdout)


def test_options_are_those_of_the_query_and_pages_say_how_to_go_on(url):
    first = got("bridges", "--url", url, "--json")
    assert first.exit_code == 0
    page = got("history", NAME, "--limit", "1", "--url", url, "--json")
    assert len(json.loads(page.stdout)["reports"]) == 1
    cursor = page.stderr.split("--cursor ")[1].strip()
    assert json.loads(got("history", NAME, "--cursor", cursor, "--url", url, "--json").stdout)["reports"] == []


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("margin", "nobody"), ApiRefused, "crossmargin get accounts"),
        (("history", NAME, "--limit", "x"), ApiRefused, "query.limit"),
        (("keys", "--key", "cmk_none_none"), ApiRefused, "CROSSMARGIN_KEY"),
        (("accounts", "--url", "http://127.0.0.1:1"), ApiUnreachable, "crossmargin serve"),
        (("accounts", "--url", "ftp://x"), ValueError, "--url"),
    ],
)
def test_what_is_refused_names_the_fix(report, arguments, error, says):
    where = () if "--url" in arguments else ("--config", str(report[0]))
    done = got(*arguments, *where)
    assert isinstance(done.exception, error)
    assert says in str(done.exception)


async def test_a_key_sees_what_it_may(report):
    store = await Store.open(f"sqlite+aiosqlite:///{report[0].parent / 'store.db'}")
    _, secret = await Keys(store).create("reader", ("read",), utc_now(), actor="test", portfolios=("another",))
    await store.close()
    given = ("--config", str(report[0]), "--key", secret)
    done = await asyncio.to_thread(got, "margin", NAME, *given)
    assert "neither a portfolio" in str(done.exception)
    refused = await asyncio.to_thread(got, "audit", *given)
    assert "scope admin" in str(refused.exception)
    rows_ = await asyncio.to_thread(got, "accounts", *given, "--json")
    assert json.loads(rows_.stdout)["accounts"] == []


async def test_a_stream_is_told_event_by_event():
    async def lines():
        for line in (
            "retry: 2000",
            "",
            "id: 1-2",
            "event: hello",
            "data: {}",
            "",
            ": still here",
            "",
            "id: 2-2",
            "event: margin.updated",
            'data: {"portfolio":"desk"}',
            "",
            "id: 3-2",
        ):
            yield line  # fmt: skip

    assert [event async for event in events(lines())] == [
        {"id": "1-2", "event": "hello", "data": {}},
        {"id": "2-2", "event": "margin.updated", "data": {"portfolio": "desk"}},
    ]


def test_tables_say_what_a_row_is_about_first_and_hide_nothing_unknown():
    rows_ = [
        {"id": "rep_1", "report_id": "x" * 40, "portfolio": "desk", "created_at": "2026-01-02T03:04:05.678Z",
         "status": "SAFE", "mm_excess_usd": "-1234567.891", "health": None, "account": f"eip155:1:0x{'ab' * 20}"},
        {"id": "rep_2", "report_id": "y", "portfolio": "other", "created_at": "2026-01-02T03:04:06Z",
         "status": "UNKNOWN", "mm_excess_usd": None, "health": "1.5", "account": ""},
    ]  # fmt: skip
    console = Console(width=200, record=True, file=io.StringIO())
    show(console, AccountRow, json.dumps({"rows": rows_, "fee": "0.000001", "none": []}).encode())
    text = console.export_text()
    assert "-1,234,567.89" in text
    assert "0xabab…abab" in text
    assert "2026-01-02 03:04:05 " in text
    assert text.index("portfolio") < text.index("health") < text.index("report id")
    assert "│ ?" in text.replace("│             ?", "│ ?")
    assert "fee  0.000001" in text
    assert "none: none" in text
