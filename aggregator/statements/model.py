"""What a margin statement says: every part of it is signed."""

from typing import Annotated

from pydantic import Field

from aggregator.report import AsOf, DataQuality, Frozen

UNKNOWN = "unknown"
"""A figure that is not known; never zero."""
Hash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=2000)]
Number = Annotated[str, Field(pattern=r"^(?:unknown|-?[0-9]{1,60}(?:\.[0-9]{1,80})?)$")]
"""A decimal without an exponent, or ``unknown``."""
Ceiling = Annotated[str, Field(pattern=r"^(?:none|[0-9]{1,60}(?:\.[0-9]{1,80})?)$")]
"""A decimal, or ``none`` where there is no ceiling."""
Seconds = Annotated[int, Field(ge=0, lt=2**64)]


class StatedBlock(Frozen):
    """The block a chain was read at."""

    chain: Text
    number: Seconds
    hash: Hash
    timestamp: Seconds
    finality: Text


class Figure(Frozen):
    """One figure of the portfolio; the unit is in its name."""

    name: Text
    value: Number


class StatedAccount(Frozen):
    """One venue account."""

    account: Text
    venue: Text
    sub_account: Text
    status: Text
    equity_usd: Number
    mm_requirement_usd: Number
    surplus_usd: Number
    local_floor_usd: Number


class StatedPrice(Frozen):
    """One reconciled price that the figures rest on."""

    price_key: Text
    status: Text
    low_usd: Number
    mid_usd: Number
    high_usd: Number
    borrow_ceiling_usd: Ceiling
    sources: tuple[Text, ...]
    """All that quoted it; those on a chain end in ``@`` and its id."""


class Message(Frozen):
    """The statement itself, as EIP-712 signs it."""

    id: Text
    portfolio: Text
    accounts: tuple[Text, ...]
    blocks: tuple[StatedBlock, ...]
    as_of: Seconds
    """Unix seconds of the figures."""
    status: Text
    status_reason: Text
    model: Text
    model_version: Text
    parameters_hash: Hash
    code_version: Text
    inputs_hash: Hash
    report_id: Text
    report_leaf: Hash
    scan_root: Hash
    """Root over all reports of the scan, zero where none was kept."""
    figures: tuple[Figure, ...]
    venue_accounts: tuple[StatedAccount, ...]
    prices: tuple[StatedPrice, ...]
    complete: bool
    """Whether nothing was missing."""
    staleness_s: Text
    degraded: tuple[Text, ...]
    issued_at: Seconds
    expires_at: Seconds
    signer: Text
    """CAIP-10: whose statement this is."""


class TypedField(Frozen):
    """One member of an EIP-712 struct."""

    name: str
    type: str


class Domain(Frozen):
    """EIP-712 domain; ``chainId`` is the signer's chain."""

    name: str
    version: str
    chainId: int = Field(ge=1, lt=2**64)  # noqa: N815 - the name is EIP-712's


class TypedData(Frozen):
    """EIP-712 typed data as wallets take it."""

    types: dict[str, tuple[TypedField, ...]]
    primaryType: str  # noqa: N815 - the name is EIP-712's
    domain: Domain
    message: Message


class Statement(Frozen):
    """A signed margin statement."""

    as_of: AsOf
    data_quality: DataQuality
    typed_data: TypedData
    digest: Hash
    """What was signed."""
    signature: Annotated[str, Field(pattern=r"^0x(?:[0-9a-f]{2}){1,2048}$")]
