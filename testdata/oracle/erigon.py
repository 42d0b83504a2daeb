"""Erigon's wire forms (Keccak profile only), with the strict checks of the format page.

Decoding looks at lengths only; everything that needs a head, or an opinion about the content, is in `verify`.
"""

from dataclasses import dataclass

from codec import DecodeError, Reader, need
from leaves import chain
from proofs import Inclusion, expect, is_null, root_from_many, root_from_path
from tree import KECCAK, TWIG_LEVEL, ZERO, root_level


def _u64(value):
    return value.to_bytes(8, "little")


def _u32(value):
    return value.to_bytes(4, "little")


@dataclass(frozen=True)
class ProofPath:
    tx_num: int
    leaf_hash: bytes
    siblings: tuple  # 11 inside the twig, then U above it
    root: bytes

    @classmethod
    def make(cls, tree, tx_num):
        return cls(tx_num, tree.node(0, tx_num), Inclusion.make(tree, tx_num).siblings, tree.root())

    def encode(self):
        return _u64(self.tx_num) + self.leaf_hash + b"".join(self.siblings) + self.root

    @classmethod
    def decode(cls, data):
        need(len(data) >= 8 and (len(data) - 8) % 32 == 0, DecodeError, "no number of digests has this length")
        above = (len(data) - 8) // 32 - 13
        need(above >= 1, DecodeError, "U is not at least 1")
        r = Reader(data)
        path = cls(r.uint(8, "little"), r.take(32), tuple(r.items(TWIG_LEVEL + above, 32)), r.take(32))
        r.end()
        return path

    def verify(self, head, tx_num, leaf_hash):
        expect(head.profile is KECCAK, "the head is not of the keccak profile")
        expect(self.tx_num < head.leaf_count, "tx_num is not below the head's leaf count")
        expect(len(self.siblings) == root_level(head.leaf_count), "U is not the head's")
        expect(self.tx_num == tx_num, "this is not the expected leaf")
        expect(self.leaf_hash == leaf_hash, "the leaf hash inside is not the expected one")
        expect(self.root == head.root, "the root inside is not the head's")
        expect(root_from_path(KECCAK, leaf_hash, tx_num, self.siblings) == head.root, "the root differs")


@dataclass(frozen=True)
class Witness:
    path: ProofPath
    leaf: bytes

    @classmethod
    def make(cls, tree, tx_num):
        return cls(ProofPath.make(tree, tx_num), tree.log.leaves[tx_num])

    def encode(self):
        proof = self.path.encode()
        return _u32(len(proof)) + proof + self.leaf

    @classmethod
    def decode(cls, data):
        r = Reader(data)
        witness = cls(ProofPath.decode(r.take(r.uint(4, "little"))), r.take(128))
        r.end()
        return witness

    def verify(self, head, tx_num):
        expect(tx_num != 0 or self.leaf[96:] == ZERO, "leaf 0 has a previous leaf")
        self.path.verify(head, tx_num, KECCAK.leaf_hash(self.leaf))


@dataclass(frozen=True)
class RangeWitness:
    first: ProofPath
    last: ProofPath
    leaves: tuple  # of (tx_num, leaf)

    @classmethod
    def make(cls, tree, first, end):
        leaves = tuple((t, tree.log.leaves[t]) for t in range(first, end))
        return cls(ProofPath.make(tree, first), ProofPath.make(tree, end - 1), leaves)

    def encode(self):
        out = b""
        for path in (self.first, self.last):
            proof = path.encode()
            out += _u32(len(proof)) + proof
        return out + _u32(len(self.leaves)) + b"".join(_u64(t) + leaf for t, leaf in self.leaves)

    @classmethod
    def decode(cls, data):
        r = Reader(data)
        first = ProofPath.decode(r.take(r.uint(4, "little")))
        last = ProofPath.decode(r.take(r.uint(4, "little")))
        pieces = [Reader(item) for item in r.items(r.uint(4, "little"), 136)]
        r.end()
        return cls(first, last, tuple((piece.uint(8, "little"), piece.take(128)) for piece in pieces))

    def verify(self, head, first, end):
        expect(first < end and [t for t, _ in self.leaves] == list(range(first, end)),
               "these are not the expected leaves, one after the other")
        leaves = [leaf for _, leaf in self.leaves]
        expect(first != 0 or leaves[0][96:] == ZERO, "leaf 0 has a previous leaf")
        chained, hashes = chain(KECCAK, [leaf[:96] for leaf in leaves], leaves[0][96:])
        expect(chained == leaves, "the chain is broken")
        self.first.verify(head, first, hashes[0])
        self.last.verify(head, end - 1, hashes[-1])
        siblings = self._boundary(head.leaf_count, first, end - 1)
        root = root_from_many(KECCAK, head.leaf_count, dict(enumerate(hashes, first)), siblings)
        expect(root == head.root, "the root of the whole range differs")

    def _boundary(self, leaf_count, low, high):
        """The siblings of a range proof: on the left edge from the first path, on the right edge from the last one."""
        siblings = []
        for level in range(root_level(leaf_count)):
            if low & 1:
                siblings.append(self.first.siblings[level])
            if not high & 1 and not is_null(leaf_count, level, high + 1):
                siblings.append(self.last.siblings[level])
            low, high = low >> 1, high >> 1
        return siblings
