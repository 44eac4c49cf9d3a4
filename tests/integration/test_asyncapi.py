"""The stream's specification: valid by AsyncAPI's own schema, whole, and true of what is sent."""

import copy
import json

import jsonschema
import pytest

from api.http.asyncapi import asynchronous
from api.http.events import EVENTS
from risk.status import Status
from tests.integration.test_stream import a_report, append, opened
from tests.kit.api import api
from tests.kit.npm import asyncapi

DOCUMENT = asynchronous("1.2.3")


def broken(*path: str, value: object) -> dict:
    found = copy.deepcopy(DOCUMENT)
    part = found
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return found


def test_the_document_is_valid_by_the_published_schema():
    assert [error.message for error in asyncapi().iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        broken("asyncapi", value="2.6.0"),
        broken("channels", "stream", "adress", value="/v1/stream"),
        broken("operations", "receive", "action", value="emit"),
        broken("operations", "receive", "bindings", "http", "method", value="LOOK"),
        broken("channels", "stream", "messages", "hello", "payload", value={"type": "objekt"}),
    ],
    ids=lambda _: "",
)
def test_a_broken_document_is_found(wrong):
    assert list(asyncapi().iter_errors(wrong))


def references(part):
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_reference_leads_somewhere():
    found = set(references(DOCUMENT))
    assert len(found) > len(EVENTS)
    for reference in found:
        part = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def fits(event: str, data: object) -> None:
    """Raise where the data is not what the document says of the event."""
    payload = DOCUMENT["channels"]["stream"]["messages"][event.replace(".", "_")]["payload"]
    jsonschema.Draft202012Validator(payload | {"components": DOCUMENT["components"]}).validate(data)


async def test_what_is_sent_is_what_the_document_says(tmp_path):
    async with api(tmp_path) as client, client.get("/v1/stream") as hello:
        data = (await hello.content.readuntil(b"\n\n")) + await hello.content.readuntil(b"\n\n")
        fits("hello", json.loads(data.partition(b"data: ")[2].splitlines()[0]))
        async with opened(client) as reader:
            unsure = a_report(3)
            degraded = unsure.data_quality.model_copy(update={"complete": False})
            unsure = unsure.model_copy(update={"data_quality": degraded})
            await append(client, a_report(1, Status.LIQUIDATABLE), a_report(2), unsure)
            seen = {}
            while len(seen) < 4:
                event, _, data = await reader.next()
                fits(event, data)
                seen[event] = data
    assert set(seen) == {"margin.updated", "breach.opened", "breach.cleared", "data.degraded"}
    for event, data in seen.items():
        with pytest.raises(jsonschema.ValidationError):
            fits(event, {**data, "status": "FINE"})
    fits("dropped", {"reason": "x"})
