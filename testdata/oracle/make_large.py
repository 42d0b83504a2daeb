"""Proofs at leaf counts that no test can build: the nodes are made up, and the roots follow from them.

Made-up hashes, all by keccak256 in both profiles, integers as 8 bytes big-endian:
leaf t is keccak256("leaf" || t); on a path, the sibling at a level is keccak256("sib" || level); the first node of a
consistency proof is keccak256("new" || level); node (level, index) beside several leaves is
keccak256("node" || level || index). A node that covers no leaf is null, as it has to be.
"""

from cases import Ask, Cases
from codec import u64
from hashes import keccak256
from head import Head
from proofs import (Consistency, Inclusion, Multi, Range, decode, is_null, root_from_many, root_from_path,
                    sent_nodes_of_consistency, sent_siblings, sent_siblings_of_range)
from tree import KECCAK, MAX_U64, PROFILES, root_level

COUNTS = (("2-to-32", 2**32), ("2-to-40-plus-12345", 2**40 + 12345), ("2-to-63-minus-1", 2**63 - 1),
          ("2-to-64-minus-1", MAX_U64))


def _leaf(t):
    return keccak256(b"leaf" + u64(t))


def _path_sibling(profile, n, level, index):
    return profile.null(level) if is_null(n, level, index) else keccak256(b"sib" + u64(level))


def _node(level, index):
    return keccak256(b"node" + u64(level) + u64(index))


def _head(profile, n, root):
    return Head(1, profile, 1, n, n, root)


def _counts(profile):
    return COUNTS if profile is KECCAK else COUNTS[::3]


def _positions(n, profile=KECCAK):
    """A few positions with low and high bits, the two ends; fewer for blake3."""
    few = {0x5555555555555555 % n, n - 1}
    return sorted(few | {0, 0xAAAAAAAAAAAAAAAA % n} if profile is KECCAK else few)


def _old_counts(n, profile):
    """One with few trailing zeros, one with many, the two ends; fewer for blake3."""
    half = 1 << (n.bit_length() - 2)
    return sorted({1, n // 3, half + 2048, n - 1} if profile is KECCAK else {n // 3, n - 1})


def large():
    cases = Cases(decode, json=False)
    for p in PROFILES:
        for name, n in _counts(p):
            for i in _positions(n, p):
                siblings = tuple(_path_sibling(p, n, level, (i >> level) ^ 1) for level in range(root_level(n)))
                proof = Inclusion(p, i, n, siblings)
                root = root_from_path(p, _leaf(i), i, siblings)
                ask = Ask({"head": _head(p, n, root)}, {"txNum": i, "leafHash": _leaf(i)})
                _add(cases, f"{p.name}-inclusion-{i}-of-{name}", proof, ask)
                assert n != 2**32 or len(proof.encode()) == 1079
    for p in PROFILES:
        for name, n in COUNTS[3:]:
            tx_nums = _positions(n)
            hashes = [_leaf(t) for t in tx_nums]
            siblings = tuple(_node(*at) for at in sent_siblings(n, tx_nums))
            root = root_from_many(p, n, dict(zip(tx_nums, hashes)), siblings)
            ask = Ask({"head": _head(p, n, root)}, {"txNums": tx_nums, "leafHashes": hashes})
            _add(cases, f"{p.name}-multi-of-{name}", Multi(p, n, tuple(tx_nums), siblings), ask)
            for first, end in ((n // 2 - 1, n // 2 + 4), (n - 3, n)):
                hashes = [_leaf(t) for t in range(first, end)]
                siblings = tuple(_node(*at) for at in sent_siblings_of_range(n, first, end))
                root = root_from_many(p, n, dict(enumerate(hashes, first)), siblings)
                ask = Ask({"head": _head(p, n, root)}, {"from": first, "to": end, "leafHashes": hashes})
                _add(cases, f"{p.name}-range-{first}-to-{end}-of-{name}", Range(p, first, end, n, siblings), ask)
    for p in PROFILES:
        for name, n in _counts(p):
            for m in _old_counts(n, p):
                (t, _), *rest = sent_nodes_of_consistency(m, n)
                nodes = (keccak256(b"new" + u64(t)), *(keccak256(b"sib" + u64(level)) for level, _ in rest))
                proof = Consistency(p, m, n, nodes)
                old_root, new_root = proof.roots()
                ask = Ask({"oldHead": _head(p, m, old_root), "head": _head(p, n, new_root)}, {})
                _add(cases, f"{p.name}-consistency-{m}-to-{name}", proof, ask)
    return {"description": "Proofs at huge leaf counts. Leaves and nodes are made up (keccak256 in both profiles, "
                           "integers as 8 bytes big-endian): leaf t = keccak256('leaf' || t); inclusion: sibling at a "
                           "level = keccak256('sib' || level), or null where it covers no leaf; multi and range: node "
                           "= keccak256('node' || level || index); consistency: first node = keccak256('new' || level),"
                           " others = keccak256('sib' || level). The roots in the heads follow from them. kind is the "
                           "proof's kind, size the number of encoded bytes.",
            "valid": cases.valid_list}


def _add(cases, name, proof, ask):
    cases.valid(name, proof, ask, proof.profile, kind=proof.name, size=len(proof.encode()),
                rootLevel=root_level(proof.leaf_count))
