"""Deploying and calling contracts on one local chain, one synchronous transaction at a time."""

from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint

from chains.caip import Address
from chains.devnet.artifacts import Abi, Artifact
from chains.devnet.provider import LocalProvider

GAS = "0x7270e00"  # 120m: nothing is estimated, gas is free


class DeployError(Exception):
    """A transaction of the devnet reverted; carries what was called and the revert reason."""


class Deployer:
    """Sends transactions as unlocked accounts of one anvil; ``owner`` deploys and governs everything.

    Uses ``eth_sendTransactionSync``: with the plain method the receipt is sometimes not there yet.
    """

    def __init__(self, http_url: str) -> None:
        self.w3 = Web3(LocalProvider(http_url))
        self.accounts = [Address(a) for a in self.rpc("eth_accounts")]
        self.accounts = [Address(to_checksum_address(a)) for a in self.accounts]
        self.owner = self.accounts[0]
        self.transactions = 0
        self._classes: dict[int, tuple[Abi, type[Contract]]] = {}

    def rpc(self, method: str, *params: Any) -> Any:
        """Any JSON-RPC method; raises DeployError with the node's message."""
        answer = self.w3.provider.make_request(RPCEndpoint(method), list(params))
        if "error" in answer:
            raise DeployError(f"{method}: {answer['error']}")
        return answer["result"]

    def transact(
        self, to: str | None, data: str, *, sender: str | None = None, value: int = 0, what: str = ""
    ) -> Any:
        """Send one transaction and return its receipt; raises DeployError if it reverted."""
        transaction = {"from": sender or self.owner, "data": data, "gas": GAS, "value": hex(value)}
        if to is not None:
            transaction["to"] = to
        self.transactions += 1
        try:
            receipt = self.rpc("eth_sendTransactionSync", transaction)
        except DeployError as error:
            raise DeployError(f"{what or to}: {error}") from None
        if int(receipt["status"], 16) != 1:
            raise DeployError(f"{what or to}: reverted: {self._reason(transaction)}")
        return receipt

    def _reason(self, transaction: dict[str, str]) -> str:
        try:
            return str(self.rpc("eth_call", transaction, "latest"))
        except DeployError as error:
            return str(error)[:300]

    def deploy(self, artifact: Artifact, *arguments: Any, libraries: Mapping[str, str] | None = None) -> Contract:
        """Deploy with constructor arguments and linked libraries."""
        code = artifact.linked(libraries or {})
        data = code + self._arguments(artifact, arguments)
        receipt = self.transact(None, data, what=f"deploy {artifact.name}")
        return self.at(receipt["contractAddress"], artifact.abi)

    def at(self, address: str, abi: Abi) -> Contract:
        """Contract object at an address."""
        return self._class(abi)(to_checksum_address(address))

    def _class(self, abi: Abi) -> type[Contract]:
        """Contract class of an ABI, made once: web3.py takes milliseconds to make one."""
        if id(abi) not in self._classes:
            self._classes[id(abi)] = (abi, self.w3.eth.contract(abi=abi, bytecode="0x"))
        return self._classes[id(abi)][1]

    def _arguments(self, artifact: Artifact, arguments: tuple[Any, ...]) -> str:
        """Constructor arguments as they follow the creation code, hex without 0x."""
        if not arguments:
            return ""
        encoded = self._class(artifact.abi).constructor(*arguments).data_in_transaction
        return str(encoded).removeprefix("0x")

    def send(self, function: ContractFunction, *, sender: str | None = None, value: int = 0) -> Any:
        """Send a contract function, for example ``send(pool.functions.supply(...), sender=user)``."""
        return self.transact(
            function.address,
            function._encode_transaction_data(),
            sender=sender,
            value=value,
            what=function.fn_name,
        )

    def impersonate(self, address: str) -> None:
        """Let transactions be sent as any address, with enough ether."""
        self.rpc("anvil_impersonateAccount", address)
        self.rpc("anvil_setBalance", address, hex(10**24))
