"""The event loop that a service runs on, and what else keeps its answers from waiting."""

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from typing import Any

HAND_OVER_S = 0.0005
"""How long one thread may hold up the others: while a scan computes, answers wait about so long (Python: 5 ms)."""


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
    """Take what the start has made out of garbage collection, which would stop all for 0.1 s now and then."""
    gc.collect()
    gc.freeze()
