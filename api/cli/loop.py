"""The event loop that a service runs on."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any


def on_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where there is one: its sockets cost half as much."""
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop

    uvloop.run(main)
