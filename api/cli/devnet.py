"""``crossmargin devnet``: the four local chains."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.cli.common import STATE_DIR

app = typer.Typer(name="devnet", help="Four local chains with real protocol contracts.", no_args_is_help=True)

StateOption = Annotated[Path, typer.Option("--state", help="Folder that remembers the running devnet.")]
BlockTimeOption = Annotated[int, typer.Option("--block-time", min=0, help="Seconds between blocks; 0: on demand.")]


@app.command()
def fetch() -> None:
    """Download anvil, solc and the protocol packages into the cache (only what is missing)."""
    from chains.devnet import control

    control.fetch()


@app.command()
def up(state: StateOption = STATE_DIR, block_time: BlockTimeOption = 1) -> None:
    """Start the four chains with the cast; they go on running in the background."""
    from chains.devnet import control

    console = Console(stderr=True)
    with console.status("starting four chains") as status:
        world = control.up(state, block_time_s=block_time or None, on_progress=lambda text: status.update(text))
    for chain, url in sorted(world.rpc_urls.items()):
        typer.echo(f"{chain}  {url}")


@app.command()
def down(state: StateOption = STATE_DIR) -> None:
    """Stop the chains that `up` started."""
    from chains.devnet import control

    control.down(state)


@app.command()
def status(state: StateOption = STATE_DIR) -> None:
    """Say which chains run, at which block, and which step was played last. Exit code 1 if one does not run."""
    from chains.devnet import control

    table = Table()
    rows = control.status(state)
    columns = ("chain", "name", "port", "pid", "running", "block", "step")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(getattr(row, name)) for name in columns))
    Console().print(table)
    if not all(row.running for row in rows):
        raise SystemExit(1)


@app.command()
def tape(
    steps: Annotated[list[str] | None, typer.Argument(help="Steps to play; without one all, in order.")] = None,
    state: StateOption = STATE_DIR,
) -> None:
    """Play the market tape: calm, crash, recovery, depeg, bridge outage."""
    from chains.devnet import control

    control.tape(state, steps or None, on_step=lambda name: typer.echo(name))
