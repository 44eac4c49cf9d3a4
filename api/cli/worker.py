"""``crossmargin worker``."""

from typing import Annotated

import typer

from aggregator.config import Settings
from aggregator.errors import ConfigError
from api.cli.common import ConfigOption, DevnetOption, log_to_stderr, settings_from
from api.cli.loop import on_loop
from api.cli.serve import is_postgres, run


def worker(
    config: ConfigOption = None,
    devnet: DevnetOption = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Instead of service.port; 0 takes a free one.")
    ] = None,
) -> None:
    """Be one of several processes, on one or more hosts, that share the portfolios of one PostgreSQL database.

    Each looks at its part, delivers alerts and answers the HTTP API; what a dead one held, the others take over.
    """
    log_to_stderr()
    settings = settings_from(config, devnet)
    require_postgres(settings)
    if port is not None:
        settings = settings.model_copy(update={"service": settings.service.model_copy(update={"port": port})})
    on_loop(run(settings, shared=True))


def require_postgres(settings: Settings) -> None:
    """Raise ConfigError where the database cannot be shared by several writers."""
    if not is_postgres(settings):
        raise ConfigError(
            "database: workers need PostgreSQL to share the work, this is not one: set `database` to "
            "postgresql+asyncpg://…, or run `crossmargin serve`, which is one process for everything"
        )
