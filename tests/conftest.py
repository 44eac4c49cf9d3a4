"""What every test gets: no sockets below integration, its own log handlers, and the shared devnet."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from pytest_socket import disable_socket

ROOT = Path(__file__).parent
SOCKETLESS = ("unit", "property", "golden")

# The same examples in every run: what passed here passes there. `make fuzz` draws new ones.
common: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **common)
settings.register_profile("new", print_blob=True, **common)
settings.load_profile(os.environ.get("CROSSMARGIN_EXAMPLES", "same"))
if settings.get_current_profile_name() == "same":
    # Constants of the modules that happen to be imported would make examples depend on which tests ran before.
    providers.is_local_module_file = lambda _: False
os.environ.setdefault("CROSSMARGIN_CACHE", str(ROOT.parent / ".cache"))


pytest_plugins = [
    "tests.kit.alone",
    "tests.kit.devnet",
    "tests.kit.lone_world",
    "tests.kit.postgres",
    "tests.kit.stores",
]


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> None:
    """A unit, property or golden test that opens a socket fails."""
    if request.path.relative_to(ROOT).parts[0] in SOCKETLESS:
        disable_socket(allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _log_handlers() -> Iterator[None]:
    """A command that ran in the test leaves no handler behind: its stream is closed by then."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
