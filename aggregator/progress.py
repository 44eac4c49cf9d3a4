"""How far a scan is, for whoever shows it. Nobody has to listen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""What was just done, steps done, steps expected so far."""


class _Count:
    """Steps of one scan."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.done = 0
        self.expected = 0


_COUNT: ContextVar[_Count | None] = ContextVar("progress", default=None)


@contextmanager
def shown(listener: Listener) -> Iterator[None]:
    """Tell a listener of every step inside the block, those of tasks started there too."""
    token = _COUNT.set(_Count(listener))
    try:
        yield
    finally:
        _COUNT.reset(token)


def expect(steps: int) -> None:
    """Say that so many steps are to come."""
    count = _COUNT.get()
    if count is not None:
        count.expected += steps


def step(what: str) -> None:
    """Say that one of them is done."""
    count = _COUNT.get()
    if count is not None:
        count.done += 1
        count.listener(what, count.done, max(count.done, count.expected))
