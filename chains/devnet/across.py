"""Across V3 on one chain: a spoke pool behind its proxy, with the devnet's owner as admin and relayers at will.

Every chain gets Ethereum_SpokePool: the L2 builds differ only in how messages of the admin and returned funds
cross, and there is no hub pool here. Wrapped ether is treated as any token, since the devnet's WETH cannot unwrap.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import Contract

from chains.caip import Address
from chains.devnet import tokens
from chains.devnet.artifacts import Artifact, hardhat
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.devnet.packages import package_dir

PACKAGE = "@across-protocol/contracts"
ZERO_ADDRESS = "0x" + "0" * 40
QUOTE_BUFFER_S, DEADLINE_BUFFER_S = 3600, 21_600
"""How old a quote and how far a fill deadline may be, as on the public networks."""
FEE_BPS = 4
FILL_WINDOW_S = 14_400
LEAF = "(uint256,uint256,uint256[],uint32,address,address[])"


class Relay(NamedTuple):
    """A deposit as relayers and the relay hash see it (V3RelayData); addresses are 32 bytes."""

    depositor: bytes
    recipient: bytes
    exclusive_relayer: bytes
    input_token: bytes
    output_token: bytes
    input_amount: int
    output_amount: int
    origin: int
    deposit_id: int
    fill_deadline: int
    exclusivity_deadline: int
    message: bytes


@dataclass(frozen=True)
class AcrossWorld:
    """The spoke pool of one chain. Amounts are whole tokens; users are unlocked accounts of the chain."""

    ctx: ChainContext
    pool: Contract
    routes: dict[int, dict[str, Address]] = field(default_factory=dict)
    """Token addresses by chain number and symbol, filled by ``connect``."""

    @property
    def addresses(self) -> Mapping[str, Address]:
        """What the reader needs: ``spoke_pool``."""
        return {"spoke_pool": Address(self.pool.address)}

    def connect(self, peers: Iterable[ChainContext]) -> None:
        """Tell where the tokens are on the other chains; once, when all chains are deployed."""
        for peer in peers:
            self.routes[peer.number] = {symbol: Address(token.address) for symbol, token in peer.tokens.items()}

    def deposit(
        self,
        user: str,
        symbol: str,
        amount: Decimal | int | str,
        destination: int,
        *,
        recipient: str | None = None,
        fill_window_s: int = FILL_WINDOW_S,
        fee_bps: int = FEE_BPS,
        message: bytes = b"",
        mint: bool = True,
    ) -> Relay:
        """Send tokens, minted to the user first unless the user has them already, to a chain number."""
        if symbol not in self.routes.get(destination, {}):
            raise DeployError(f"deposit: no {symbol} known on chain {destination}: connect the chains first")
        d = self.ctx.deployer
        raw = tokens.mint(self.ctx, symbol, user, amount) if mint else self.ctx.units(symbol, amount)
        tokens.approve(self.ctx, symbol, user, self.pool.address)
        now = int(d.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        sent, received = self.ctx.token(symbol), self.routes[destination][symbol]
        call = self.pool.functions.deposit(
            word(user), word(recipient or user), word(sent), word(received),
            raw, raw - raw * fee_bps // 10_000, destination, bytes(32), now, now + fill_window_s, 0, message,
        )  # fmt: skip
        return self._relay(d.send(call, sender=user))

    def _relay(self, receipt: Any) -> Relay:
        number = int(receipt["blockNumber"], 16)
        logs = self.pool.events.FundsDeposited().get_logs(from_block=number, to_block=number)
        mine = next(log for log in logs if log["transactionHash"].to_0x_hex() == receipt["transactionHash"])
        e = mine["args"]
        return Relay(
            e["depositor"], e["recipient"], e["exclusiveRelayer"], e["inputToken"], e["outputToken"],
            e["inputAmount"], e["outputAmount"], self.ctx.number, e["depositId"],
            e["fillDeadline"], e["exclusivityDeadline"], e["message"],
        )  # fmt: skip

    def fill(self, relay: Relay, relayer: str | None = None) -> None:
        """Pay a deposit of another chain out here, with tokens minted to the relayer."""
        d = self.ctx.deployer
        payer = relayer or d.owner
        token = Address("0x" + relay.output_token[-20:].hex())
        symbol = next(s for s, t in self.ctx.tokens.items() if t.address.lower() == token)
        d.send(
            self.ctx.tokens[symbol].get_function_by_signature("mint(address,uint256)")(payer, relay.output_amount)
        )
        tokens.approve(self.ctx, symbol, payer, self.pool.address)
        d.send(self.pool.functions.fillRelay(tuple(relay), relay.origin, word(payer)), sender=payer)

    def refund(self, relay: Relay) -> None:
        """Give an expired deposit of this chain back to its depositor, as a settlement bundle does."""
        d = self.ctx.deployer
        token, depositor = (d.w3.to_checksum_address(w[-20:]) for w in (relay.input_token, relay.depositor))
        leaf = (0, self.ctx.number, [relay.input_amount], 0, token, [depositor])
        receipt = d.send(self.pool.functions.relayRootBundle(keccak(encode([LEAF], [leaf])), bytes(32)))
        bundle = int(receipt["logs"][0]["topics"][1], 16)
        d.send(self.pool.functions.executeRelayerRefundLeaf(bundle, leaf, []))

    def pause(self, *, deposits: bool | None = None, fills: bool | None = None) -> None:
        """Stop or resume deposits here, and payouts here of what was sent elsewhere; None leaves as is."""
        if deposits is not None:
            self.ctx.deployer.send(self.pool.functions.pauseDeposits(deposits))
        if fills is not None:
            self.ctx.deployer.send(self.pool.functions.pauseFills(fills))


def word(address: str) -> bytes:
    """Address as the 32 bytes that Across counts in."""
    return bytes(12) + bytes.fromhex(address[2:])


def deploy(ctx: ChainContext) -> AcrossWorld:
    """Deploy the spoke pool behind its proxy."""
    d = ctx.deployer
    artifact = _artifact("Ethereum_SpokePool")
    implementation = d.deploy(artifact, ZERO_ADDRESS, QUOTE_BUFFER_S, DEADLINE_BUFFER_S, ZERO_ADDRESS)
    setup = d.at(implementation.address, artifact.abi).encode_abi("initialize", [0, d.owner])
    proxy = d.deploy(_artifact("ERC1967Proxy"), implementation.address, setup)
    return AcrossWorld(ctx, d.at(proxy.address, artifact.abi))


def _artifact(name: str) -> Artifact:
    return hardhat(package_dir(PACKAGE) / "dist" / "evm" / "artifacts" / f"{name}.sol" / f"{name}.json")
