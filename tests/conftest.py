"""What every test gets: no sockets below integration, and the shared devnet."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket

ROOT = Path(__file__).parent
SOCKETLESS = ("unit", "property", "golden")

settings.register_profile("crossmargin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crossmargin")
os.environ.setdefault("CROSSMARGIN_CACHE", str(ROOT.parent / ".cache"))


pytest_plugins = ["tests.kit.devnet", "tests.kit.postgres"]


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> None:
    """A unit, property or golden test that opens a socket fails."""
    if request.path.relative_to(ROOT).parts[0] in SOCKETLESS:
        disable_socket(allow_unix_socket=True)
