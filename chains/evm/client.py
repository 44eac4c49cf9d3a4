"""Reads of one EVM chain: heads, contract calls at a block's hash through Multicall3, event logs."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from chains.caip import Address, ChainId
from chains.errors import BadAnswer, BlockUnavailable, EndpointError, NoContractCode
from chains.evm.columns import ColumnRead, Columns, from_hex
from chains.evm.gathering import together
from chains.evm.guard import require_chain
from chains.evm.jsonrpc import Request, RpcFault, fetcher, value
from chains.evm.log_columns import LogColumns, log_columns
from chains.evm.logs import decode_logs
from chains.evm.multicall import CHUNK, MULTICALL3, decode_aggregate3, encode_aggregate3
from chains.protocols import Transport
from chains.types import BlockRef, Call, CallResult, Finality, Log, LogFilter

STARVED_CHUNK: Final = 20
_EXECUTION = re.compile(
    r"revert|out ?of ?gas|evm error|gas required|gas uint64|invalid opcode|stack|exceed\w* .*gas|gas .*exceed",
    re.IGNORECASE,
)


@runtime_checkable
class SeveralEndpoints(Protocol):
    """A transport that can ask each of its endpoints."""

    async def prove(self) -> dict[str, EndpointError]:
        """Failures by the endpoint's name."""
        ...


class EvmClient:
    """ChainClient and LogSource over any Transport."""

    def __init__(
        self,
        chain: ChainId,
        transport: Transport,
        multicall3: Address = MULTICALL3,
        *,
        lag_pauses_s: Sequence[float] = (0.1, 0.4),
    ) -> None:
        self._chain = chain
        self._transport = transport
        self._fetch = fetcher(transport)
        self._multicall3 = multicall3
        self._lag_pauses_s = tuple(lag_pauses_s)

    @property
    def chain(self) -> ChainId:
        """The chain this client reads."""
        return self._chain

    async def verify(self) -> None:
        """Prove every endpoint, its chain id, and the code of Multicall3.

        Raises WrongChainId naming both ids, NoContractCode, or EndpointError; for one bad endpoint of several
        too, although reads would go on without it.
        """
        if isinstance(self._transport, SeveralEndpoints):
            for error in (await self._transport.prove()).values():
                raise error
        answer, code = await self._transport.send(
            [("eth_chainId", []), ("eth_getCode", [self._multicall3, "latest"])]
        )
        require_chain(f"{self._chain}", self._chain, self._result(answer, "eth_chainId"))
        if len(self._bytes(self._result(code, "eth_getCode"), "eth_getCode")) == 0:
            raise NoContractCode(f"{self._chain}: no code at multicall3 {self._multicall3}; correct the address")

    async def head(self, tag: Finality) -> BlockRef:
        """Block at the tag now; raises BlockUnavailable where the chain has none yet."""
        (answer,) = await self._transport.send([("eth_getBlockByNumber", [tag.value, False])])
        return self._block(answer, tag, f"{tag.value} block")

    async def blocks(self, numbers: Sequence[int], finality: Finality) -> tuple[BlockRef, ...]:
        """Blocks by number in order, in one exchange; raises BlockUnavailable where one is not known."""
        requests: list[Request] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        answers = await self._transport.send(requests)
        return tuple(
            self._block(answer, finality, f"block {number}")
            for answer, number in zip(answers, numbers, strict=True)
        )

    async def known(self, numbers: Sequence[int], finality: Finality) -> tuple[BlockRef | None, ...]:
        """Like ``blocks``, with None where the chain has no such block (any more)."""
        requests: list[Request] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        answers = await self._transport.send(requests)
        pairs = zip(answers, numbers, strict=True)
        return tuple(None if a is None else self._block(a, finality, f"block {n}") for a, n in pairs)

    async def logs_between(self, wanted: LogFilter, ends: Sequence[BlockRef]) -> tuple[Log, ...]:
        """Logs of a range whose end blocks are these, proven in the same exchange: one attempt, no halving.

        Raises BlockUnavailable where the endpoint has other blocks there or none yet (it lags, or a reorg), and
        BadAnswer where it refuses the range or answers with logs that lie outside of it.
        """
        proofs: list[Request] = [("eth_getBlockByNumber", [hex(end.number), False]) for end in ends]
        answer, *blocks = await self._fetch([("eth_getLogs", [_query(wanted)]), *proofs])
        for end, found in zip(ends, blocks, strict=True):
            block = self._block(value(found), end.finality, f"block {end.number}")
            if block.hash != end.hash:
                raise BlockUnavailable(f"{self._chain}: block {end.number} is {block.hash}, expected {end.hash}")
        logs = self._logs(answer)
        if any(not wanted.from_block <= log.block_number <= wanted.to_block for log in logs):
            raise BadAnswer(f"{self._chain}: eth_getLogs answered with logs outside of the range that was asked")
        hashes = {end.number: end.hash for end in ends}
        if any(hashes.get(log.block_number, log.block_hash) != log.block_hash for log in logs):
            raise BlockUnavailable(f"{self._chain}: eth_getLogs answered with logs of another fork")
        return logs

    async def call(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        """Answers in order, at the block's hash.

        A hash that is not known yet is asked again after ``lag_pauses_s``: behind a load balancer the node that
        named the head is not the one that answers now.

        Raises BlockUnavailable where the endpoint does not know the hash, NoContractCode where Multicall3 is
        missing there, BadAnswer where the answer is not what aggregate3 returns.
        """
        for pause_s in self._lag_pauses_s:
            try:
                return await self._call_now(calls, at)
            except BlockUnavailable:
                await asyncio.sleep(pause_s)
        return await self._call_now(calls, at)

    async def _call_now(self, calls: Sequence[Call], at: BlockRef) -> tuple[CallResult, ...]:
        results = list(await self._call_chunks(calls, at, CHUNK))
        # One greedy call may leave the rest of its chunk without gas: those fail without data and are asked again
        # in company that fits. A genuine empty revert only fails twice.
        starved = [i for i, result in enumerate(results) if not result.success and not result.data]
        if starved and len(calls) > STARVED_CHUNK:
            again = await self._call_chunks([calls[i] for i in starved], at, STARVED_CHUNK)
            for i, result in zip(starved, again, strict=True):
                results[i] = result
        return tuple(results)

    async def columns(self, read: ColumnRead, at: BlockRef) -> Columns:
        """Answers of many calls of one shape at the block's hash, as a matrix; raises like ``call``.

        Each chunk is an exchange of its own, decoded while the node works on the others. Calls that failed are
        asked once more in small company, as in ``call``; their rows are marked.
        """
        columns = read.empty()

        async def ask(chunk: int, parameter: msgspec.Raw) -> None:
            (answer,) = await self._fetch([("eth_call", [parameter, _pinned(at)])])
            if not (isinstance(answer, RpcFault) and _failed_in_evm(answer)):
                read.put(columns, chunk, self._answered(answer, at))

        await together([ask(chunk, parameter) for chunk, parameter in enumerate(read.parameters)])
        lost = [i for i, ok in enumerate(columns.ok) if not ok]
        if lost:
            read.fill(columns, lost, await self.call([read.calls[i] for i in lost], at))
        return columns

    async def log_columns(self, wanted: LogFilter, topics: int, words: int) -> LogColumns:
        """Logs of one event shape in the order of the endpoint, as columns; raises BadAnswer where one differs."""
        (answer,) = await self._fetch([("eth_getLogs", [_query(wanted)])])
        return log_columns(self._raw(answer, "eth_getLogs"), topics, words, f"{self._chain}")

    async def logs(self, wanted: LogFilter) -> tuple[Log, ...]:
        """Logs in chain order; a range that the endpoint finds too wide is asked in halves."""
        (answer,) = await self._fetch([("eth_getLogs", [_query(wanted)])])
        wide = wanted.to_block > wanted.from_block
        if isinstance(answer, RpcFault) and wide and answer.too_many_logs:
            middle = (wanted.from_block + wanted.to_block) // 2
            left = await self.logs(wanted._replace(to_block=middle))
            return left + await self.logs(wanted._replace(from_block=middle + 1))
        return self._logs(answer)

    def _logs(self, answer: object) -> tuple[Log, ...]:
        return decode_logs(self._raw(answer, "eth_getLogs"), f"{self._chain}")

    async def _call_chunks(self, calls: Sequence[Call], at: BlockRef, size: int) -> tuple[CallResult, ...]:
        chunks = [calls[i : i + size] for i in range(0, len(calls), size)]
        if not chunks:
            return ()
        requests: list[Request] = [
            ("eth_call", [{"to": self._multicall3, "data": "0x" + encode_aggregate3(chunk).hex()}, _pinned(at)])
            for chunk in chunks
        ]
        answers = await self._fetch(requests)
        results: list[CallResult] = []
        for chunk, answer in zip(chunks, answers, strict=True):
            results += await self._chunk_results(chunk, answer, at)
        return tuple(results)

    async def _chunk_results(self, chunk: Sequence[Call], answer: object, at: BlockRef) -> tuple[CallResult, ...]:
        if isinstance(answer, RpcFault) and _failed_in_evm(answer):
            if len(chunk) == 1:
                return (CallResult(False, _revert_data(answer.data)),)
            return await self._call_chunks(chunk, at, (len(chunk) + 1) // 2)
        return decode_aggregate3(self._answered(answer, at), len(chunk))

    def _answered(self, answer: object, at: BlockRef) -> bytes:
        """What aggregate3 returned; never empty."""
        data = from_hex(self._raw(answer, "eth_call", at), f"{self._chain}: eth_call")
        if not data:
            where = f"multicall3 {self._multicall3} at block {at.number}"
            raise NoContractCode(f"{self._chain}: no code at {where}; correct the address")
        return data

    def _raw(self, answer: object, method: str, at: BlockRef | None = None) -> msgspec.Raw:
        found = self._result(answer, method, at)
        if not isinstance(found, msgspec.Raw):
            raise BadAnswer(f"{self._chain}: {method} gave no answer")
        return found

    def _result(self, answer: object, method: str, at: BlockRef | None = None) -> object:
        if not isinstance(answer, RpcFault):
            return answer
        if answer.unknown_block:
            where = f"block {at.number} ({at.hash})" if at else "block"
            raise BlockUnavailable(f"{self._chain}: {where} is not known to the endpoint ({answer.message})")
        raise BadAnswer(f"{self._chain}: {method} failed with code {answer.code}: {answer.message}")

    def _bytes(self, answer: object, method: str) -> bytes:
        if isinstance(answer, str) and answer.startswith("0x"):
            try:
                return bytes.fromhex(answer[2:])
            except ValueError:
                pass
        raise BadAnswer(f"{self._chain}: {method} answered {str(answer)[:40]!r}, expected 0x and whole bytes")

    def _block(self, answer: object, finality: Finality, what: str) -> BlockRef:
        if answer is None:
            raise BlockUnavailable(f"{self._chain}: {what} is not known to the endpoint")
        fields = self._result(answer, "eth_getBlockByNumber")
        if not isinstance(fields, dict):
            raise BadAnswer(f"{self._chain}: {what}: answered {type(fields).__name__}, expected a block")
        return BlockRef(
            chain=self._chain,
            number=self._quantity(fields, "number"),
            hash=self._word(fields, "hash"),
            parent_hash=self._word(fields, "parentHash"),
            timestamp=self._quantity(fields, "timestamp"),
            finality=finality,
        )

    def _quantity(self, fields: dict[str, Any], name: str) -> int:
        value = fields.get(name)
        if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]+", value):
            return int(value, 16)
        raise self._bad(name, value)

    def _word(self, fields: dict[str, Any], name: str) -> str:
        value = fields.get(name)
        if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{64}", value):
            return value.lower()
        raise self._bad(name, value)

    def _bad(self, name: str, value: object) -> BadAnswer:
        return BadAnswer(f"{self._chain}: field {name} is {str(value)[:70]!r}, not what the method promises")


def _pinned(at: BlockRef) -> dict[str, object]:
    return {"blockHash": at.hash, "requireCanonical": True}


def _query(wanted: LogFilter) -> dict[str, object]:
    query: dict[str, object] = {"fromBlock": hex(wanted.from_block), "toBlock": hex(wanted.to_block)}
    if wanted.addresses:
        query["address"] = list(wanted.addresses)
    if wanted.topics:
        query["topics"] = [None if t is None else ["0x" + word.hex() for word in t] for t in wanted.topics]
    return query


def _failed_in_evm(fault: RpcFault) -> bool:
    """True where the call ran and failed: a revert (code 3) or too little gas, not a refusal by the endpoint."""
    return not fault.unknown_block and (fault.code == 3 or _EXECUTION.search(fault.message) is not None)


def _revert_data(data: object) -> bytes:
    try:
        return bytes.fromhex(str(data)[2:]) if isinstance(data, str) and data.startswith("0x") else b""
    except ValueError:
        return b""
