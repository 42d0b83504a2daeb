"""The tree, from its definition: a recursive `node(level, index)` over a list of leaf hashes.

Nothing is incremental here. Nodes are remembered, because a test asks for the same ones many times; a node that is
complete is the same in every tree that holds it, so it is remembered once for all leaf counts.
"""

from hashes import blake3, blake3_keyed, keccak256

TWIG_LEVEL = 11
MIN_ROOT_LEVEL = 12
MAX_LEVEL = 64
MAX_U64 = (1 << 64) - 1
ZERO = bytes(32)
NULL_LEAF = bytes.fromhex("ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39")


def tag(level):
    """The tag in the hash of a node of `level` (1 to 64)."""
    assert 1 <= level <= MAX_LEVEL
    return level - 1 if level <= TWIG_LEVEL else level


def root_level(leaf_count):
    twigs = leaf_count >> 11
    return MIN_ROOT_LEVEL if twigs == 0 else MIN_ROOT_LEVEL + twigs.bit_length() - 1


class Profile:
    """A choice of hash function: its name, id, leaf hash and node hash."""

    def __init__(self, name, profile_id, leaf_hash, raw_node_hash):
        self.name = name
        self.id = profile_id
        self.leaf_hash = leaf_hash
        self._raw_node_hash = raw_node_hash
        self._known = {}
        self._null = [NULL_LEAF]

    def node_hash(self, level, left, right):
        """The hash of a node at `level` from its two children at `level - 1`."""
        key = (level, left, right)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._raw_node_hash(tag(level), left, right)
        return known

    def null(self, level):
        """The hash of a node at `level` that covers no leaf of the tree."""
        while len(self._null) <= level:
            below = self._null[-1]
            self._null.append(self.node_hash(len(self._null), below, below))
        return self._null[level]


def _keccak_node(tag_byte, left, right):
    return keccak256(bytes([tag_byte]) + left + right)


def _blake3_node(tag_byte, left, right):
    return blake3_keyed(bytes([tag_byte]) + bytes(31), left + right)


KECCAK = Profile("keccak", 1, keccak256, _keccak_node)
BLAKE3 = Profile("blake3", 2, blake3, _blake3_node)
PROFILES = (KECCAK, BLAKE3)
PROFILE_BY_ID = {p.id: p for p in PROFILES}
PROFILE_BY_NAME = {p.name: p for p in PROFILES}


class Log:
    """Leaf hashes in order, and every tree over a prefix of them."""

    def __init__(self, profile, leaf_hashes):
        self.profile = profile
        self.leaf_hashes = leaf_hashes
        self._complete = {}

    def tree(self, leaf_count):
        assert 0 <= leaf_count <= len(self.leaf_hashes)
        return Tree(self, leaf_count)


class Tree:
    """The tree of the first `leaf_count` leaves of a log."""

    def __init__(self, log, leaf_count):
        self.log = log
        self.profile = log.profile
        self.leaf_count = leaf_count
        self.root_level = root_level(leaf_count)
        self._partial = {}

    def is_null(self, level, index):
        """Does node (level, index) cover no leaf of this tree?"""
        return (index << level) >= self.leaf_count

    def node(self, level, index):
        if self.is_null(level, index):
            return self.profile.null(level)
        if level == 0:
            return self.log.leaf_hashes[index]
        complete = ((index + 1) << level) <= self.leaf_count
        memo = self.log._complete if complete else self._partial
        known = memo.get((level, index))
        if known is None:
            left, right = self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1)
            known = memo[(level, index)] = self.profile.node_hash(level, left, right)
        return known

    def root(self):
        return ZERO if self.leaf_count == 0 else self.node(self.root_level, 0)
