"""The specification holds: it is valid, its examples fit, and nothing in or outside it makes the service fail."""

import asyncio
import threading
from contextlib import contextmanager

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.openapi import specification
from api.http.specification import prose, reference
from api.http.table import TABLE
from tests.kit.api import NAME, api

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
DOCUMENT = specification(TABLE)
TRIED = [
    f"{method.upper()} {path}"
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "text/event-stream" not in operation["responses"].get("200", {}).get("content", {})
]


def test_the_document_is_valid_openapi_3_1():
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    names = [op["operationId"] for methods in DOCUMENT["paths"].values() for op in methods.values()]
    assert len(names) == len(set(names))


def test_every_example_fits_its_schema():
    without = []
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (m for c in contents for m in c.get("content", {}).values()):
                if "$ref" not in media["schema"] or "Problem" in media["schema"]["$ref"]:
                    continue
                if "example" not in media:
                    without.append(operation["operationId"])
                    continue
                schema = media["schema"] | {"components": DOCUMENT["components"]}
                jsonschema.Draft202012Validator(schema).validate(media["example"])
    assert without == [], "every body and every answer has one"


def test_every_answer_says_when_and_how_complete():
    schemas = DOCUMENT["components"]["schemas"]
    for endpoint in TABLE:
        if endpoint.answer is not None:
            fields = schemas[endpoint.answer.__name__]["properties"]
            assert {"as_of", "data_quality"} <= set(fields), endpoint.path


def test_reading_forms_name_every_endpoint():
    page, text = reference(DOCUMENT), prose(TABLE)
    for endpoint in TABLE:
        assert endpoint.path in text
        assert endpoint.path in page or "{" in endpoint.path


@contextmanager
def running(path):
    """The API on a loopback port of its own, in a loop of its own."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found = {}

    async def serve():
        async with api(path) as client:
            found["url"] = f"http://{client.host}:{client.port}"
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield found["url"]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.mark.parametrize("label", TRIED)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_nothing_makes_an_endpoint_fail_or_answer_otherwise_than_specified(url, label, mode):
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    method, path = label.split(" ")
    operation = schema[path][method]
    fields = ("parameters", "requestBody")
    if mode is GenerationMode.NEGATIVE and not any(operation.definition.raw.get(name) for name in fields):
        return  # nothing that could be wrong

    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    @settings(
        max_examples=8, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def run(case, real):
        if real and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = NAME
        case.call_and_validate(base_url=url, checks=CHECKS)

    run()
