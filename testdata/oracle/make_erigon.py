"""Vectors of Erigon's wire forms."""

from dataclasses import replace

import erigon as forms
from cases import Ask, Cases, flip, head_of, label, put, swap, test_log, test_tree
from codec import hex0x
from make_proofs import malformed_log, replaced_log
from tree import BLAKE3, KECCAK

PATHS = ((1, 0), (2, 1), (5, 4), (2047, 2046), (2048, 0), (2048, 2047), (2049, 2048), (4096, 2048), (4097, 4096),
         (8191, 6000), (8192, 8191), (8193, 8192))
WITNESSES = ((1, 0), (5, 3), (2048, 2047), (2049, 2048), (4096, 0), (8193, 8192))
RANGES = ((1, 0, 1), (2, 0, 2), (5, 0, 5), (5, 1, 4), (8, 3, 4), (2049, 2045, 2049), (4096, 2047, 2050),
          (4097, 4094, 4097), (8193, 4094, 4098), (8193, 8190, 8193))


def _le32(value):
    return value.to_bytes(4, "little")


def _le64(value):
    return value.to_bytes(8, "little")


def _path(tree, i):
    ask = Ask({"head": head_of(tree)}, {"txNum": i, "leafHash": tree.log.leaf_hashes[i]})
    return forms.ProofPath.make(tree, i), ask


def _witness(tree, i):
    return forms.Witness.make(tree, i), Ask({"head": head_of(tree)}, {"txNum": i})


def _range(tree, first, end):
    return forms.RangeWitness.make(tree, first, end), Ask({"head": head_of(tree)}, {"from": first, "to": end})


def _adder(cases, ask):
    def add(name, reason, stage, data, its_ask=ask):
        cases.invalid(name, reason, stage, data, its_ask, its_ask.heads["head"].profile)
    return add


def _heads_to_refuse(add, ask, data):
    """Heads that any form must be refused for."""
    head = ask.heads["head"]
    add("head-root-flipped", "the root is not the head's", "verify", data, ask.with_head(root=flip(head.root, 0)))
    add("head-of-other-profile", "Erigon's forms are keccak's", "verify", data, ask.with_head(profile=BLAKE3))
    add("head-of-a-higher-tree", "U is not the head's", "verify", data, ask.with_head(leaf_count=8192))
    add("head-of-a-lower-tree", "U is not the head's, or tx_num is not below its leaf count", "verify", data,
        ask.with_head(leaf_count=4095))
    add("head-of-empty-log", "tx_num is not below the head's leaf count", "verify", data,
        Ask({"head": head_of(test_tree(KECCAK, 0))}, ask.expected))


def _paths():
    cases = Cases(forms.ProofPath.decode, json=False)
    for n, i in PATHS:
        proof, ask = _path(test_tree(KECCAK, n), i)
        above = len(proof.siblings) - 11
        assert len(proof.encode()) == 8 + (above + 13) * 32
        cases.valid(f"{i}-of-{n}", proof, ask, KECCAK, u=above)
    n, i = 4097, 1027
    proof, ask = _path(test_tree(KECCAK, n), i)
    data = proof.encode()
    add = _adder(cases, ask)
    add("no-bytes", "wrong length", "decode", b"")
    add("seven-bytes", "wrong length", "decode", data[:7])
    add("integer-only", "wrong length", "decode", data[:8])
    add("one-byte-short", "wrong length", "decode", data[:-1])
    add("trailing-byte", "wrong length", "decode", data + b"\0")
    for items in (1, 2, 12):
        add(f"{items}-digests", "wrong length", "decode", data[:8 + 32 * items])
    add("u-0", "U is 0", "decode", data[:8 + 32 * 12] + data[-32:])
    root = KECCAK.node_hash(11, *_top_pair())
    small = test_tree(KECCAK, 5)
    only_twig = replace(forms.ProofPath.make(small, 4), root=root)
    without = replace(only_twig, siblings=only_twig.siblings[:11])
    add("u-0-with-twig-root", "U is 0; the path is right up to the twig's root", "decode", without.encode(),
        Ask({"head": head_of(small).with_(root=root)}, {"txNum": 4, "leafHash": small.log.leaf_hashes[4]}))
    add("one-level-short", "U is not the head's", "verify", data[:-64] + data[-32:])
    add("one-level-more", "U is not the head's", "verify", data[:-32] + KECCAK.null(13) + data[-32:])
    add("u-54", "U is more than any tree has", "either", data[:-32] + KECCAK.null(13) * 52 + data[-32:])
    for k in (12, 13, 32, 63):
        add(f"aliased-by-2-to-{k}", "tx_num is not below the head's leaf count; its low bits are the path's",
            "verify" if k == 12 else "either", put(data, 0, _le64(i + 2**k)), ask.expecting(txNum=i + 2**k))
    add("aliased-unseen", "as aliased-by-2-to-13, expected by its true position", "either",
        put(data, 0, _le64(i + 2**13)))
    add("tx-num-is-leaf-count", "tx_num is not below the head's leaf count", "verify", put(data, 0, _le64(n)),
        ask.expecting(txNum=n))
    add("big-endian", "the integer is little-endian", "either", put(data, 0, i.to_bytes(8, "big")))
    moved = put(data, 0, _le64(i + 2048))
    add("moved", "this is not the expected leaf", "verify", moved)
    add("moved-as-expected", "the path belongs to another position", "verify", moved, ask.expecting(txNum=i + 2048))
    add("self-hash-flipped", "the leaf hash inside is not the expected one", "verify", flip(data, 8))
    add("other-leaf-expected", "the leaf hash inside is not the expected one", "verify", data,
        ask.expecting(leafHash=label("another leaf")))
    add("self-hash-flipped-as-expected", "the path does not lead to the root", "verify", flip(data, 8),
        ask.expecting(leafHash=flip(proof.leaf_hash, 0)))
    for name, at in (("leaf-sibling", 0), ("twig-sibling", 10), ("last-sibling", len(proof.siblings) - 1)):
        add(f"{name}-flipped", "the path does not lead to the root", "verify", flip(data, 40 + 32 * at + 31))
    add("siblings-swapped", "the path does not lead to the root", "verify", swap(data, 40, 72))
    add("root-flipped", "the root inside is not the head's", "verify", flip(data, len(data) - 1))
    fork = replaced_log(KECCAK, n, i).tree(n)
    add("path-of-another-tree", "the root inside is not the head's, but the path leads to it", "verify",
        forms.ProofPath.make(fork, i).encode(), ask.expecting(leafHash=fork.log.leaf_hashes[i]))
    add("root-of-the-head-over-another-path", "the path does not lead to the root inside", "verify",
        replace(forms.ProofPath.make(fork, i), root=proof.root).encode(),
        ask.expecting(leafHash=fork.log.leaf_hashes[i]))
    _heads_to_refuse(add, ask, data)
    return cases


def _top_pair():
    tree = test_tree(KECCAK, 5)
    return tree.node(10, 0), tree.node(10, 1)


def _witnesses():
    cases = Cases(forms.Witness.decode, json=False)
    for n, i in WITNESSES:
        cases.valid(f"{i}-of-{n}", *_witness(test_tree(KECCAK, n), i), KECCAK,
                    leafHash=hex0x(test_log(KECCAK).leaf_hashes[i]))
    n, i = 4097, 1027
    witness, ask = _witness(test_tree(KECCAK, n), i)
    data = witness.encode()
    size = len(witness.path.encode())
    leaf = 4 + size
    add = _adder(cases, ask)
    add("no-bytes", "wrong length", "decode", b"")
    add("length-only", "the proof is missing", "decode", data[:4])
    add("no-leaf", "the leaf is missing", "decode", data[:leaf])
    add("one-byte-short", "the leaf is cut", "decode", data[:-1])
    add("trailing-byte", "bytes after the leaf", "decode", data + b"\0")
    add("trailing-word", "bytes after the leaf", "decode", data + bytes(32))
    add("length-too-small", "the proof has no such length", "decode", put(data, 0, _le32(size - 1)))
    add("length-a-digest-short", "the leaf does not end the bytes", "decode", put(data, 0, _le32(size - 32)))
    add("length-a-digest-more", "the leaf is cut", "decode", put(data, 0, _le32(size + 32)))
    add("length-0", "the proof has no such length", "decode", put(data, 0, _le32(0)))
    add("length-maximal", "the proof is missing", "decode", put(data, 0, b"\xff" * 4))
    add("length-big-endian", "the proof is missing", "decode", put(data, 0, size.to_bytes(4, "big")))
    no_upper = witness.path.encode()
    no_upper = no_upper[:8 + 32 * 12] + no_upper[-32:]
    add("u-0", "U is 0", "decode", _le32(len(no_upper)) + no_upper + witness.leaf)
    for word, name in enumerate(("pre", "change", "transition", "previous")):
        add(f"{name}-flipped", "the leaf is not the one in the proof", "verify", flip(data, leaf + 32 * word))
    add("words-swapped", "the leaf is not the one in the proof", "verify", swap(data, leaf, leaf + 32))
    add("self-hash-flipped", "the leaf is not the one in the proof", "verify", flip(data, 12))
    add("sibling-flipped", "the path does not lead to the root", "verify", flip(data, 4 + 40))
    add("aliased-by-2-to-13", "tx_num is not below the head's leaf count; its low bits are the path's", "either",
        put(data, 4, _le64(i + 2**13)), ask.expecting(txNum=i + 2**13))
    add("moved", "this is not the expected leaf", "verify", put(data, 4, _le64(i + 2048)))
    add("other-position-expected", "this is not the expected leaf", "verify", data, ask.expecting(txNum=i + 1))
    malformed = malformed_log(KECCAK).tree(5)
    add("leaf-0-with-previous-in-the-tree", "leaf 0 has a previous leaf, and the tree holds it", "either",
        forms.Witness.make(malformed, 0).encode(), Ask({"head": head_of(malformed)}, {"txNum": 0}))
    _heads_to_refuse(add, ask, data)
    return cases


def _range_witnesses():
    cases = Cases(forms.RangeWitness.decode, json=False)
    for n, first, end in RANGES:
        cases.valid(f"{first}-to-{end}-of-{n}", *_range(test_tree(KECCAK, n), first, end), KECCAK,
                    leafHashes=[hex0x(h) for h in test_log(KECCAK).leaf_hashes[first:end]])
    n, first, end = 4097, 2046, 2049
    tree = test_tree(KECCAK, n)
    witness, ask = _range(tree, first, end)
    data = witness.encode()
    size = len(witness.first.encode())
    assert size == len(witness.last.encode())
    last, count = 4 + size, 8 + 2 * size  # offsets: of the length of the last proof; of the count
    leaves = count + 4
    add = _adder(cases, ask)

    def with_(**changes):
        return replace(witness, **changes).encode()

    def leaf_at(k):
        return leaves + 136 * k

    add("no-bytes", "wrong length", "decode", b"")
    add("first-proof-only", "the last proof is missing", "decode", data[:last])
    add("proofs-only", "the count is missing", "decode", data[:count])
    add("one-byte-short", "the last leaf is cut", "decode", data[:-1])
    add("one-leaf-short", "a leaf is missing", "decode", data[:-136])
    add("trailing-byte", "bytes after the last leaf", "decode", data + b"\0")
    add("trailing-leaf", "bytes after the last leaf", "decode", data + data[-136:])
    add("count-too-small", "bytes after the last leaf", "decode", put(data, count, _le32(2)))
    add("count-too-big", "a leaf is missing", "decode", put(data, count, _le32(4)))
    add("count-maximal", "leaves are missing", "decode", put(data, count, b"\xff" * 4))
    add("count-wraps", "leaves are missing; 136 * count is 0 in 32 bits", "decode", data[:count] + _le32(2**29))
    add("first-length-0", "the proof has no such length", "decode", put(data, 0, _le32(0)))
    add("first-length-maximal", "the proof is missing", "decode", put(data, 0, b"\xff" * 4))
    add("last-length-too-big", "the proof has no such length", "decode", put(data, last, _le32(size + 1)))
    add("last-length-0", "the proof has no such length", "decode", put(data, last, _le32(0)))
    add("no-leaves", "the range is empty", "either", with_(leaves=()), ask.expecting(to=first))
    add("no-leaves-of-three", "the range is empty", "either", with_(leaves=()))
    add("gap", "the positions are not one after the other", "either",
        with_(leaves=witness.leaves[:1] + witness.leaves[2:]))
    add("twice", "the positions are not one after the other", "either",
        with_(leaves=witness.leaves[:2] + witness.leaves[1:2]))
    add("position-of-a-leaf-flipped", "the positions are not one after the other", "either",
        flip(data, leaf_at(1), 0x10))
    add("other-range-expected", "these are not the expected leaves", "verify", data,
        ask.expecting(**{"from": first + 1, "to": end + 1}))
    add("fewer-expected", "these are not the expected leaves", "verify", data, ask.expecting(to=end - 1))
    add("middle-change-flipped", "the chain is broken", "either", flip(data, leaf_at(1) + 8 + 32))
    add("middle-previous-flipped", "the chain is broken", "either", flip(data, leaf_at(1) + 8 + 96))
    add("first-leaf-flipped", "the chain is broken", "either", flip(data, leaf_at(0) + 8))
    add("first-previous-flipped", "the chain is broken", "either", flip(data, leaf_at(0) + 8 + 96))
    add("last-leaf-flipped", "the last leaf is not the one in its proof", "verify", flip(data, leaf_at(2) + 8))
    forged = list(witness.leaves)
    payloads = [leaf[:96] for _, leaf in forged]
    payloads[1] = flip(payloads[1], 0)
    forged = _rechained(forged, payloads)
    add("middle-leaf-forged-and-chained", "the last leaf is not the one in its proof", "verify",
        with_(leaves=tuple(forged)))
    replaced = replaced_log(KECCAK, 8, 4).tree(8)
    add("chain-is-not-the-tree", "ends and chain are right, but the tree holds another leaf in the middle", "verify",
        forms.RangeWitness.make(replaced, 2, 7).encode(), Ask({"head": head_of(replaced)}, {"from": 2, "to": 7}))
    for name, at in (("first", 4), ("last", last + 4)):
        add(f"{name}-self-hash-flipped", "the leaf hash inside is not the leaf's", "verify", flip(data, at + 8))
        add(f"{name}-root-flipped", "the root inside is not the head's", "verify", flip(data, at + size - 1))
        add(f"{name}-aliased-by-2-to-13", "tx_num is not below the head's leaf count", "either",
            flip(data, at + 1, 0x20))
        for level in (0, 11):
            add(f"{name}-sibling-{level}-flipped", "the path does not lead to the root", "verify",
                flip(data, at + 40 + 32 * level))
    add("proofs-exchanged", "the first proof is of the last leaf", "either",
        with_(first=witness.last, last=witness.first))
    add("last-proof-of-another-leaf", "the last proof is not of the last leaf", "either",
        with_(last=forms.ProofPath.make(tree, end)))
    add("last-proof-of-another-tree", "the root inside is not the head's", "verify",
        with_(last=forms.ProofPath.make(test_tree(KECCAK, 4098), end - 1)))
    add("last-proof-of-a-lower-tree", "the proofs differ in U", "either",
        with_(last=forms.ProofPath.make(test_tree(KECCAK, 4095), end - 1)))
    malformed = malformed_log(KECCAK).tree(5)
    add("leaf-0-with-previous-in-the-tree", "leaf 0 has a previous leaf, and the tree holds it", "either",
        forms.RangeWitness.make(malformed, 0, 3).encode(), Ask({"head": head_of(malformed)}, {"from": 0, "to": 3}))
    one, one_ask = _range(test_tree(KECCAK, 8), 3, 4)
    add("one-leaf-other-last-proof", "the last proof does not lead to the root", "verify",
        flip(one.encode(), 4 + len(one.first.encode()) + 4 + 40), one_ask)
    add("head-root-flipped", "the root is not the head's", "verify", data,
        ask.with_head(root=flip(ask.heads["head"].root, 0)))
    return cases


def _rechained(leaves, payloads):
    """Leaves with new payloads, chained again from the hash before the first."""
    out, previous = [], leaves[0][1][96:]
    for (t, _), words in zip(leaves, payloads):
        out.append((t, words + previous))
        previous = KECCAK.leaf_hash(out[-1][1])
    return out


def erigon():
    return {"description": "Erigon's wire forms (keccak). stage of an invalid case: decode = the bytes must not decode;"
                           " verify = they must decode, and be refused for this head and these expectations; either = "
                           "they must be refused, at decoding or later. u is the number of levels above the twig root.",
            "proofPath": _paths().to_json("ProofPath. expected: position and leaf hash."),
            "witness": _witnesses().to_json("Witness. expected: position."),
            "rangeWitness": _range_witnesses().to_json("RangeWitness. expected: positions from..to (half-open).")}
