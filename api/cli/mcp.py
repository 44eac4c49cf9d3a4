"""``crossmargin mcp``: the service's reads and what-if as tools for a model, over standard input and output."""

import asyncio
import contextlib
import importlib.util
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from aggregator.clock import utc_now
from aggregator.errors import ConfigError
from aggregator.wiring import Wired
from api.cli.common import ConfigOption, DevnetOption, log_to_stderr, settings_from
from api.cli.get import KeyOption, UrlOption
from api.client import ApiClient, path_of, remote_api
from api.local import local_api

if TYPE_CHECKING:
    from api.mcp_server import Look


def mcp(
    url: UrlOption = None, key: KeyOption = None, config: ConfigOption = None, devnet: DevnetOption = None
) -> None:
    """Serve tools that read and simulate to an MCP client on standard input and output; nothing is written.

    From a running service (--url), else from the settings' store; there, what-if questions read the chains once
    for each portfolio. With a key, what the key may see.
    """
    log_to_stderr(logging.WARNING)
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError("mcp: this needs the extra: pip install 'crossmargin[mcp]'")
    asyncio.run(_serve(url, key, config, devnet))


async def _serve(url: str | None, key: str | None, config: Path | None, devnet: Path | None) -> None:
    from api.mcp_server import server_of

    async with _opened(url, key, config, devnet) as (client, look):
        await server_of(client, look).run_stdio_async()


@contextlib.asynccontextmanager
async def _opened(
    url: str | None, key: str | None, config: Path | None, devnet: Path | None
) -> AsyncIterator[tuple[ApiClient, "Look | None"]]:
    if url is not None:
        async with remote_api(url, key) as client:
            yield client, None
        return
    async with local_api(settings_from(config, devnet), key, ("read", "simulate")) as (client, wired):
        yield client, look_of(client, wired)


def look_of(client: ApiClient, wired: Wired) -> "Look":
    """Reads the chains for portfolios that the caller may see and that were not looked at here yet."""

    async def look(names: tuple[str, ...]) -> None:
        for text in names:
            await client.get(
                path_of("v1/accounts/{id}/margin", {"id": text})
            )  # refused here where it may not be seen
            name = wired.cycle.portfolios.find(text)
            if name not in wired.cycle.worlds:
                await wired.cycle.run(utc_now(), wired.cycle.portfolios.only([name]))

    return look
