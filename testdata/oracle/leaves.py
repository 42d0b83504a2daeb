"""Leaves: four words of 32 bytes, and the leaves that the vectors are made of.

Test leaf t has the words keccak256("pre" || t8), keccak256("chg" || t8), keccak256("trn" || t8), with t8 = t in 8 bytes
big-endian, in both profiles; the fourth word is the hash of the leaf before, by the leaf hash of the profile.
"""

from hashes import keccak256
from tree import ZERO, Log

WORD_NAMES = ("preStateHash", "stateChangeHash", "transitionHash", "previousLeafHash")
_words = []  # payloads of the test leaves: they are the same in every profile


def payload(t):
    """Words 0 to 2 of test leaf t: 96 bytes."""
    while len(_words) <= t:
        t8 = len(_words).to_bytes(8, "big")
        _words.append(b"".join(keccak256(name + t8) for name in (b"pre", b"chg", b"trn")))
    return _words[t]


def chain(profile, payloads, previous):
    """The leaves (128 bytes each) and their hashes that follow from payloads and the hash of the leaf before."""
    leaves, hashes = [], []
    for words in payloads:
        leaves.append(words + previous)
        previous = profile.leaf_hash(leaves[-1])
        hashes.append(previous)
    return leaves, hashes


class TestLog(Log):
    """The log of the test leaves 0 .. count, with the leaves themselves."""

    def __init__(self, profile, count, payloads=None, previous=ZERO):
        payloads = [payload(t) for t in range(count)] if payloads is None else payloads
        self.leaves, hashes = chain(profile, payloads, previous)
        super().__init__(profile, hashes)
