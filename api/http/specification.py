"""The ready-made documents: OpenAPI, AsyncAPI, the reference page, llms.txt."""

from collections.abc import Sequence

from api.http.endpoint import Endpoint


def documents(table: Sequence[Endpoint]) -> dict[str, bytes]:
    """The documents by name."""
    return {"openapi": b"{}", "asyncapi": b"{}", "reference": b"", "llms": b""}
