"""The command tree and the one place where errors become messages and exit codes.

Exit codes: 0 done; 1 the answer is bad news that the command was asked to tell (a failed check); 2 wrong usage,
settings or input; 3 something that had to be reached could not be.
"""

import io
import signal
import sys

import typer
from rich.console import Console

from aggregator.errors import ServiceError, StoreError
from api.cli import devnet, margin, serve
from api.cli.advice import advice
from api.cli.backtest import app as backtest_app
from api.cli.bridges import bridges
from api.cli.cascade import cascade
from api.cli.demo import demo
from api.cli.doctor import check, doctor
from api.cli.fit import app as fit_app
from api.cli.fork import app as fork_app
from api.cli.get import app as get_app
from api.cli.index import index
from api.cli.init import init
from api.cli.keys import app as keys_app
from api.cli.mcp import mcp
from api.cli.notify import app as notify_app
from api.cli.openapi import openapi
from api.cli.prices import app as prices_app
from api.cli.replay import replay_command
from api.cli.scan import scan
from api.cli.statements import verify_proof, verify_statement
from api.cli.store import app as store_app
from api.cli.store import export_command
from api.cli.verify import verify_command
from api.cli.watches import alerts_app, watches_app
from api.cli.worker import worker
from api.client import ApiUnreachable
from chains.devnet.anvil import AnvilError
from chains.devnet.errors import DevnetError
from chains.devnet.packages import PackageError
from chains.devnet.worldfile import NoWorld
from chains.errors import ChainError, EndpointError, InvalidId
from oracles.params import ParamsError
from risk.errors import RiskInputError

app = typer.Typer(
    name="crossmargin",
    help="One unified margin over venues and chains, with bridge latency as liquidation-delay risk.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo)
app.command("margin")(margin.margin)
app.command("scan")(scan)
app.command("serve")(serve.serve)
app.command("worker")(worker)
app.command("index")(index)
app.command("check")(check)
app.command("doctor")(doctor)
app.command("cascade")(cascade)
app.command("init")(init)
app.command("openapi")(openapi)
app.add_typer(keys_app, name="keys")
app.add_typer(get_app, name="get")
app.add_typer(alerts_app, name="alerts")
app.add_typer(watches_app, name="watches")
app.command("mcp")(mcp)
app.add_typer(notify_app, name="notify")
app.command("advice")(advice)
app.command("bridges")(bridges)
app.add_typer(devnet.app, name="devnet")
app.add_typer(fit_app, name="fit")
app.add_typer(prices_app, name="prices")
app.add_typer(fork_app, name="fork")
app.command("verify")(verify_command)
app.command("replay")(replay_command)
app.command("export")(export_command)
app.add_typer(store_app, name="store")
app.command("verify-statement")(verify_statement)
app.command("verify-proof")(verify_proof)
app.add_typer(backtest_app, name="backtest")


def main() -> None:
    """Run a command; expected errors become one line on standard error and an exit code."""
    errors = Console(stderr=True, highlight=False)
    if isinstance(sys.stdout, io.TextIOWrapper):  # into a file or a pipe, too, a line is there when it is said
        sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's stop is a Ctrl-C
    try:
        app()
    except (InvalidId, NoWorld, DevnetError, ParamsError, RiskInputError) as error:
        code = _say(errors, error, 2)
    except (EndpointError, StoreError, ApiUnreachable, AnvilError, PackageError) as error:
        code = _say(errors, error, 3)
    except (ServiceError, ChainError) as error:
        code = _say(errors, error, 2)
    except KeyboardInterrupt:
        code = 130
    else:
        code = 0
    sys.exit(code)


def _say(console: Console, error: Exception, code: int) -> int:
    console.print(f"crossmargin: {error}", style="red", markup=False, soft_wrap=True)
    return code
