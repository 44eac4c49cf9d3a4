"""``crossmargin mcp``: the service's reads and what-if as tools for a model, over standard input and output."""

import asyncio
import contextlib
import importlib.util
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from aggregator.errors import ConfigError
from api.cli.common import ConfigOption, DevnetOption, log_to_stderr, settings_from
from api.cli.get import KeyOption, UrlOption
from api.client import ApiClient, remote_api
from api.local import local_api

if TYPE_CHECKING:
    from api.mcp_server import Look


def mcp(
    url: UrlOption = None, key: KeyOption = None, config: ConfigOption = None, devnet: DevnetOption = None
) -> None:
    """Serve tools that read and simulate to an MCP client on standard input and output; nothing is written.

    From a running service (--url), else from the settings' store. With a key, what the key may see.
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
    async with local_api(settings_from(config, devnet), key, ("read", "simulate")) as local:
        yield local.client, local.look
