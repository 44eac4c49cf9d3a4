"""The MCP server, spoken to by the real client: over standard input and output, and in this process."""

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from pydantic import SecretStr
from sqlalchemy import delete
from typer.testing import CliRunner

from aggregator.access.keys import Keys
from aggregator.clock import utc_now
from aggregator.config import load_settings
from aggregator.devnet_settings import devnet_settings
from aggregator.errors import ConfigError
from aggregator.report import MarginReport
from aggregator.store.input_tables import REPORT_INPUTS
from aggregator.store.repository import Store
from aggregator.wiring import open_service, wire
from api.cli.main import app
from api.client import remote_api
from api.local import local_api
from api.mcp_server import server_of
from tests.integration.test_api_specification import running
from tests.integration.test_get_command import report as report  # the fixture
from tests.kit.api import NAME

DEAD = SecretStr("http://127.0.0.1:1")
ROOT = Path(__file__).parents[2]
TOOLS = {
    "portfolios", "margin", "positions", "liquidation", "history", "alerts", "prices", "price", "routes",
    "simulate", "scenarios",
}  # fmt: skip


@asynccontextmanager
async def local(settings, key: str | None = None):
    """A client of the tools over a store, as the command makes them."""
    async with (
        local_api(settings, key, ("read", "simulate")) as found,
        Client(server_of(found.client, found.look)) as tools,
    ):
        yield tools


async def told(client: Client, tool: str, **arguments) -> dict:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def refused(client: Client, tool: str, **arguments) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return answer.content[0].text


async def test_over_standard_input_and_output_tools_tell_the_stored_report(report):
    config, made = report
    command = ["-m", "api.cli", "mcp", "--config", str(config)]
    server = StdioServerParameters(command=sys.executable, args=command, cwd=ROOT, env=dict(os.environ))
    async with Client(server) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS
        for tool in tools.values():
            assert tool.description
            assert tool.annotations.read_only_hint
            assert tool.output_schema["type"] == "object"
        assert "never zero" in client.instructions.replace("\n", " ")
        found = await told(client, "margin", portfolio=NAME)
        assert MarginReport.model_validate(found) == made
        assert isinstance(found["mm_excess_usd"], str)
        assert "neither a portfolio" in await refused(client, "margin", portfolio="nobody")


async def test_every_read_answers_from_the_store(report):
    config, made = report
    async with local(load_settings(config)) as client:
        (row,) = (await told(client, "portfolios"))["accounts"]
        assert row["status"] == made.status
        assert len((await told(client, "positions", portfolio=NAME))["positions"]) == len(made.positions)
        assert (await told(client, "liquidation", portfolio=NAME))["venues"]
        assert len((await told(client, "history", portfolio=NAME, limit=3))["reports"]) == 1
        assert "ETH" in [line["price_key"] for line in (await told(client, "prices"))["prices"]]
        assert (await told(client, "price", asset="ETH"))["contributors"]
        assert (await told(client, "routes"))["bridges"]
        assert (await told(client, "alerts", limit=5))["alerts"]


async def test_a_running_service_answers_what_if(tmp_path):
    with running(tmp_path) as url:
        async with remote_api(url, None) as asked, Client(server_of(asked)) as client:
            question = {"portfolio": NAME, "changes": {"spot_pct": "-30"}}
            (result,) = (await told(client, "simulate", simulations=[question]))["results"]
            assert result["before"]["status"] != "UNKNOWN"
            assert result["after"]["equity_usd"] != result["before"]["equity_usd"]
            assert (await told(client, "scenarios", portfolio=NAME))["heat_map"]
            wrong = [{"portfolio": NAME, "changes": {"spot": 1}}]
            assert "spot" in await refused(client, "simulate", simulations=wrong)


async def test_a_key_sees_what_it_may(report):
    config, _ = report
    store = await Store.open(f"sqlite+aiosqlite:///{config.parent / 'store.db'}")
    _, secret = await Keys(store).create("reader", ("read",), utc_now(), actor="test", portfolios=("another",))
    await store.close()
    async with local(load_settings(config), secret) as client:
        assert (await told(client, "portfolios"))["accounts"] == []
        for tool, given in (("margin", {"portfolio": NAME}), ("simulate", {"simulations": [{"portfolio": NAME}]})):
            assert "neither a portfolio" in await refused(client, tool, **given)


@pytest.mark.devnet
async def test_without_a_service_what_if_begins_at_the_stored_report_or_else_at_the_chains(devnet, tmp_path):
    settings = devnet_settings(devnet.state_dir, database=f"sqlite+aiosqlite:///{tmp_path / 's.db'}")
    async with wire(settings) as wired, open_service(wired) as (service, store, *_):
        await service.scan()
        dead = {chain: item.model_copy(update={"rpc_urls": (DEAD,)}) for chain, item in settings.chains.items()}
        question = {"portfolio": "hedged-pair", "changes": {"spot_pct": "-5"}}
        for given in (settings.model_copy(update={"chains": dead}), settings):
            async with local(given) as client:
                (result,) = (await told(client, "simulate", simulations=[question]))["results"]
                stored = await told(client, "margin", portfolio="hedged-pair")
                before, kept = (float(one["mm_requirement_usd"]) for one in (result["before"], stored))
                assert before == pytest.approx(kept, rel=1e-9 if given is not settings else 0.01)
                assert (await told(client, "scenarios", portfolio="hedged-pair"))["heat_map"]
            async with store.transaction(writing=True) as connection:
                await connection.execute(delete(REPORT_INPUTS))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["mcp"])
    assert isinstance(done.exception, ConfigError)
    assert "pip install 'crossmargin[mcp]'" in str(done.exception)
