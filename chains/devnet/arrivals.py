"""When a node of the devnet had each of its blocks, by the host's clock.

Timestamps are whole seconds, up to one before the block is there; delays of less are measured from the moment at
which its node answers with it. A process of its own looks, so that nothing that is measured holds it up.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chains.devnet.anvil import rpc

LOOK_S = 0.01


class Arrivals:
    """Of one chain, since the watching began."""

    def __init__(self, lines: Path) -> None:
        self._lines = lines

    def of(self, number: int) -> float:
        """Unix seconds at which a block was there; KeyError for one that was not seen to come."""
        found = dict(line.split() for line in self._lines.read_text().splitlines())
        return float(found[str(number)])


@contextmanager
def arrivals(url: str, folder: Path) -> Iterator[Arrivals]:
    """Watch a node's head from now on; ``folder`` takes the notes."""
    path = folder / "arrivals.txt"
    with path.open("w") as lines:
        watcher = subprocess.Popen([sys.executable, "-m", __name__, url], stdout=lines)
        try:
            yield Arrivals(path)
        finally:
            watcher.terminate()
            watcher.wait()


def watch(url: str) -> None:
    """Print the number of every new block and when it was there, until ended."""
    last = int(rpc(url, "eth_blockNumber"), 16)
    while True:
        number = int(rpc(url, "eth_blockNumber"), 16)
        now = datetime.now(UTC).timestamp()  # its own process, with nobody who could pass it in
        sys.stdout.write("".join(f"{each} {now:.3f}\n" for each in range(last + 1, number + 1)))
        sys.stdout.flush()
        last = number
        time.sleep(LOOK_S)


if __name__ == "__main__":
    watch(sys.argv[1])
