"""A client generated from the specification, and the guide's snippets, read a real portfolio."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.http.openapi import specification
from api.http.table import TABLE
from tests.integration.test_api_specification import running
from tests.kit.api import NAME
from tests.kit.npm import javascript

PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
GUIDE = re.split(r"^## ", README.partition("## Integrate in five minutes")[2], maxsplit=1, flags=re.M)[0]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(tmp_path_factory.mktemp("client")) as found:
        yield found


def test_a_generated_client_compiles_and_reads_a_portfolio(url, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(specification(TABLE)))
    tool = Path(sys.executable).with_name("openapi-python-client")
    made = subprocess.run(
        [tool, "generate", "--path", document, "--meta", "none", "--output-path", tmp_path / "generated",
         "--fail-on-warning"],
        capture_output=True, text=True, cwd=tmp_path, env={"PATH": PATH},
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    script = f"""
from generated import Client
from generated.api.accounts import get_margin, get_accounts
from generated.models import MarginReport
client = Client(base_url={url!r})
report = get_margin.sync({NAME!r}, client=client)
assert isinstance(report, MarginReport), report
assert report.status.value and float(report.equity_usd) > 0 and report.venues and report.as_of.blocks
print(get_accounts.sync(client=client).accounts[0].portfolio, report.status.value)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(NAME)


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.S)


RUNNERS = {"sh": ["sh", "-ec"], "ts": ["node", "--input-type=module", "-e"], "python": [sys.executable, "-c"]}


@pytest.mark.parametrize("language", RUNNERS)
def test_the_guides_snippets_run(url, language, tmp_path):
    if shutil.which(RUNNERS[language][0]) is None:
        pytest.skip(f"{RUNNERS[language][0]} is not on this machine")
    found = snippets(language)
    assert found, language
    for text in found:
        here = text.replace("http://127.0.0.1:8080", url)
        if language == "ts":
            here = javascript(here, tmp_path)
        done = subprocess.run(
            [*RUNNERS[language], here], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": PATH, "KEY": "", "PORTFOLIO": NAME},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), text


def test_the_compiler_of_the_guide_finds_mistakes(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not on this machine")
    with pytest.raises(AssertionError, match="TS2322"):
        javascript('const age: number = "old";\n', tmp_path)
