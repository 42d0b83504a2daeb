"""What the vector files are made of: logs, heads, and cases that the oracle has tried itself before writing them."""

import hashlib
from dataclasses import dataclass, replace

import head as heads
import proofs
from codec import DecodeError, VerifyError, hex0x
from hashes import keccak256
from leaves import TestLog
from tree import BLAKE3, KECCAK

LEAVES = 8193
MAX_LISTED_HASHES = 64

# What is left out of the files, to keep them small: it is tried here all the same. The rules do not depend on the
# profile, so that for blake3 fewer cases are enough; and JSON differs by no more than the number of digests, so that
# the small trees and one large one are enough.
SMALL, WITH_JSON = 8, 4097
INVALID_OF_BLAKE3 = ("one-byte-short", "trailing-byte", "profile-3", "other-profile", "first-digest-flipped",
                     "digests-swapped", "root-flipped", "with-more-leaves", "of-other-profile", "as-expected",
                     "null-sibling-flipped", "sibling-sent", "node-sent", "in-the-tree", "not-the-tree", "of-a-fork",
                     "next-leaf-expected", "tx-num-is-leaf-count", "to-is-leaf-count-plus-1", "rewritten")

_logs = {}


def test_log(profile):
    """The log of all test leaves of a profile."""
    if profile not in _logs:
        _logs[profile] = TestLog(profile, LEAVES)
    return _logs[profile]


def test_tree(profile, leaf_count):
    return test_log(profile).tree(leaf_count)


def head_of(tree):
    """The head that the vectors use for a tree: chain 1, scheme 1, and the leaf count as block number."""
    return heads.Head(1, tree.profile, 1, tree.leaf_count, tree.leaf_count, tree.root())


def other(profile):
    return BLAKE3 if profile is KECCAK else KECCAK


@dataclass(frozen=True)
class Ask:
    """What a verifier brings: one head or two, and what it expects: the further arguments of `verify`, in order."""

    heads: dict
    expected: dict

    def verify(self, proof):
        proof.verify(*self.heads.values(), *self.expected.values())

    def with_head(self, name="head", **changes):
        return replace(self, heads={**self.heads, name: self.heads[name].with_(**changes)})

    def expecting(self, **changes):
        return replace(self, expected={**self.expected, **changes})

    def to_json(self):
        out = {name: hex0x(head.encode()) for name, head in self.heads.items()}
        if self.expected:
            out["expected"] = {}
        for name, value in self.expected.items():
            if isinstance(value, bytes):
                value = hex0x(value)
            elif name == "leafHashes":
                out["expected"]["leafHashesSha256"] = hex0x(hashlib.sha256(b"".join(value)).digest())
                value = [hex0x(h) for h in value] if len(value) <= MAX_LISTED_HASHES else None
            out["expected"][name] = value
        return out


def fewer(profile, items):
    """All items for keccak, every second one for blake3."""
    return items if profile is KECCAK else items[::2]


class Cases:
    """Collects the cases of one file; a case that the oracle itself does not find valid (invalid) is an error."""

    def __init__(self, decode, encode=lambda proof: proof.encode(), json=True):
        self.decode, self.encode, self.json = decode, encode, json
        self.valid_list, self.invalid_list, self.invalid_json_list = [], [], []

    def valid(self, name, proof, ask, profile, **more):
        encoded = self.encode(proof)
        assert self.decode(encoded) == proof, f"{name}: decoding does not give the proof back"
        ask.verify(proof)
        case = {"name": name, "profile": profile.name, **more, **ask.to_json(), "encoded": hex0x(encoded)}
        if self.json:
            value = proof.to_json()
            assert proofs.from_json(value) == proof, f"{name}: JSON does not give the proof back"
            if proof.leaf_count <= SMALL or (profile is KECCAK and proof.leaf_count == WITH_JSON):
                case["json"] = value
        self.valid_list.append(case)

    def invalid(self, name, reason, stage, encoded, ask, profile, **more):
        found = self._refusal(encoded, ask)
        assert found is not None, f"{name}: the oracle accepts it"
        assert stage in ("either", found), f"{name}: refused at {found}, not at {stage}"
        if profile is BLAKE3 and not name.endswith(INVALID_OF_BLAKE3):
            return
        self.invalid_list.append({"name": name, "profile": profile.name, "reason": reason, "stage": stage, **more,
                                  **ask.to_json(), "encoded": hex0x(encoded)})

    def _refusal(self, encoded, ask):
        try:
            ask.verify(self.decode(encoded))
        except DecodeError:
            return "decode"
        except VerifyError:
            return "verify"
        return None

    def invalid_json(self, name, reason, value):
        try:
            proofs.from_json(value)
        except DecodeError:
            self.invalid_json_list.append({"name": name, "reason": reason, "json": value})
            return
        raise AssertionError(f"{name}: the oracle accepts it")

    def to_json(self, description):
        lists = [self.valid_list, self.invalid_list, self.invalid_json_list]
        for cases in lists:
            names = [case["name"] for case in cases]
            assert len(set(names)) == len(names), "two cases have the same name"
        out = {"description": description, "valid": self.valid_list, "invalid": self.invalid_list}
        if self.json:
            out["invalidJson"] = self.invalid_json_list
        return out


def flip(data, offset, mask=0x01):
    """`data` with some bits of one byte changed."""
    out = bytearray(data)
    out[offset] ^= mask
    return bytes(out)


def put(data, offset, piece):
    """`data` with some bytes replaced."""
    assert offset + len(piece) <= len(data)
    return data[:offset] + piece + data[offset + len(piece):]


def swap(data, a, b, size=32):
    """`data` with the pieces at offsets a and b exchanged."""
    first, second = data[a:a + size], data[b:b + size]
    assert first != second
    return put(put(data, a, second), b, first)


def label(text):
    """A digest that stands for nothing: keccak256 of a text."""
    return keccak256(text.encode())
