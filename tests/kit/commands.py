"""The table of reads and their commands in docs/cli.md; ``python -m tests.kit.commands`` writes it anew."""

from pathlib import Path

from api.cli.get import NO_COMMAND, name_of, parameters_of, readable
from api.http.table import TABLE

GUIDE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN, END = "<!-- reads -->\n", "<!-- /reads -->\n"


def rows() -> str:
    """The table."""
    lines = ["| endpoint | command |", "|---|---|"]
    known = readable()
    for endpoint in TABLE:
        if endpoint.method != "GET":
            continue
        if endpoint.path in NO_COMMAND:
            told = NO_COMMAND[endpoint.path]
        else:
            assert known[name_of(endpoint)] is endpoint, f"two commands would be called {name_of(endpoint)}"
            parts = " ".join(f"<{name}>" for name in parameters_of(endpoint))
            told = f"`crossmargin get {name_of(endpoint)} {parts}".rstrip() + "`"
        lines.append(f"| `{endpoint.path}` | {told} |")
    return "\n".join(lines) + "\n"


def written() -> str:
    """The table as the guide has it."""
    return GUIDE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    text, old = GUIDE.read_text(encoding="utf-8"), BEGIN + written() + END
    GUIDE.write_text(text.replace(old, BEGIN + rows() + END), encoding="utf-8")
