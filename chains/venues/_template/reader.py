"""Reading <Venue>: a few batched rounds for all accounts at once, then pure decoding."""

from collections.abc import Sequence
from typing import Final

from chains.accounts import ReadFailure, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_address, erc20
from chains.deployments import AssetInfo, ChainDeployment
from chains.errors import BadAnswer
from chains.evm.abi import Function
from chains.evm.batch import Batch, UnknownMode, reason_code
from chains.protocols import ChainClient
from chains.types import BlockRef
from chains.venue_reader import OneChainReader
from chains.venues._template.decode import VENUE, Loan, Market, decode_loan

VERSION: Final = 1
_VERSION: Final = Function("version()", "(uint256)")
_TERMS: Final = Function("terms()", "(address,address,uint256,uint256)")
_ACCOUNT: Final = Function("accountOf(address)", "(uint256,uint256,uint256,bool)")


class TemplateReader(OneChainReader):
    """VenueReader of one market. Its signature table is its own: the service runs without the venue's packages."""

    def __init__(self, client: ChainClient, deployment: ChainDeployment) -> None:
        super().__init__(VENUE, deployment.chain)
        self._client, self._deployment = client, deployment
        self._contract = deployment.venues[VENUE]["market"]

    async def _read(self, accounts: Sequence[AccountId], at: BlockRef) -> ReadResult:
        """An account without a position is in neither list; an unreadable one is a failure, the others stand."""
        batch = Batch()
        batch.ask("version", _VERSION, self._contract)
        batch.ask("terms", _TERMS, self._contract)
        for account in accounts:
            batch.ask(account, _ACCOUNT, self._contract, account_address(account))
        await batch.run(self._client, at)
        market = self._market(batch)
        read: list[VenueAccount] = []
        failures: list[ReadFailure] = []
        for account in accounts:
            try:
                found = decode_loan(account, Loan(*batch.values(account)), market, at)
            except BadAnswer as error:
                failures.append(ReadFailure(account, VENUE, reason_code(error), str(error)))
                continue
            if found is not None:
                read.append(found)
        return ReadResult(tuple(read), tuple(failures))

    def _market(self, batch: Batch) -> Market:
        """Raises UnknownMode where the venue is of another version or has an asset that is not registered."""
        version = batch.value("version")
        if version != VERSION:
            raise UnknownMode(f"version {version} is not {VERSION}: its rules are not known")
        collateral, debt, price, threshold = batch.values("terms")
        return Market(self._asset(collateral), self._asset(debt), price, threshold)

    def _asset(self, token: Address) -> AssetInfo:
        info = self._deployment.asset(erc20(self.chain, token))
        if info is None:
            raise UnknownMode(f"token {token} is not a registered asset of {self.chain}: add it")
        return info
