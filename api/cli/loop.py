"""The event loop that a service runs on."""

import asyncio
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
