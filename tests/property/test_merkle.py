"""Scan roots: every report of a scan is proven, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.statements.merkle import BadProof, Proof, leaf_of, proof_of, proven_root, root_of

REPORTS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=40, unique=True)


def leads(leaf: bytes, proof: Proof, root: bytes) -> bool:
    try:
        return proven_root(leaf, proof) == root
    except BadProof:
        return False


@given(REPORTS)
def test_every_report_of_a_scan_is_proven_whatever_their_order(reports):
    leaves = [leaf_of(report) for report in reports]
    root = root_of(leaves)
    assert root == root_of(reversed(leaves))
    for leaf in leaves:
        assert leads(leaf, proof_of(leaves, leaf), root)


@given(REPORTS, st.binary(min_size=1, max_size=40))
def test_no_other_report_is(reports, other):
    leaves = [leaf_of(report) for report in reports]
    proofs = [proof_of(leaves, leaf) for leaf in leaves]
    if other not in reports:
        assert not any(leads(leaf_of(other), proof, root_of(leaves)) for proof in proofs)


@given(REPORTS, st.data())
def test_any_change_of_a_proof_is_found(reports, data):
    leaves = [leaf_of(report) for report in reports]
    root, leaf = root_of(leaves), data.draw(st.sampled_from(leaves))
    proof = proof_of(leaves, leaf)
    index = data.draw(st.integers(-1, len(leaves) + 3))
    size = data.draw(st.integers(0, 2 * len(leaves) + 2))
    if (index, size) != (proof.index, proof.size):
        assert not leads(leaf, Proof(index, size, proof.path), root)
    path = list(proof.path)
    match data.draw(st.sampled_from(("flip", "drop", "add", "swap"))):
        case "flip" if path:
            at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
            path[at] = (int.from_bytes(path[at], "big") ^ (1 << bit)).to_bytes(32, "big")
        case "drop" if path:
            path.pop(data.draw(st.integers(0, len(path) - 1)))
        case "swap" if len(path) > 1:
            path = path[::-1]
        case _:
            path.append(data.draw(st.binary(min_size=0, max_size=33)))
    if tuple(path) != proof.path:
        assert not leads(leaf, Proof(proof.index, proof.size, tuple(path)), root)


@given(REPORTS)
def test_a_node_cannot_pass_for_a_report_nor_an_extended_scan_for_this_one(reports):
    leaves = [leaf_of(report) for report in reports]
    root = root_of(leaves)
    if len(leaves) == 2:
        joined = b"".join(sorted(leaves))
        assert root_of([leaf_of(joined)]) != root
        assert root_of([leaf_of(b"\1" + joined)]) != root
    assert root_of([*leaves, leaves[-1]]) != root
    assert root_of([leaf_of(b"another report that is longer than forty bytes"), *leaves]) != root


def test_a_tree_without_leaves_has_no_root():
    with pytest.raises(BadProof, match="at least one"):
        root_of([])
    with pytest.raises(BadProof, match="no leaf"):
        proof_of([leaf_of(b"a")], leaf_of(b"b"))
