"""Settings of the service for a running devnet or for forks, made from their ``world.json``."""

from pathlib import Path
from typing import Any

from aggregator.config import Settings, make_settings
from chains.devnet import worldfile

BRIDGES = ("across", "canonical")
"""What can carry value between the devnet's chains: Across is deployed, canonical bridges always exist."""
OF_A_DEVNET = {"bridges": BRIDGES, "reaction": "keeper"}
DEVNET_KEY = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"
"""The tenth account of the test mnemonic that everybody knows: it signs a devnet's statements and nothing else."""
FORK_HEAD_AGE_S = 1e9
"""The head of a fork stands still on purpose. Its prices grow old, and those say so themselves."""


def devnet_settings(state_dir: Path, *, database: str | None = None, **service: Any) -> Settings:
    """Settings over the devnet or the forks of a folder; raises NoWorld when none is there."""
    world = worldfile.read(state_dir)
    # Forks of public chains keep every default. A devnet's sequencers have just started: their grace is zero.
    own: dict[str, Any] = {}
    if world.kind != "fork":
        own |= {"model": OF_A_DEVNET, "prices": {"sequencer_grace_s": 0}}
        own["statements"] = {"signing_key": DEVNET_KEY}
    if world.kind != "devnet":
        own["max_head_age_s"] = FORK_HEAD_AGE_S
    start = {} if world.kind == "fork" else {"index_from_block": 0}
    content: dict[str, Any] = {
        "deployments": str(worldfile.path_of(state_dir)),
        "chains": {node.chain: {"rpc_urls": [node.http_url, node.ws_url], **start} for node in world.nodes},
        "portfolios": {p.name: {"accounts": p.accounts} for p in world.portfolios if p.accounts},
        "database": database or f"sqlite+aiosqlite:///{state_dir / 'crossmargin.db'}",
        **own,
        "access": {"public": True, "public_scopes": ("read", "simulate", "watch"), **service.pop("access", {})},
        "service": {"scan_interval_s": 2, **service.pop("service", {})},
        "advice": {"automatic": False, **service.pop("advice", {})},
        **service,
    }
    return make_settings(content, str(state_dir))
