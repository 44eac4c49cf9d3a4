"""Settings of the service for a running devnet, made from its ``world.json``."""

from pathlib import Path
from typing import Any

from aggregator.config import Settings, make_settings
from chains.devnet import worldfile

BRIDGES = ("across", "canonical")
"""What can carry value between the devnet's chains: Across is deployed, canonical bridges always exist."""


def devnet_settings(state_dir: Path, *, database: str | None = None, **service: Any) -> Settings:
    """Settings over the devnet of a folder; raises NoWorld when none is there.

    The sequencers of a devnet have just started, so their grace is zero.
    """
    world = worldfile.read(state_dir)
    content: dict[str, Any] = {
        "deployments": str(worldfile.path_of(state_dir)),
        "chains": {node.chain: {"rpc_urls": [node.http_url]} for node in world.nodes},
        "portfolios": {p.name: {"accounts": p.accounts} for p in world.portfolios if p.accounts},
        "database": database or f"sqlite+aiosqlite:///{state_dir / 'crossmargin.db'}",
        "model": {"bridges": BRIDGES, "reaction": "keeper"},
        "prices": {"sequencer_grace_s": 0},
        "service": {"scan_interval_s": 2, **service.pop("service", {})},
        **service,
    }
    return make_settings(content, str(state_dir))
