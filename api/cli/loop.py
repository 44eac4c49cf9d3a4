"""The event loop that a service runs on, and what else keeps its answers from waiting."""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any

HAND_OVER_S = 0.0005
"""How long one thread may hold up the others: while a scan computes, answers wait about so long (Python: 5 ms)."""


def on_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where there is one: its sockets cost half as much."""
    sys.setswitchinterval(HAND_OVER_S)
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop

    uvloop.run(main)


def settle() -> None:
    """Take what the start has made out of garbage collection, which would stop all for 0.1 s now and then."""
    gc.collect()
    gc.freeze()
