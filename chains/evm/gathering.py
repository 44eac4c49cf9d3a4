"""Several exchanges at once, with one error where one of them fails."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def together(parts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run at once; the first failure cancels the rest and is raised as itself, not as a group."""
    if len(parts) == 1:
        return [await parts[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
