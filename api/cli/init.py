"""``crossmargin init``: a settings file, by questions or to fill in."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from aggregator.config import default_settings_path
from aggregator.errors import ConfigError
from api.cli.wizard import questions, settings_text


def init(
    path: Annotated[Path | None, typer.Argument(help="File to write; crossmargin.toml in this folder.")] = None,
    ask: Annotated[
        bool | None, typer.Option("--ask/--no-ask", help="Ask for the values; by default at a terminal.")
    ] = None,
) -> None:
    """Write settings for Ethereum, Arbitrum, Optimism and Base, commented; never over an existing file."""
    target = path or default_settings_path()
    if target.exists():
        raise ConfigError(f"{target} exists already: it is left as it is; name another file")
    if ask if ask is not None else sys.stdin.isatty():
        text = settings_text(questions(lambda text, default: typer.prompt(text, default=default), typer.echo))
    else:
        text = (files("aggregator") / "config.example.toml").read_text(encoding="utf-8")
    try:
        with target.open("x", encoding="utf-8") as file:
            target.chmod(0o600)  # endpoints hold keys
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{target} exists already: it is left as it is; name another file") from None
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from None
    typer.echo(f"{target}: complete it, then run `crossmargin check` and `crossmargin doctor`")
