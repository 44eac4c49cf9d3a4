"""Handles of deployed contracts as JSON, so that another process can drive a running devnet.

Every venue module keeps its contracts in a dataclass. Those are written down generically: contracts as address
and ABI, dataclasses of ``chains`` by name, everything else as tagged plain values.
"""

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from web3.contract import Contract

from chains.devnet.artifacts import Abi
from chains.devnet.context import ChainContext
from chains.devnet.deploy import Deployer

TAG = "@"


class CannotKeep(TypeError):
    """A value of a venue's dataclass has no written form; names its type and where it is."""


class Writer:
    """Turns the handles of one world into JSON values; each ABI is kept once."""

    def __init__(self) -> None:
        self.abis: dict[str, Abi] = {}
        self._digests: dict[int, str] = {}
        self._seen: list[Abi] = []

    def plain(self, value: Any, path: str = "world") -> Any:
        """JSON form of a value; raises CannotKeep."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Contract):
            return {TAG: "contract", "address": value.address, "abi": self._abi(value.abi)}
        if isinstance(value, Deployer):
            return {TAG: "deployer"}
        if isinstance(value, ChainContext):
            return {TAG: "context"}
        if isinstance(value, Enum):
            return {TAG: "enum", "type": _name(type(value)), "value": value.value}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {TAG: "data", "type": _name(type(value)), "fields": self.fields(value, path)}
        return self._collection(value, path)

    def fields(self, value: Any, path: str) -> dict[str, Any]:
        """JSON form of the fields of a dataclass."""
        return {f.name: self.plain(getattr(value, f.name), f"{path}.{f.name}") for f in dataclasses.fields(value)}

    def _collection(self, value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            items = [[self.plain(k, path), self.plain(v, f"{path}[{k}]")] for k, v in value.items()]
            return {TAG: "map", "items": items}
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {TAG: kind, "items": [self.plain(item, f"{path}[{i}]") for i, item in enumerate(value)]}
        if isinstance(value, bytes):
            return {TAG: "bytes", "value": value.hex()}
        if isinstance(value, Decimal):
            return {TAG: "decimal", "value": str(value)}
        if isinstance(value, str):
            return str(value)
        raise CannotKeep(f"{path}: no written form for {type(value).__name__}")

    def _abi(self, abi: Any) -> str:
        known = self._digests.get(id(abi))
        if known is None:
            text = json.dumps(abi, sort_keys=True)
            known = hashlib.sha256(text.encode()).hexdigest()[:16]
            self.abis[known] = list(abi)
            self._digests[id(abi)] = known
            self._seen.append(abi)  # keeps the object alive: its id is the key
        return known


class Reader:
    """The way back, for one chain."""

    def __init__(self, ctx: ChainContext, abis: Mapping[str, Abi]) -> None:
        self._ctx = ctx
        self._abis = abis

    def value(self, plain: Any) -> Any:
        """Value of a JSON form that ``Writer.plain`` made."""
        if not isinstance(plain, dict):
            return plain
        match plain[TAG]:
            case "contract":
                return self._ctx.deployer.at(plain["address"], self._abis[plain["abi"]])
            case "deployer":
                return self._ctx.deployer
            case "context":
                return self._ctx
            case "data":
                fields = {name: self.value(item) for name, item in plain["fields"].items()}
                return _rebuilt(_type(plain["type"]), fields)
            case "enum":
                return _type(plain["type"])(plain["value"])
            case "map":
                return {self.value(key): self.value(item) for key, item in plain["items"]}
            case "list":
                return [self.value(item) for item in plain["items"]]
            case "tuple":
                return tuple(self.value(item) for item in plain["items"])
            case "bytes":
                return bytes.fromhex(plain["value"])
            case "decimal":
                return Decimal(plain["value"])
            case other:
                raise CannotKeep(f"unknown tag {other!r}")


def _rebuilt(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    """An instance with the given fields, whatever its ``__init__`` takes and does."""
    instance = object.__new__(kind)
    for name, item in fields.items():
        object.__setattr__(instance, name, item)
    return instance


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _type(name: str) -> type[Any]:
    module, _, qualname = name.partition(":")
    if not module.startswith("chains."):
        raise CannotKeep(f"{name}: only types of chains are kept")
    found: type[Any] = getattr(importlib.import_module(module), qualname)
    return found
