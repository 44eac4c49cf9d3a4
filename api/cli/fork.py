"""``crossmargin fork``: local forks of running chains."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from aggregator.errors import ConfigError
from aggregator.portfolios import expand
from chains.data import packaged
from chains.deployments_file import load_deployments
from chains.devnet.worldfile import Portfolio
from chains.forks.spec import ForkSpec, parse_fork

FORK_DIR = Path(".fork")

app = typer.Typer(name="fork", help="Local forks of running chains.", no_args_is_help=True)

StateOption = Annotated[Path, typer.Option("--state", help="Folder that remembers the running forks.")]
ChainOption = Annotated[
    list[str] | None,
    typer.Option(
        "--chain",
        help="CHAIN=URL[@BLOCK], or CHAIN=env:VARIABLE[@BLOCK] to keep the URL out of the command line; repeat.",
    ),
]
DevnetOption = Annotated[Path | None, typer.Option("--devnet", help="Folder of a running devnet to fork whole.")]
PortfolioOption = Annotated[
    list[str] | None, typer.Option("--portfolio", help="NAME=ACCOUNT[,ACCOUNT…] to watch on the forks; repeat.")
]
DeploymentsOption = Annotated[
    Path | None, typer.Option("--deployments", help="Deployments file; without one that of the package.")
]
BlockTimeOption = Annotated[
    int, typer.Option("--block-time", min=0, help="Seconds between blocks; 0: only on demand.")
]


@app.command()
def up(
    chain: ChainOption = None,
    devnet: DevnetOption = None,
    portfolio: PortfolioOption = None,
    deployments: DeploymentsOption = None,
    block_time: BlockTimeOption = 0,
    state: StateOption = FORK_DIR,
) -> None:
    """Fork chains at a block; they go on running in the background. Then: any command with `--devnet .fork`."""
    from chains.forks import control

    if devnet is not None:
        if chain or portfolio or deployments:
            raise ConfigError(
                "--devnet: brings chains, portfolios and deployments of its own; leave the others out"
            )
        forks = control.up_from_devnet(state, devnet, block_time_s=block_time or None)
    else:
        specs = [parse_fork(text) for text in chain or ()]
        known = load_deployments(deployments or packaged())
        watched = [_portfolio(text, specs) for text in portfolio or ()]
        forks = control.up(state, specs, known, watched, block_time_s=block_time or None)
    for fork in forks.by_chain.values():
        typer.echo(f"{fork.chain}  {fork.node.http_url}  forked at block {fork.block}")


@app.command()
def down(state: StateOption = FORK_DIR) -> None:
    """Stop the forks that `up` started."""
    from chains.forks import control

    control.down(state)


@app.command()
def status(state: StateOption = FORK_DIR) -> None:
    """Say which forks run and at which block. Exit code 1 if one does not run."""
    from chains.forks import control

    table = Table()
    rows = control.status(state)
    columns = ("chain", "name", "port", "pid", "running", "block")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(getattr(row, name)) for name in columns))
    Console().print(table)
    if not all(row.running for row in rows):
        raise SystemExit(1)


def _portfolio(text: str, specs: list[ForkSpec]) -> Portfolio:
    name, separator, accounts = text.partition("=")
    if not (name and separator and accounts):
        raise ConfigError(f"--portfolio: expected NAME=ACCOUNT[,ACCOUNT], was {text!r}")
    return Portfolio(name, "", expand(accounts.split(","), [spec.chain for spec in specs]))
