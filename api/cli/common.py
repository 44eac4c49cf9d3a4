"""What the commands share: where settings come from, and logging."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from aggregator.config import Settings, default_settings_path, load_settings
from aggregator.devnet_settings import devnet_settings
from aggregator.errors import ConfigError
from api.cli.logs import log_to_stderr as log_to_stderr
from chains.devnet import worldfile

STATE_DIR = Path(".devnet")

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (TOML).")]
DevnetOption = Annotated[Path | None, typer.Option("--devnet", help="Folder of a running devnet or of forks.")]
EngineOption = Annotated[Literal["local", "ray"], typer.Option("--engine", help="Where the heavy part runs.")]
AddressOption = Annotated[str | None, typer.Option("--ray-address", help="A Ray cluster; none: this host.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]


class NoSettings(ConfigError):
    """Neither a file of settings nor a devnet is here."""


def settings_from(config: Path | None, devnet: Path | None) -> Settings:
    """Settings from what was named, else ``crossmargin.toml``, else the devnet that runs in this folder."""
    if config is not None:
        return load_settings(config)
    if devnet is not None:
        return devnet_settings(devnet)
    if (path := default_settings_path()).exists():
        return load_settings(path)
    if worldfile.path_of(STATE_DIR).exists():
        return devnet_settings(STATE_DIR)
    raise NoSettings(
        f"no settings: there is neither {path} nor a running devnet in {STATE_DIR}; "
        "write the file (see README) or run `crossmargin devnet up`"
    )
