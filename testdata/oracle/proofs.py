"""The kinds of proofs, but for the state proof, which is in `state.py`: made from a tree, encoded, decoded, verified.

Every class has `kind`, `name`, the fields of its body, `make` (a prover), `body`, `read` (its decoder), `check` (the
rules that hold for bytes and for JSON alike), `verify`, `to_json` and `read_json`. `decode` and `from_json` dispatch.
"""

from dataclasses import dataclass

from codec import (DecodeError, Reader, VerifyError, hex0x, json_hash, json_list, json_name, json_object, json_uint, need, u8, u32,
                   u64)
from leaves import WORD_NAMES, chain
from state import State
from tree import PROFILE_BY_ID, PROFILE_BY_NAME, ZERO, Profile, root_level

MAGIC = b"QMPF"
VERSION = 1


# --- Which nodes a proof holds ---------------------------------------------------------------------------------------

def is_null(leaf_count, level, index):
    return (index << level) >= leaf_count


def sent_siblings(leaf_count, positions):
    """The nodes (level, index) that a range or multi proof of these positions sends, in order: from the definition."""
    sent, known = [], sorted(set(positions))
    for level in range(root_level(leaf_count)):
        members = set(known)
        for index in known:
            sibling = index ^ 1
            if sibling not in members and not is_null(leaf_count, level, sibling):
                sent.append((level, sibling))
        known = sorted({index >> 1 for index in known})
    return sent


def sent_siblings_of_range(leaf_count, first, end):
    """`sent_siblings(leaf_count, range(first, end))` without walking it: only the two ends have siblings to send."""
    sent, low, high = [], first, end - 1
    for level in range(root_level(leaf_count)):
        if low & 1:
            sent.append((level, low - 1))
        if not high & 1 and not is_null(leaf_count, level, high + 1):
            sent.append((level, high + 1))
        low, high = low >> 1, high >> 1
    return sent


def sent_nodes_of_consistency(old_count, leaf_count):
    """The nodes (level, index) of a consistency proof, in order: the one behind the old leaves, then its path."""
    t = (old_count & -old_count).bit_length() - 1
    sent = [(t, old_count >> t)]
    for level in range(t, root_level(leaf_count)):
        i = old_count >> level
        sibling = i - 1 if i & 1 else i + 1
        if not is_null(leaf_count, level, sibling):
            sent.append((level, sibling))
    return sent


# --- Roots from leaf hashes and siblings -----------------------------------------------------------------------------

def root_from_path(profile, leaf_hash, tx_num, siblings):
    node = leaf_hash
    for level, sibling in enumerate(siblings):
        pair = (sibling, node) if (tx_num >> level) & 1 else (node, sibling)
        node = profile.node_hash(level + 1, *pair)
    return node


def root_from_many(profile, leaf_count, hashes, siblings):
    """The root from {position: leaf hash} and the siblings in the order of `sent_siblings`."""
    queue, known = list(siblings), dict(hashes)
    for level in range(root_level(leaf_count)):
        given = {}
        for index in sorted(known):
            sibling = index ^ 1
            if sibling in known:
                continue
            given[sibling] = profile.null(level) if is_null(leaf_count, level, sibling) else queue.pop(0)
        known.update(given)
        known = {index >> 1: profile.node_hash(level + 1, known[index & ~1], known[index | 1]) for index in known}
    assert not queue, "the decoder counted the siblings"
    return known[0]


def expect(condition, message):
    need(condition, VerifyError, message)


def check_head(head, profile, leaf_count):
    expect(head.profile is profile, "the profile is not the head's")
    expect(head.leaf_count == leaf_count, "the leaf count is not the head's")


def in_tree(condition, message):
    need(condition, DecodeError, message)


# --- Parts that several kinds share ----------------------------------------------------------------------------------

class Proof:
    def encode(self):
        return MAGIC + u8(VERSION) + u8(self.profile.id) + u8(self.kind) + self.body()

    def to_json(self):
        return {"kind": self.name, "profile": self.profile.name, **self.json_body()}


def _digests(items):
    return b"".join(items)


def _json_digests(items):
    return [hex0x(item) for item in items]


# --- 1 inclusion -----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Inclusion(Proof):
    profile: Profile
    tx_num: int
    leaf_count: int
    siblings: tuple

    kind, name = 1, "inclusion"

    @classmethod
    def make(cls, tree, tx_num):
        siblings = tuple(tree.node(level, (tx_num >> level) ^ 1) for level in range(tree.root_level))
        return cls(tree.profile, tx_num, tree.leaf_count, siblings)

    def body(self):
        return u64(self.tx_num) + u64(self.leaf_count) + _digests(self.siblings)

    @classmethod
    def read(cls, profile, r):
        tx_num, leaf_count = r.uint(8), r.uint(8)
        in_tree(tx_num < leaf_count, "tx_num is not below leaf_count")
        return cls(profile, tx_num, leaf_count, tuple(r.items(root_level(leaf_count), 32))).check()

    def check(self):
        in_tree(self.tx_num < self.leaf_count, "tx_num is not below leaf_count")
        in_tree(len(self.siblings) == root_level(self.leaf_count), "the number of siblings is not the root level")
        return self

    def verify(self, head, tx_num, leaf_hash):
        check_head(head, self.profile, self.leaf_count)
        expect(self.tx_num == tx_num, "this is not the expected leaf")
        expect(root_from_path(self.profile, leaf_hash, tx_num, self.siblings) == head.root, "the root differs")

    def json_body(self):
        return {"txNum": self.tx_num, "leafCount": self.leaf_count, "siblings": _json_digests(self.siblings)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "txNum", "leafCount", "siblings"))
        return cls(profile, json_uint(value["txNum"]), json_uint(value["leafCount"]),
                   tuple(json_list(value["siblings"], json_hash))).check()


# --- 2 range ---------------------------------------------------------------------------------------------------------

def _check_range(first, end, leaf_count):
    in_tree(first < end, "from is not below to")
    in_tree(end <= leaf_count, "to is above leaf_count")


@dataclass(frozen=True)
class Range(Proof):
    profile: Profile
    first: int
    end: int
    leaf_count: int
    siblings: tuple

    kind, name = 2, "range"

    @classmethod
    def make(cls, tree, first, end):
        siblings = tuple(tree.node(*at) for at in sent_siblings(tree.leaf_count, range(first, end)))
        return cls(tree.profile, first, end, tree.leaf_count, siblings)

    def body(self):
        return u64(self.first) + u64(self.end) + u64(self.leaf_count) + _digests(self.siblings)

    @classmethod
    def read(cls, profile, r):
        first, end, leaf_count = r.uint(8), r.uint(8), r.uint(8)
        _check_range(first, end, leaf_count)
        count = len(sent_siblings_of_range(leaf_count, first, end))
        return cls(profile, first, end, leaf_count, tuple(r.items(count, 32))).check()

    def check(self):
        _check_range(self.first, self.end, self.leaf_count)
        in_tree(len(self.siblings) == len(sent_siblings_of_range(self.leaf_count, self.first, self.end)),
                "wrong number of siblings")
        return self

    def verify(self, head, first, end, leaf_hashes):
        check_head(head, self.profile, self.leaf_count)
        expect((self.first, self.end) == (first, end), "this is not the expected range")
        expect(len(leaf_hashes) == end - first, "wrong number of leaf hashes")
        hashes = dict(enumerate(leaf_hashes, first))
        expect(root_from_many(self.profile, self.leaf_count, hashes, self.siblings) == head.root, "the root differs")

    def json_body(self):
        return {"from": self.first, "to": self.end, "leafCount": self.leaf_count,
                "siblings": _json_digests(self.siblings)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "from", "to", "leafCount", "siblings"))
        return cls(profile, json_uint(value["from"]), json_uint(value["to"]), json_uint(value["leafCount"]),
                   tuple(json_list(value["siblings"], json_hash))).check()


# --- 3 multi ---------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Multi(Proof):
    profile: Profile
    leaf_count: int
    tx_nums: tuple
    siblings: tuple

    kind, name = 3, "multi"

    @classmethod
    def make(cls, tree, tx_nums):
        siblings = tuple(tree.node(*at) for at in sent_siblings(tree.leaf_count, tx_nums))
        return cls(tree.profile, tree.leaf_count, tuple(tx_nums), siblings)

    def body(self):
        return (u64(self.leaf_count) + u32(len(self.tx_nums)) + b"".join(u64(t) for t in self.tx_nums)
                + _digests(self.siblings))

    @classmethod
    def read(cls, profile, r):
        leaf_count, count = r.uint(8), r.uint(4)
        tx_nums = tuple(int.from_bytes(item, "big") for item in r.items(count, 8))
        _check_positions(tx_nums, leaf_count)
        digests = r.items(len(sent_siblings(leaf_count, tx_nums)), 32)
        return cls(profile, leaf_count, tx_nums, tuple(digests)).check()

    def check(self):
        _check_positions(self.tx_nums, self.leaf_count)
        in_tree(len(self.tx_nums) < 1 << 32, "count does not fit in 32 bits")
        in_tree(len(self.siblings) == len(sent_siblings(self.leaf_count, self.tx_nums)), "wrong number of siblings")
        return self

    def verify(self, head, tx_nums, leaf_hashes):
        check_head(head, self.profile, self.leaf_count)
        expect(list(self.tx_nums) == list(tx_nums), "these are not the expected leaves")
        expect(len(leaf_hashes) == len(tx_nums), "wrong number of leaf hashes")
        hashes = dict(zip(tx_nums, leaf_hashes))
        expect(root_from_many(self.profile, self.leaf_count, hashes, self.siblings) == head.root, "the root differs")

    def json_body(self):
        return {"leafCount": self.leaf_count, "txNums": list(self.tx_nums), "siblings": _json_digests(self.siblings)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "leafCount", "txNums", "siblings"))
        return cls(profile, json_uint(value["leafCount"]), tuple(json_list(value["txNums"], json_uint)),
                   tuple(json_list(value["siblings"], json_hash))).check()


def _check_positions(tx_nums, leaf_count):
    in_tree(len(tx_nums) >= 1, "no leaf is proven")
    in_tree(all(a < b for a, b in zip(tx_nums, tx_nums[1:])), "the positions do not ascend strictly")
    in_tree(tx_nums[-1] < leaf_count, "a position is not below leaf_count")


# --- 4 consistency ---------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Consistency(Proof):
    profile: Profile
    old_leaf_count: int
    leaf_count: int
    nodes: tuple

    kind, name = 4, "consistency"

    @classmethod
    def make(cls, tree, old_count):
        nodes = tuple(tree.node(*at) for at in sent_nodes_of_consistency(old_count, tree.leaf_count))
        return cls(tree.profile, old_count, tree.leaf_count, nodes)

    def body(self):
        return u64(self.old_leaf_count) + u64(self.leaf_count) + _digests(self.nodes)

    @classmethod
    def read(cls, profile, r):
        old_count, leaf_count = r.uint(8), r.uint(8)
        cls._check_counts(old_count, leaf_count)
        count = len(sent_nodes_of_consistency(old_count, leaf_count))
        return cls(profile, old_count, leaf_count, tuple(r.items(count, 32))).check()

    @staticmethod
    def _check_counts(old_count, leaf_count):
        in_tree(0 < old_count, "old_leaf_count is 0")
        in_tree(old_count < leaf_count, "old_leaf_count is not below leaf_count")

    def check(self):
        self._check_counts(self.old_leaf_count, self.leaf_count)
        in_tree(len(self.nodes) == len(sent_nodes_of_consistency(self.old_leaf_count, self.leaf_count)),
                "wrong number of nodes")
        return self

    def roots(self):
        """The two roots that follow from the nodes: (old, new)."""
        m, n, profile = self.old_leaf_count, self.leaf_count, self.profile
        queue = list(self.nodes)
        t = (m & -m).bit_length() - 1
        old, new, old_root = profile.null(t), queue.pop(0), None
        for level in range(t, root_level(n)):
            if level == root_level(m):
                old_root = old
            i = m >> level
            if i & 1:
                left = queue.pop(0)
                new = profile.node_hash(level + 1, left, new)
                if level < root_level(m):
                    old = profile.node_hash(level + 1, left, old)
            else:
                right = profile.null(level) if is_null(n, level, i + 1) else queue.pop(0)
                new = profile.node_hash(level + 1, new, right)
                if level < root_level(m):
                    old = profile.node_hash(level + 1, old, profile.null(level))
        assert not queue, "the decoder counted the nodes"
        return (old if old_root is None else old_root), new

    def verify(self, old_head, head):
        for what in ("chain_id", "profile", "scheme"):
            expect(getattr(old_head, what) == getattr(head, what), f"the heads differ in {what}")
        check_head(old_head, self.profile, self.old_leaf_count)
        check_head(head, self.profile, self.leaf_count)
        old_root, new_root = self.roots()
        expect(old_root == old_head.root, "the old root differs")
        expect(new_root == head.root, "the new root differs")

    def json_body(self):
        return {"oldLeafCount": self.old_leaf_count, "leafCount": self.leaf_count, "nodes": _json_digests(self.nodes)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "oldLeafCount", "leafCount", "nodes"))
        return cls(profile, json_uint(value["oldLeafCount"]), json_uint(value["leafCount"]),
                   tuple(json_list(value["nodes"], json_hash))).check()


# --- 5 witness -------------------------------------------------------------------------------------------------------

def leaf_json(data):
    """A leaf, or the payload of one, as JSON: as many words as there are bytes for."""
    return {name: hex0x(data[32 * i:32 * i + 32]) for i, name in zip(range(len(data) // 32), WORD_NAMES)}


def leaf_from_json(value, words):
    json_object(value, WORD_NAMES[:words])
    return b"".join(json_hash(value[name]) for name in WORD_NAMES[:words])


@dataclass(frozen=True)
class Witness(Proof):
    profile: Profile
    tx_num: int
    leaf_count: int
    leaf: bytes
    siblings: tuple

    kind, name = 5, "witness"

    @classmethod
    def make(cls, tree, tx_num):
        path = Inclusion.make(tree, tx_num)
        return cls(tree.profile, tx_num, tree.leaf_count, tree.log.leaves[tx_num], path.siblings)

    def body(self):
        return u64(self.tx_num) + u64(self.leaf_count) + self.leaf + _digests(self.siblings)

    @classmethod
    def read(cls, profile, r):
        tx_num, leaf_count = r.uint(8), r.uint(8)
        in_tree(tx_num < leaf_count, "tx_num is not below leaf_count")
        leaf = r.take(128)
        return cls(profile, tx_num, leaf_count, leaf, tuple(r.items(root_level(leaf_count), 32))).check()

    def check(self):
        Inclusion(self.profile, self.tx_num, self.leaf_count, self.siblings).check()
        in_tree(self.tx_num != 0 or self.leaf[96:] == ZERO, "leaf 0 has a previous leaf")
        return self

    def verify(self, head, tx_num):
        path = Inclusion(self.profile, self.tx_num, self.leaf_count, self.siblings)
        path.verify(head, tx_num, self.profile.leaf_hash(self.leaf))

    def json_body(self):
        return {"txNum": self.tx_num, "leafCount": self.leaf_count, "leaf": leaf_json(self.leaf),
                "siblings": _json_digests(self.siblings)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "txNum", "leafCount", "leaf", "siblings"))
        return cls(profile, json_uint(value["txNum"]), json_uint(value["leafCount"]), leaf_from_json(value["leaf"], 4),
                   tuple(json_list(value["siblings"], json_hash))).check()


# --- 6 range witness -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class RangeWitness(Proof):
    profile: Profile
    first: int
    end: int
    leaf_count: int
    previous_leaf_hash: bytes
    payloads: tuple
    siblings: tuple

    kind, name = 6, "rangeWitness"

    @classmethod
    def make(cls, tree, first, end):
        leaves = tree.log.leaves[first:end]
        return cls(tree.profile, first, end, tree.leaf_count, leaves[0][96:], tuple(leaf[:96] for leaf in leaves),
                   Range.make(tree, first, end).siblings)

    def body(self):
        return (u64(self.first) + u64(self.end) + u64(self.leaf_count) + self.previous_leaf_hash
                + b"".join(self.payloads) + _digests(self.siblings))

    @classmethod
    def read(cls, profile, r):
        first, end, leaf_count = r.uint(8), r.uint(8), r.uint(8)
        _check_range(first, end, leaf_count)
        previous = r.take(32)
        payloads = tuple(r.items(end - first, 96))
        count = len(sent_siblings_of_range(leaf_count, first, end))
        return cls(profile, first, end, leaf_count, previous, payloads, tuple(r.items(count, 32))).check()

    def check(self):
        Range(self.profile, self.first, self.end, self.leaf_count, self.siblings).check()
        in_tree(len(self.payloads) == self.end - self.first, "wrong number of leaves")
        in_tree(self.first != 0 or self.previous_leaf_hash == ZERO, "leaf 0 has a previous leaf")
        return self

    def leaf_hashes(self):
        return chain(self.profile, self.payloads, self.previous_leaf_hash)[1]

    def verify(self, head, first, end):
        proof = Range(self.profile, self.first, self.end, self.leaf_count, self.siblings)
        proof.verify(head, first, end, self.leaf_hashes())

    def json_body(self):
        return {"from": self.first, "to": self.end, "leafCount": self.leaf_count,
                "previousLeafHash": hex0x(self.previous_leaf_hash),
                "leaves": [leaf_json(words) for words in self.payloads], "siblings": _json_digests(self.siblings)}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "from", "to", "leafCount", "previousLeafHash", "leaves", "siblings"))
        return cls(profile, json_uint(value["from"]), json_uint(value["to"]), json_uint(value["leafCount"]),
                   json_hash(value["previousLeafHash"]),
                   tuple(json_list(value["leaves"], lambda leaf: leaf_from_json(leaf, 3))),
                   tuple(json_list(value["siblings"], json_hash))).check()


# --- Any kind --------------------------------------------------------------------------------------------------------

KINDS = {cls.kind: cls for cls in (Inclusion, Range, Multi, Consistency, Witness, RangeWitness, State)}
KIND_BY_NAME = {cls.name: cls for cls in KINDS.values()}


def decode(data):
    """A proof of any kind from its bytes."""
    r = Reader(data)
    need(r.take(4) == MAGIC, DecodeError, "the magic is not QMPF")
    version, profile_id, kind = r.uint(1), r.uint(1), r.uint(1)
    need(version == VERSION, DecodeError, f"version {version} is unknown")
    need(profile_id in PROFILE_BY_ID, DecodeError, f"profile {profile_id} is unknown")
    need(kind in KINDS, DecodeError, f"kind {kind} is unknown")
    proof = KINDS[kind].read(PROFILE_BY_ID[profile_id], r)
    r.end()
    return proof


def from_json(value):
    """A proof of any kind from its JSON."""
    need(isinstance(value, dict), DecodeError, "an object is wanted")
    kind = json_name(value.get("kind"), KIND_BY_NAME)
    return kind.read_json(json_name(value.get("profile"), PROFILE_BY_NAME), value)
