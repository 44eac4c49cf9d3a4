"""Tests marked ``alone`` have the machine to themselves among the workers of a run, for what they measure."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Every test is in the room while it runs. Who passes the gate alone closes it, and waits for the others."""
    alone = item.get_closest_marker("alone") is not None
    folder = _folder(item.config)
    if folder is None:
        return (yield)
    with ExitStack() as left:
        with ExitStack() as passed:
            passed.enter_context(_held(folder / "gate", fcntl.LOCK_EX))
            left.enter_context(_held(folder / "room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
            if alone:
                left.push(passed.pop_all())
        return (yield)


def _folder(config: pytest.Config) -> Path | None:
    """Shared by the workers of a run; None without workers."""
    if not hasattr(config, "workerinput"):
        return None
    return Path(config._tmp_path_factory.getbasetemp()).parent  # type: ignore[attr-defined]


@contextmanager
def _held(path: Path, kind: int) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield file
