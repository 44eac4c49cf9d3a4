"""The whole devnet for tests: built once per session, and put back after each test that changes it."""

from collections.abc import Iterator

import pytest

from chains.devnet.clock import wall_s
from chains.devnet.world import World, build

STALE_S = 45
"""The devnet mines on demand only: after a while without transactions its pools have no price any more."""
_built: list[World] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Bring an idle devnet to the present before any fixture of a test looks at it."""
    if not _built or not {"devnet", "devnet_snapshot"} & set(getattr(item, "fixturenames", ())):
        return
    (world,) = _built
    rpcs = [chain.ctx.deployer.rpc for chain in world.chains.values()]
    oldest = min(int(rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) for rpc in rpcs)
    if wall_s() - oldest > STALE_S:
        world.refresh()


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The four chains with the cast, mined on demand. Tests must leave it as it is or use ``devnet_snapshot``."""
    world = build(tmp_path_factory.mktemp("devnet"))
    _built.append(world)
    try:
        yield world
    finally:
        _built.clear()
        world.stop()


@pytest.fixture
def devnet_snapshot(devnet: World) -> Iterator[World]:
    """The devnet for a test that moves it; all chains, prices and ``world.json`` are put back afterwards."""
    taken = devnet.snapshot()
    try:
        yield devnet
    finally:
        devnet.revert(taken)
