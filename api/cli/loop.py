"""The event loop that a service runs on, and what else keeps its answers from waiting."""

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from typing import Any

HAND_OVER_S = 0.0001
"""How long one thread may hold up the others, which a scan does a few times per answer (Python: 5 ms)."""
COLLECT_AFTER = (700, 4, 1_000)
"""When garbage is looked for in new, younger and all objects: a look stops all threads for as long as it takes.

Younger ones in parts of 1 ms, not 3; all of them, 20 ms for each 50 reports that are kept, once in many scans.
"""


def on_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where there is one: its sockets cost half as much.

    Raises ``KeyboardInterrupt`` once a stop (SIGTERM, Ctrl-C) has ended it in order.
    """
    sys.setswitchinterval(HAND_OVER_S)
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop

    before = signal.getsignal(signal.SIGTERM)
    try:
        uvloop.run(_stoppable(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)


async def _stoppable(main: Coroutine[Any, Any, None]) -> None:
    """A stop cancels, as Ctrl-C does: an exception out of a signal may end in whatever callback runs just then.

    Not by way of SIGINT, which a process that a script has put into the background ignores.
    """
    if own := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    await main


def settle() -> None:
    """Take what the start has made out of garbage collection, which would stop all for 0.1 s now and then.

    What is made later is collected in short stops.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
