"""Bringing a database to the current schema with alembic, inside the caller's transaction."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from aggregator.errors import StoreError


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply every migration up to ``revision``."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take migrations back down to ``revision`` (``base``: nothing is left)."""
    command.downgrade(_config(connection), revision)


def current(connection: Connection) -> str | None:
    """Revision that a database is at; None where it has no schema yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Revision that this version brings databases to."""
    head = ScriptDirectory.from_config(_scripts()).get_current_head()
    if head is None:
        raise StoreError("the package has lost its migrations: install it again")
    return head


def _scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", "aggregator.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _config(connection: Connection) -> Config:
    config = _scripts()
    config.attributes["connection"] = connection
    return config
