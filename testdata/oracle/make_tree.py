"""Vectors of the tree itself: null hashes, roots, digests over everything small."""

import hashlib

from cases import test_log, test_tree
from codec import hex0x
from leaves import WORD_NAMES
from proofs import Consistency, Inclusion
from tree import KECCAK, NULL_LEAF, PROFILES, ZERO, Log, root_level

# Keccak values that were computed elsewhere, from another description of the same tree.
KNOWN_NULL = {
    11: "1144571dba9ff155641479d8a9a9d8c80ecf0e0d45e5bfe51a0b028fc469c53a",
    12: "9c971239a15caa073be84631eb1d2c6e1237ad4769209b50a35b256a9bbbdfd6",
    13: "067c58d9d9a747ab05ad89e26659a0eb7432514b85b93a35c6d07696bc055849",
}
KNOWN_ZERO_LEAF = "012893657d8eb2efad4de0a91bcd0e39ad9837745dec3ea923737ea803fc8e3d"
KNOWN_ZERO_LEAF_ROOT = "4096f6a13aa90b10885696cb5347a645a7e3bab810e2e29e46534267f4119341"
KNOWN_LEAVES = {
    0: "e2cc766dee23fb7c80629a46914a84299165a3fc0f57d334b9c789fd6ec1171e",
    1: "0e60a86e0993663c8b3545883913596f5fdefc4e3701ea8317ddbec49eb9b99c",
    2048: "916ffc6146534025520d619edc2b51c640c39ee8f2b73f9fbb1acccb03215b26",
}
KNOWN_ROOTS = {
    1: "721b712ed1975625a7a613abb104da2cde2e5826e2ef4f236f33ee77224a190e",
    2: "448e795b347180dc3558920e305aba094a0616298a57adc24c2ed092a39be797",
    2047: "583ab27168dc63496ec68612b8a860f1f96d7192af2d0aafb972cc4f59dcee73",
    2048: "c2e6d90f448e68275752d309ae0cc4cf079f4935e1227a01ee862df8eacca033",
    2049: "7949153f9197f7e21aeba2d0a88ce535673b10df01411ebc2e7286eab93551f9",
    4096: "41a1e9cc465d0e1642dcd4e104c4f16fbc267eec52ffa82321c2498e77241be5",
    4097: "911fada236c331ec65a707369501ef9e11a5c8b5240c74758e2d41c2b50c5b9f",
    6144: "0080e6f3471acbb9cea1a59e8ad4d842c2bf790a73ad3f6809fb07056c1141f4",
    8191: "dda68cd2cacd3294513c81a39ad3c5db8a71ad709ecee1c6e1c835e978829dc9",
}

ROOT_COUNTS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 600, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 2050, 3071, 3072,
               3073, 4095, 4096, 4097, 6143, 6144, 6145, 8190, 8191, 8192, 8193)
LISTED_LEAVES = (0, 1, 2, 2047, 2048, 2049, 4095, 4096, 8191, 8192)


def null_hashes():
    # The null leaf is itself a hash: SHA-256 of a null entry of the database that the tree comes from.
    entry = bytes(5) + bytes(32) + (-2).to_bytes(8, "little", signed=True) + (2**64 - 1).to_bytes(8, "little")
    assert hashlib.sha256(entry).digest() == NULL_LEAF
    for level, known in KNOWN_NULL.items():
        assert KECCAK.null(level).hex() == known, f"null({level})"
    return {"description": "null(level) for level 0 to 63, in order, by profile.",
            "nullHashes": {p.name: [hex0x(p.null(level)) for level in range(64)] for p in PROFILES}}


def roots():
    for t, known in KNOWN_LEAVES.items():
        assert test_log(KECCAK).leaf_hashes[t].hex() == known, f"leaf {t}"
    for n, known in KNOWN_ROOTS.items():
        assert test_tree(KECCAK, n).root().hex() == known, f"root of {n}"
    leaves, zero_leaf, out = [], [], []
    for p in PROFILES:
        log = test_log(p)
        for t in LISTED_LEAVES:
            words = {name: hex0x(log.leaves[t][32 * i:32 * i + 32]) for i, name in enumerate(WORD_NAMES)}
            leaves.append({"profile": p.name, "txNum": t, "leaf": words, "leafHash": hex0x(log.leaf_hashes[t])})
        zero_hash = p.leaf_hash(bytes(128))
        zero_root = Log(p, [zero_hash]).tree(1).root()
        if p is KECCAK:
            assert zero_hash.hex() == KNOWN_ZERO_LEAF and zero_root.hex() == KNOWN_ZERO_LEAF_ROOT
        zero_leaf.append({"profile": p.name, "leafHash": hex0x(zero_hash), "root": hex0x(zero_root)})
        out += [{"profile": p.name, "leafCount": n, "rootLevel": root_level(n), "root": hex0x(test_tree(p, n).root())}
                for n in ROOT_COUNTS]
    assert test_tree(KECCAK, 0).root() == ZERO
    return {"description": "Roots of the trees of the first leafCount test leaves; leaves lists some of these leaves; "
                           "zeroLeaf is the tree whose only leaf is four zero words.",
            "leaves": leaves, "zeroLeaf": zero_leaf, "roots": out}


# --- Digests over many trees -----------------------------------------------------------------------------------------

DENSE_MAX = 600
SPARSE_COUNTS = (2046, 2047, 2048, 2049, 2050, 4095, 4096, 4097, 8191, 8192, 8193)


def sparse_positions(n):
    return sorted({0, 1, 2, n // 2, n - 2, n - 1, 2047, 2048, 4095, 4096})


class _Stream:
    """A SHA-256 over a concatenation, with the number of its items and bytes."""

    def __init__(self):
        self.sha, self.items, self.bytes = hashlib.sha256(), 0, 0

    def add(self, item):
        self.sha.update(item)
        self.items += 1
        self.bytes += len(item)

    def to_json(self):
        return {"items": self.items, "bytes": self.bytes, "sha256": hex0x(self.sha.digest())}


def _digests(profile, counts, positions):
    """Digests over all roots and proofs of these trees; every proof is verified on the way."""
    root_stream, inclusion_stream, consistency_stream = _Stream(), _Stream(), _Stream()
    log = test_log(profile)
    every_root = {}
    for n in counts:
        tree = log.tree(n)
        root = every_root[n] = tree.root()
        root_stream.add(root)
        for i in positions(n):
            if 0 <= i < n:
                proof = Inclusion.make(tree, i)
                assert _path_root(profile, log.leaf_hashes[i], i, proof.siblings) == root
                inclusion_stream.add(proof.encode())
        for m in positions(n):
            if 0 < m < n:
                proof = Consistency.make(tree, m)
                if m not in every_root:
                    every_root[m] = log.tree(m).root()
                assert proof.roots() == (every_root[m], root)
                consistency_stream.add(proof.encode())
    return {"roots": root_stream.to_json(), "inclusion": inclusion_stream.to_json(),
            "consistency": consistency_stream.to_json()}


def _path_root(profile, node, i, siblings):
    for level, sibling in enumerate(siblings, 1):
        node = profile.node_hash(level, sibling, node) if i & 1 else profile.node_hash(level, node, sibling)
        i >>= 1
    return node


def exhaustive():
    series = []
    for p in PROFILES:
        series.append({"name": f"{p.name}-all-to-{DENSE_MAX}", "profile": p.name, "minLeafCount": 1,
                       "maxLeafCount": DENSE_MAX, **_digests(p, range(1, DENSE_MAX + 1), range)})
    sparse = []
    for p in PROFILES:
        trees = [{"leafCount": n, "positions": [i for i in sparse_positions(n) if i < n]} for n in SPARSE_COUNTS]
        sparse.append({"name": f"{p.name}-around-twigs", "profile": p.name, "trees": trees,
                       **_digests(p, SPARSE_COUNTS, sparse_positions)})
    return {"description": "SHA-256 (not a hash of the format) over concatenations: of all roots, in order of the leaf "
                           "count n; of all encoded inclusion proofs, n ascending, then the position i ascending, "
                           "i < n; of all encoded consistency proofs, n ascending, then the old leaf count m ascending,"
                           " 0 < m < n. dense: every n from minLeafCount to maxLeafCount, every i and m. sparse: the "
                           "trees listed, with i and m from their positions.",
            "dense": series, "sparse": sparse}
