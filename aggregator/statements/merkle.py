"""A Merkle tree over the reports of one scan, and proofs that a report is in it.

The tree of RFC 6962, section 2.1, over sorted leaf hashes: leaves and nodes are hashed in domains of their own.
A tree whose size is no power of two is split unevenly instead of repeating a leaf, so that nothing but the leaves
themselves has the root. The published root also binds the number of leaves.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEAF, NODE, ROOT = b"\0crossmargin report 1\0", b"\1", b"\2crossmargin scan 1\0"
HASH_BYTES = 32


class BadProof(ValueError):
    """A proof that cannot be one: its index or its length does not fit its size."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a leaf is in a tree, and the hashes beside its way up, the lowest first."""

    index: int
    size: int
    path: tuple[bytes, ...]


def leaf_of(report: bytes) -> bytes:
    """Hash of a report's JSON as it is stored and answered."""
    return hashlib.sha256(LEAF + report).digest()


def ordered(leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """Leaves in the order of the tree, so that it says nothing about the order of portfolios."""
    return tuple(sorted(leaves))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes in any order; raises BadProof without any leaf."""
    found = ordered(leaves)
    if not found:
        raise BadProof("a tree has at least one leaf")
    return _bound(len(found), _top(found))


def proof_of(leaves: Iterable[bytes], leaf: bytes) -> Proof:
    """Proof for one of the leaves; raises BadProof where it is none of them."""
    found = ordered(leaves)
    if leaf not in found:
        raise BadProof("the report is no leaf of this tree")
    index = found.index(leaf)
    return Proof(index, len(found), tuple(_path(found, index)))


def proven_root(leaf: bytes, proof: Proof) -> bytes:
    """The root that a proof leads to from a leaf; raises BadProof for a proof of impossible shape."""
    if not 0 <= proof.index < proof.size:
        raise BadProof(f"index {proof.index} is not below the size {proof.size}")
    turns = _turns(proof.index, proof.size)
    if len(turns) != len(proof.path) or any(len(part) != HASH_BYTES for part in proof.path):
        raise BadProof(f"leaf {proof.index} of {proof.size} has {len(turns)} hashes of 32 bytes beside its way")
    found = leaf
    for beside, is_right in zip(proof.path, turns, strict=True):
        found = _node(beside, found) if is_right else _node(found, beside)
    return _bound(proof.size, found)


def _turns(index: int, size: int) -> list[bool]:
    """From the leaf up: whether the way comes from the right."""
    turns = []
    while size > 1:
        split = _split(size)
        turns.append(index >= split)
        index, size = (index - split, size - split) if index >= split else (index, split)
    return turns[::-1]


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)


def _top(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return _node(_top(leaves[:split]), _top(leaves[split:]))


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*_path(leaves[:split], index), _top(leaves[split:])]
    return [*_path(leaves[split:], index - split), _top(leaves[:split])]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()


def _bound(size: int, top: bytes) -> bytes:
    return hashlib.sha256(ROOT + size.to_bytes(8, "big") + top).digest()
