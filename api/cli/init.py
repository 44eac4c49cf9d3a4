"""``crossmargin init``: a settings file to fill in."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from aggregator.config import default_settings_path
from aggregator.errors import ConfigError


def init(
    path: Annotated[Path | None, typer.Argument(help="File to write; crossmargin.toml in this folder.")] = None,
) -> None:
    """Write settings for Ethereum, Arbitrum, Optimism and Base with placeholders; never over an existing file."""
    target = path or default_settings_path()
    example = (files("aggregator") / "config.example.toml").read_text(encoding="utf-8")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(example)
    except FileExistsError:
        raise ConfigError(f"{target} exists already: it is left as it is; name another file") from None
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from None
    target.chmod(0o600)  # endpoints hold keys
    typer.echo(f"{target}: fill in endpoints and accounts, then run `crossmargin check`")
