"""Errors of the chain layer.

ChainError
├── InvalidId            an id is not in its CAIP form
├── EndpointError        an endpoint could not be used at all
│   ├── EndpointUnreachable
│   ├── EndpointLagging  it is behind, or on another branch than, the other endpoints of the chain
│   ├── EndpointsDisagree  too few endpoints gave the same answer to the same question
│   ├── RateLimited
│   └── WrongChainId     an endpoint answers for another chain
├── BlockUnavailable     the pinned block is not known to the endpoint (reorg, pruned, lagging)
├── NoContractCode       an address that must hold a contract holds none
└── BadAnswer            an answer that is not what the method promises
    └── Reverted         a contract refused the call

A failure that concerns one account is not an exception but a ``ReadFailure``.
No message ever holds an endpoint's URL: keys live in URLs.
"""


class ChainError(Exception):
    """Base of all errors of this package."""


class InvalidId(ChainError, ValueError):
    """An id is not in its CAIP form; names the field and shows the form wanted."""


class EndpointError(ChainError):
    """An endpoint could not be used."""


class EndpointUnreachable(EndpointError):
    """No usable answer: refused, timed out, not JSON, or an HTTP error."""


class EndpointLagging(EndpointError):
    """The endpoint's head is behind the others', or its block at a height is another one than theirs."""


class EndpointsDisagree(EndpointError):
    """The same question at the same block got different answers: none of them is used."""


class RateLimited(EndpointError):
    """The endpoint asked for fewer requests (HTTP 429 or JSON-RPC -32005)."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WrongChainId(EndpointError):
    """The endpoint serves another chain than the one configured."""


class BlockUnavailable(ChainError):
    """The pinned block is not known to the endpoint."""


class NoContractCode(ChainError):
    """An address that must hold a contract holds no code at the block."""


class BadAnswer(ChainError):
    """The answer is not what the method promises."""


class Reverted(BadAnswer):
    """The contract refused the call; carries the reason it gave."""
