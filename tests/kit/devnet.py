"""The whole devnet for tests: built once per session, and put back after each test that changes it."""

from collections.abc import Iterator

import pytest

from chains.devnet.world import World, build


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The four chains with the cast, mined on demand. Tests must leave it as it is or use ``devnet_snapshot``."""
    world = build(tmp_path_factory.mktemp("devnet"))
    try:
        yield world
    finally:
        world.stop()


@pytest.fixture
def devnet_snapshot(devnet: World) -> Iterator[World]:
    """The devnet for a test that moves it; all chains, prices and ``world.json`` are put back afterwards."""
    taken = devnet.snapshot()
    try:
        yield devnet
    finally:
        devnet.revert(taken)
