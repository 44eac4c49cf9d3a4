"""The files of the page: from the service alone, known by their tags, and never making markup of what is read."""

import re
from pathlib import Path

import pytest

from api.http.table import TABLE
from api.http.web import OWN
from tests.kit.api import PRIVATE, api

FOLDER = Path(__file__).parents[2] / "api" / "web"
FILES = ["/", *(endpoint.path for endpoint in TABLE if endpoint.path.startswith("/web/"))]
SVG = "http://www.w3.org/2000/svg"
MARKUP = r"innerHTML\s*=|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"


@pytest.fixture
async def client(tmp_path):
    async with api(tmp_path, PRIVATE) as opened:
        yield opened


@pytest.mark.parametrize("path", FILES)
async def test_a_file_is_sent_once_packed_and_then_known_by_its_tag(client, path):
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert plain.status == packed.status == 200
    assert await plain.read() == await packed.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    for first in (plain, packed):
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status == 304
        assert await again.read() == b""
        assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


async def test_the_page_may_run_its_own_scripts_and_ask_its_own_service_only(client):
    policy = (await client.get("/")).headers["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == rules["connect-src"] == ["'self'"]
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == ["'none'"]


def test_no_file_of_ours_names_another_host_or_makes_markup_of_text():
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert re.findall(r"https?://[^\s\"'`]+", text.replace(SVG, "")) == [], file.name
        assert re.findall(MARKUP, text) == [], file.name


def test_every_file_of_the_page_is_served_and_fetched_at_once():
    assert {file.name for file in FOLDER.iterdir()} == {"index.html", *OWN}
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert {name for name in OWN if f'"/web/{name}"' in page} == set(OWN)
