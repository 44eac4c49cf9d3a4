"""The specification of the stream of server-sent events: AsyncAPI 3.0, from the models of its events."""

from typing import Any

from pydantic.json_schema import models_json_schema

from api.http.events import EVENTS
from api.http.openapi import REF, parameters_schema
from api.http.stream import StreamQuery

PATH = "/v1/stream"


def asynchronous(version: str) -> dict[str, Any]:
    """The whole document."""
    models = dict.fromkeys(event.data for event in EVENTS.values())
    _, content = models_json_schema([(model, "serialization") for model in models], ref_template=REF)
    messages = {
        name.replace(".", "_"): {
            "name": name,
            "summary": event.summary,
            "contentType": "application/json",
            "payload": {"$ref": REF.format(model=event.data.__name__)},
        }
        for name, event in EVENTS.items()
    }
    channel = {
        "address": PATH,
        "description": "Server-sent events; Last-Event-ID resumes from the store",
        "messages": messages,
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "crossmargin stream", "version": version},
        "defaultContentType": "application/json",
        "channels": {"stream": channel},
        "operations": {"receive": _operation(messages)},
        "components": {"schemas": content["$defs"]},
    }


def _operation(messages: dict[str, Any]) -> dict[str, Any]:
    """What the service sends, to whom asks so."""
    query = {"type": "object", "properties": parameters_schema(StreamQuery), "additionalProperties": False}
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/stream"},
        "messages": [{"$ref": f"#/channels/stream/messages/{name}"} for name in messages],
        "bindings": {"http": {"method": "GET", "query": query, "bindingVersion": "0.3.0"}},
    }
