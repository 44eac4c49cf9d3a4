"""Tools that a model may call (Model Context Protocol): reads and what-if, through the HTTP API's own handlers.

Nothing here writes, signs or moves anything. What the caller may see is decided by the API, as for everybody else.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from aggregator.errors import ServiceError
from aggregator.report import MarginReport
from aggregator.simulate.model import Simulation, SimulationRequest
from api.client import ApiClient, path_of
from api.http.alerts import Alerts
from api.http.market import Bridges, Price, Prices
from api.http.models import Accounts, History, Liquidation, Positions, Scenarios
from api.http.simulate import Simulations
from chains.errors import ChainError

ABOUT = """
crossmargin computes one margin over collateral and derivatives on several EVM chains, with bridge latency as
liquidation-delay risk. Amounts are decimal strings, the unit is in the field's name. null means not known, never
zero and never safe; data_quality.degraded says why. as_of names the blocks that the figures rest on. A venue
liquidates by its own rule and oracle (venues[].surplus_usd); the unified margin says what the whole portfolio
needs. All tools only read; simulate changes nothing.
"""
READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
Name = Annotated[str, Field(description="Portfolio name, CAIP-10 account or bare address", max_length=200)]
Key = Annotated[str, Field(description="Price key, for example ETH", max_length=60)]
Questions = Annotated[list[Simulation], Field(min_length=1, max_length=20)]
Page = Annotated[int, Field(description="How many at most", ge=1, le=200)]
M = TypeVar("M", bound=BaseModel)
Look = Callable[[tuple[str, ...]], Awaitable[None]]


def server_of(client: ApiClient, look: Look | None = None) -> MCPServer:
    """The server over a client of the API.

    Parameters
    ----------
    look : has at hand what a portfolio's what-if questions begin from, where no service does that.
    """
    server: MCPServer = MCPServer("crossmargin", instructions=ABOUT)
    _about_accounts(server, client)
    _about_markets(server, client)
    _about_changes(server, client, look)
    return server


def _about_accounts(server: MCPServer, client: ApiClient) -> None:
    @server.tool(annotations=READ)
    async def portfolios() -> Accounts:
        """All portfolios with their newest status, the account that binds and the excess over the requirement."""
        return await _got(client, Accounts, "/v1/accounts")

    @server.tool(annotations=READ)
    async def margin(portfolio: Name) -> MarginReport:
        """The newest margin report of a portfolio: requirement, excess, venues, positions, liquidation, rescue."""
        return await _got(client, MarginReport, "/v1/accounts/{id}/margin", portfolio)

    @server.tool(annotations=READ)
    async def positions(portfolio: Name) -> Positions:
        """The legs of a portfolio with size, price interval and value."""
        return await _got(client, Positions, "/v1/accounts/{id}/positions", portfolio)

    @server.tool(annotations=READ)
    async def liquidation(portfolio: Name) -> Liquidation:
        """Per venue account: liquidation prices, distances, time to liquidation and to fund, probabilities."""
        return await _got(client, Liquidation, "/v1/accounts/{id}/liquidation", portfolio)

    @server.tool(annotations=READ)
    async def history(portfolio: Name, limit: Page = 20) -> History:
        """Earlier reports of a portfolio in brief, newest first."""
        return await _got(client, History, "/v1/accounts/{id}/margin/history", portfolio, limit=limit)

    @server.tool(annotations=READ)
    async def alerts(portfolio: Name | None = None, limit: Page = 20) -> Alerts:
        """Alerts, newest first: changes of status with their reason."""
        given = {} if portfolio is None else {"portfolio": portfolio}
        return await _got(client, Alerts, "/v1/alerts", limit=limit, **given)


def _about_markets(server: MCPServer, client: ApiClient) -> None:
    @server.tool(annotations=READ)
    async def prices() -> Prices:
        """The newest reconciled price of every key, as an interval with its status."""
        return await _got(client, Prices, "/v1/prices")

    @server.tool(annotations=READ)
    async def price(
        asset: Annotated[str, Field(description="Price key, for example ETH", max_length=60)],
    ) -> Price:
        """One price with the sources that agreed, those that did not, and why."""
        return await _got(client, Price, "/v1/prices/{asset}", asset)

    @server.tool(annotations=READ)
    async def routes() -> Bridges:
        """Bridge routes between the chains: latency quantiles on calm and bad days, fees, capacity."""
        return await _got(client, Bridges, "/v1/bridges")


def _about_changes(server: MCPServer, client: ApiClient, look: Look | None) -> None:
    @server.tool(annotations=READ)
    async def simulate(simulations: Questions) -> Simulations:
        """What if prices, volatilities, transfers, positions or routes changed: reports before and after."""
        asked = SimulationRequest(simulations=tuple(simulations))
        with _words():
            if look is not None:
                await look(tuple(one.portfolio for one in simulations if one.portfolio is not None))
            answer = await client.post("v1/margin/simulate", asked.model_dump_json(exclude_unset=True).encode())
        return Simulations.model_validate_json(answer.body)

    @server.tool(annotations=READ)
    async def scenarios(portfolio: Name) -> Scenarios:
        """What the model's scenarios cost, and a table of spot moves against volatility moves."""
        if look is not None:
            with _words():
                await look((portfolio,))
        return await _got(client, Scenarios, "/v1/accounts/{id}/scenarios", portfolio)


async def _got(client: ApiClient, model: type[M], template: str, part: str = "", **query: object) -> M:
    """An answer of the API as its own model."""
    names = re.findall(r"{(\w+)}", template)
    path = path_of(template, dict.fromkeys(names, part))
    with _words():
        answer = await client.get(path, {name: str(value) for name, value in query.items()})
    return model.model_validate_json(answer.body)


@contextlib.contextmanager
def _words() -> Iterator[None]:
    """What is refused is told to the caller; anything else is only logged."""
    try:
        yield
    except (ServiceError, ChainError) as error:
        raise ToolError(str(error)) from None
