"""Vectors of the six kinds of proofs: a spread of valid ones, and invalid ones made from them."""

from cases import Ask, Cases, fewer, flip, head_of, label, other, put, swap, test_log, test_tree
from codec import hex0x, u8, u32, u64
from leaves import TestLog, payload
from proofs import (Consistency, Inclusion, Multi, Range, RangeWitness, Witness, decode, sent_siblings,
                    sent_siblings_of_range)
from tree import MAX_U64, PROFILES, Log

STAGES = ("stage of an invalid case: decode = the bytes must not decode as a proof of this kind; verify = they must "
          "decode, and the proof must be refused for these heads and expectations. ")

# --- What every kind must refuse -------------------------------------------------------------------------------------


def _common(cases, profile, proof, ask, digest_count):
    """Header, length, digests and heads: the same for all kinds. Returns a function that adds one more invalid case."""
    encoded = proof.encode()
    digests = len(encoded) - 32 * digest_count

    def add(name, reason, stage, data, its_ask=ask):
        cases.invalid(f"{profile.name}-{name}", reason, stage, data, its_ask, profile)

    if proof.kind == Inclusion.kind:
        _bad_headers(add, encoded)
    add("header-only", "the body is missing", "decode", encoded[:7])
    add("cut-in-integers", "the body is cut", "decode", encoded[:20])
    add("one-byte-short", "the last digest is cut", "decode", encoded[:-1])
    add("one-digest-short", "a digest is missing", "decode", encoded[:-32])
    add("trailing-byte", "bytes after the last digest", "decode", encoded + b"\0")
    add("trailing-digest", "bytes after the last digest", "decode", encoded + label("one more"))
    add("version-2", "unknown version", "decode", put(encoded, 4, b"\2"))
    add("profile-3", "unknown profile", "decode", put(encoded, 5, b"\3"))
    add("kind-7", "unknown kind", "decode", put(encoded, 6, u8(7)))
    for kind in range(1, 7):
        if kind != proof.kind and (kind == proof.kind % 6 + 1 or proof.kind == Inclusion.kind):
            add(f"kind-{kind}", "a kind whose body does not have this length", "decode", put(encoded, 6, u8(kind)))

    add("other-profile", "the profile is not the head's", "verify", put(encoded, 5, u8(other(profile).id)))
    for name, at in (("first", 0), ("middle", digest_count // 2), ("last", digest_count - 1)):
        add(f"{name}-digest-flipped", "a digest is not the tree's", "verify", flip(encoded, digests + 32 * at + 31))
    add("digests-swapped", "two digests are in the wrong order", "verify", swap(encoded, digests, digests + 32))
    for name in ask.heads:
        head = ask.heads[name]
        add(f"{name}-root-flipped", "the root is not the head's", "verify", encoded,
            ask.with_head(name, root=flip(head.root, 0)))
        add(f"{name}-with-more-leaves", "the leaf count is not the head's", "verify", encoded,
            ask.with_head(name, leaf_count=head.leaf_count + 1))
        add(f"{name}-with-fewer-leaves", "the leaf count is not the head's", "verify", encoded,
            ask.with_head(name, leaf_count=head.leaf_count - 1))
        add(f"{name}-of-other-profile", "the profile is not the head's", "verify", encoded,
            ask.with_head(name, profile=other(profile)))
    return add


def _bad_headers(add, encoded):
    """More of the header, which is the same for all kinds: one kind stands for all."""
    add("no-bytes", "the header is missing", "decode", b"")
    add("half-a-header", "the header is cut", "decode", encoded[:4])
    add("magic-flipped", "wrong magic", "decode", flip(encoded, 0))
    add("magic-lower-case", "wrong magic", "decode", put(encoded, 0, b"qmpf"))
    add("version-0", "unknown version", "decode", put(encoded, 4, b"\0"))
    add("profile-0", "unknown profile", "decode", put(encoded, 5, b"\0"))
    add("kind-0", "unknown kind", "decode", put(encoded, 6, b"\0"))
    add("kind-255", "unknown kind", "decode", put(encoded, 6, b"\xff"))


def _common_json(cases, proof, digest_field, integer_fields, digest_holder=None):
    """JSON that is no proof, made from a good one. Returns a function that adds one more."""
    good = proof.to_json()

    def add(name, reason, **changes):
        cases.invalid_json(name, reason, {**good, **changes})

    for field in good:
        cases.invalid_json(f"without-{field}", "a field is missing", {k: v for k, v in good.items() if k != field})
    digests = good[digest_field]
    add("one-digest-short", "a digest is missing", **{digest_field: digests[:-1]})
    add("one-digest-more", "a digest too many", **{digest_field: digests + digests[-1:]})
    add("digest-cut", "a digest has 32 bytes", **{digest_field: digests[:-1] + [digests[-1][:-2]]})
    hexed = digests[-1][2:]
    for name, reason, form in (("without-0x", "hashes are 0x-hex", hexed), ("with-0X", "the x is lower-case", "0X" + hexed),
                               ("with-0x0x", "hashes are 0x-hex", "0x0x" + hexed),
                               ("as-numbers", "hashes are strings", list(bytes.fromhex(hexed))),
                               ("null", "hashes are strings", None)):
        add(f"digest-{name}", reason, **{digest_field: digests[:-1] + [form]})
    add("digests-null", "digests are a list", **{digest_field: None})
    add("kind-in-an-object", "the kind is a string", kind={good["kind"]: None})
    add("profile-in-an-object", "the profile is a string", profile={good["profile"]: None})
    add("unknown-field", "no such field", verified=True)
    add("field-of-another-kind", "this kind has no such field",
        **({"txNum": 0} if "txNum" not in good else {"from": 0}))
    cases.invalid_json("array-for-the-proof", "a proof is an object", list(good.values()))
    add("digests-in-one", "digests are a list", **{digest_field: "0x" + "".join(d[2:] for d in digests)})
    add("unknown-kind", "unknown kind", kind="exclusion")
    add("kind-by-number", "the kind is a name", kind=proof.kind)
    add("unknown-profile", "unknown profile", profile="sha256")
    for field in integer_fields:
        add(f"{field}-as-text", "integers are numbers", **{field: str(good[field])})
        add(f"{field}-negative", "integers are unsigned", **{field: -1})
        add(f"{field}-null", "a field has a value", **{field: None})
        add(f"{field}-too-big", "integers have 64 bits", **{field: 1 << 64})
    return add


# --- inclusion -------------------------------------------------------------------------------------------------------

INCLUSIONS = ((1, 0), (2, 0), (2, 1), (3, 2), (5, 4), (8, 3), (2047, 2046), (2048, 0), (2048, 2047), (2049, 0),
              (2049, 2047), (2049, 2048), (4095, 4094), (4096, 2048), (4096, 4095), (4097, 2047), (4097, 4095),
              (4097, 4096), (8191, 8190), (8192, 0), (8192, 8191), (8193, 4096), (8193, 8191), (8193, 8192))


def _inclusion(tree, i):
    ask = Ask({"head": head_of(tree)}, {"txNum": i, "leafHash": tree.log.leaf_hashes[i]})
    return Inclusion.make(tree, i), ask


def inclusion():
    cases = Cases(decode)
    for p in PROFILES:
        for n, i in fewer(p, INCLUSIONS):
            cases.valid(f"{p.name}-{i}-of-{n}", *_inclusion(test_tree(p, n), i), p)
    for p in PROFILES:
        _invalid_inclusion(cases, p)
    proof, _ = _inclusion(test_tree(PROFILES[0], 5), 4)
    add = _common_json(cases, proof, "siblings", ("txNum", "leafCount"))
    add("tx-num-is-leaf-count", "tx_num is not below leaf_count", txNum=5)
    add("no-leaves", "tx_num is not below leaf_count", leafCount=0)
    add("higher-tree", "the number of siblings is not the root level", leafCount=4096)
    return cases.to_json(STAGES + "expected: the position and leaf hash that the verifier asks for.")


def _invalid_inclusion(cases, p):
    n, i = 4097, 1027
    proof, ask = _inclusion(test_tree(p, n), i)
    encoded = proof.encode()
    add = _common(cases, p, proof, ask, len(proof.siblings))
    add("no-leaves", "tx_num is not below leaf_count", "decode", put(encoded, 15, u64(0)))
    add("tx-num-is-leaf-count", "tx_num is not below leaf_count", "decode", put(encoded, 7, u64(n)))
    add("tx-num-maximal", "tx_num is not below leaf_count", "decode", put(encoded, 7, u64(MAX_U64)))
    for k in (12, 13, 32, 63):
        add(f"aliased-by-2-to-{k}", "tx_num is not below leaf_count; its low bits are the path's", "decode",
            put(encoded, 7, u64(i + 2**k)), ask.expecting(txNum=i + 2**k))
    for k in (2, 11):
        moved = put(encoded, 7, u64(i + 2**k))
        add(f"moved-by-2-to-{k}", "this is not the expected leaf", "verify", moved)
        add(f"moved-by-2-to-{k}-as-expected", "the path belongs to another position", "verify", moved,
            ask.expecting(txNum=i + 2**k))
    add("other-position-expected", "this is not the expected leaf", "verify", encoded, ask.expecting(txNum=i + 1))
    add("other-leaf-expected", "the root differs", "verify", encoded, ask.expecting(leafHash=label("another leaf")))
    add("next-leaf-expected", "the root differs", "verify", encoded,
        ask.expecting(leafHash=test_log(p).leaf_hashes[i + 1]))
    add("one-leaf-more", "the leaf count is not the head's", "verify", put(encoded, 15, u64(n + 1)))
    add("higher-tree", "the number of siblings is not the root level", "decode", put(encoded, 15, u64(8192)))
    add("lower-tree", "the number of siblings is not the root level", "decode", put(encoded, 15, u64(4095)))
    add("maximal-leaf-count", "the number of siblings is not the root level", "decode", put(encoded, 15, u64(MAX_U64)))
    add("little-endian", "integers are big-endian", "decode",
        put(put(encoded, 7, i.to_bytes(8, "little")), 15, n.to_bytes(8, "little")))
    # The tree of 5 leaves, with nulls on most of the path.
    small, small_ask = _inclusion(test_tree(p, 5), 4)
    data = small.encode()
    add("null-sibling-flipped", "a null node is not null", "verify", flip(data, 23 + 32 * 11), small_ask)
    add("null-siblings-left-out", "null siblings are sent here", "decode",
        data[:23 + 32 * 2] + data[23 + 32 * 3:], small_ask)
    tree = test_tree(p, 5)
    behind = Inclusion(p, 5, 5, tuple(tree.node(level, (5 >> level) ^ 1) for level in range(12)))
    add("null-leaf-behind-the-last", "tx_num is not below leaf_count", "decode", behind.encode(),
        small_ask.expecting(txNum=5, leafHash=tree.node(0, 5)))
    empty = test_tree(p, 0)
    add("head-of-empty-log", "the leaf count is not the head's", "verify", data, Ask({"head": head_of(empty)},
                                                                                     small_ask.expected))


# --- range -----------------------------------------------------------------------------------------------------------

RANGES = ((1, 0, 1), (2, 0, 2), (2, 1, 2), (3, 1, 3), (5, 0, 5), (5, 1, 4), (8, 3, 4), (8, 4, 8), (2047, 2040, 2047),
          (2048, 2047, 2048), (2048, 0, 2048), (2049, 2045, 2049), (2049, 2048, 2049), (4096, 0, 2048),
          (4096, 2047, 2050), (4096, 4095, 4096), (4097, 4090, 4097), (8191, 6143, 6146), (8192, 0, 8192),
          (8193, 0, 1), (8193, 1, 8192), (8193, 4094, 4098), (8193, 8190, 8193))


def _range(tree, first, end):
    ask = Ask({"head": head_of(tree)}, {"from": first, "to": end, "leafHashes": tree.log.leaf_hashes[first:end]})
    proof = Range.make(tree, first, end)
    if end - first <= 16:
        assert proof.siblings == Multi.make(tree, range(first, end)).siblings
    assert sent_siblings(tree.leaf_count, range(first, end)) == sent_siblings_of_range(tree.leaf_count, first, end)
    return proof, ask


def ranges():
    _compare_ways_to_name_siblings()
    cases = Cases(decode)
    for p in PROFILES:
        for n, first, end in fewer(p, RANGES):
            cases.valid(f"{p.name}-{first}-to-{end}-of-{n}", *_range(test_tree(p, n), first, end), p)
    for p in PROFILES:
        _invalid_range(cases, p)
    proof, _ = _range(test_tree(PROFILES[0], 5), 1, 4)
    add = _common_json(cases, proof, "siblings", ("from", "to", "leafCount"))
    add("empty", "from is not below to", **{"from": 4})
    add("reversed", "from is not below to", **{"from": 4, "to": 1})
    add("behind-the-last", "to is above leaf_count", to=6)
    return cases.to_json(STAGES + "expected: positions from..to (half-open), the leaf hashes there (null where "
                                  "there are more than 64; they are the test leaves') and the SHA-256 of their "
                                  "concatenation.")


def _compare_ways_to_name_siblings():
    """The quick way to name a range's siblings, which decoding needs for huge ranges, against the definition."""
    for n in (1, 2, 3, 8, 13, 2049):
        for first in range(min(n, 14)):
            for end in list(range(first + 1, min(n, 14) + 1)) + [n]:
                assert sent_siblings_of_range(n, first, end) == sent_siblings(n, range(first, end))


def _invalid_range(cases, p):
    n, first, end = 4097, 2045, 2050
    proof, ask = _range(test_tree(p, n), first, end)
    encoded = proof.encode()
    hashes = ask.expected["leafHashes"]
    add = _common(cases, p, proof, ask, len(proof.siblings))

    def positions(new_first, new_end):
        return put(put(encoded, 7, u64(new_first)), 15, u64(new_end))

    add("empty", "from is not below to", "decode", positions(first, first))
    add("empty-at-the-end", "from is not below to", "decode", positions(n, n))
    add("empty-at-0", "from is not below to", "decode", positions(0, 0))
    add("reversed", "from is not below to", "decode", positions(end, first))
    add("behind-the-last", "to is above leaf_count", "decode", positions(first, n + 1))
    # The last leaf and the null leaf behind it: the siblings lead to the root, if nobody looks at leaf_count.
    end_tree = test_tree(p, 2047)
    beyond = sent_siblings_of_range(2047, 2046, 2048)
    add("to-is-leaf-count-plus-1", "to is above leaf_count; behind the last leaf is a null leaf", "decode",
        encoded[:7] + u64(2046) + u64(2048) + u64(2047) + b"".join(end_tree.node(*name) for name in beyond),
        Ask({"head": head_of(end_tree)},
            {"from": 2046, "to": 2048, "leafHashes": [end_tree.node(0, 2046), end_tree.node(0, 2047)]}))
    add("no-leaves", "to is above leaf_count", "decode", put(encoded, 23, u64(0)))
    add("aliased-by-2-to-13", "to is above leaf_count; its low bits are the paths'", "decode",
        positions(first + 2**13, end + 2**13), ask.expecting(**{"from": first + 2**13, "to": end + 2**13}))
    add("moved", "the number of siblings is another", "decode", positions(first - 1024, end - 1024))
    add("one-leaf-fewer", "the number of siblings is another", "decode", positions(first, end - 1))
    add("one-leaf-more", "this is not the expected range", "verify", positions(first, end + 1))
    # 1..4 and 5..8 of 8 leaves send the same number of siblings.
    three, three_ask = _range(test_tree(p, 8), 1, 4)
    moved = put(three.encode(), 7, u64(5) + u64(8))
    add("moved-in-8", "this is not the expected range", "verify", moved, three_ask)
    add("moved-in-8-as-expected", "the siblings belong to other positions", "verify", moved,
        three_ask.expecting(**{"from": 5, "to": 8}))
    add("other-positions-expected", "this is not the expected range", "verify", encoded,
        ask.expecting(**{"from": first + 1, "to": end + 1}))
    add("fewer-expected", "this is not the expected range", "verify", encoded,
        ask.expecting(to=end - 1, leafHashes=hashes[:-1]))
    add("one-hash-short", "fewer leaf hashes than positions", "verify", encoded, ask.expecting(leafHashes=hashes[:-1]))
    add("one-hash-more", "more leaf hashes than positions", "verify", encoded,
        ask.expecting(leafHashes=hashes + hashes[-1:]))
    add("other-leaf-in-the-middle", "the root differs", "verify", encoded,
        ask.expecting(leafHashes=hashes[:2] + [label("another leaf")] + hashes[3:]))
    add("leaves-swapped", "the root differs", "verify", encoded,
        ask.expecting(leafHashes=[hashes[1], hashes[0]] + hashes[2:]))
    small, small_ask = _range(test_tree(p, 5), 1, 4)
    add("null-sibling-sent", "null siblings are not sent here", "decode", small.encode() + p.null(3), small_ask)
    add("known-sibling-sent", "siblings inside the range are not sent", "decode",
        small.encode() + test_log(p).leaf_hashes[3], small_ask)
    # Decoding must not walk these ranges.
    add("huge-whole", "not the head's leaf count", "verify", encoded[:7] + u64(0) + 2 * u64(MAX_U64))
    count = len(sent_siblings_of_range(MAX_U64, 1, MAX_U64 - 1))
    add("huge-inner", "not the head's leaf count", "verify",
        encoded[:7] + u64(1) + u64(MAX_U64 - 1) + u64(MAX_U64) + label("x") * count)
    add("huge-without-siblings", "siblings are missing", "decode",
        encoded[:7] + u64(1) + u64(MAX_U64 - 1) + u64(MAX_U64))


# --- multi -----------------------------------------------------------------------------------------------------------

MULTIS = ((1, (0,)), (2, (0, 1)), (5, (0, 4)), (5, (0, 1, 2, 3, 4)), (8, (1, 3, 5)), (2047, (0, 2046)),
          (2048, (2047,)), (2049, (0, 2047, 2048)), (4096, (1000, 1001, 3000)), (4097, (0, 2048, 4096)),
          (8191, (5, 4000, 8190)), (8192, (2047, 2048, 8191)), (8193, (0, 1, 2047, 2048, 4095, 4096, 8191, 8192)),
          (8193, (8192,)), (8193, tuple(range(0, 36, 7))))


def _multi(tree, tx_nums):
    hashes = [tree.log.leaf_hashes[t] for t in tx_nums]
    return Multi.make(tree, tx_nums), Ask({"head": head_of(tree)}, {"txNums": list(tx_nums), "leafHashes": hashes})


def multi():
    cases = Cases(decode)
    for p in PROFILES:
        for n, tx_nums in fewer(p, MULTIS):
            name = "-".join(map(str, tx_nums)) if len(tx_nums) <= 8 else f"{len(tx_nums)}-leaves"
            cases.valid(f"{p.name}-{name}-of-{n}", *_multi(test_tree(p, n), tx_nums), p)
    for p in PROFILES:
        _invalid_multi(cases, p)
    proof, _ = _multi(test_tree(PROFILES[0], 5), (0, 2, 4))
    add = _common_json(cases, proof, "siblings", ("leafCount",))
    add("empty", "no leaf is proven", txNums=[])
    add("twice", "the positions do not ascend strictly", txNums=[0, 0, 2, 4])
    add("positions-as-texts", "integers are numbers", txNums=["0", "2", "4"])
    add("positions-null", "positions are a list", txNums=None)
    add("unsorted", "the positions do not ascend strictly", txNums=[0, 4, 2])
    add("behind-the-last", "a position is not below leaf_count", txNums=[0, 2, 5])
    return cases.to_json(STAGES + "expected: the positions and leaf hashes that the verifier asks for.")


def _invalid_multi(cases, p):
    n, tx_nums = 2052, (2045, 2047, 2048, 2050)
    proof, ask = _multi(test_tree(p, n), tx_nums)
    encoded = proof.encode()
    siblings = b"".join(proof.siblings)
    hashes = ask.expected["leafHashes"]
    add = _common(cases, p, proof, ask, len(proof.siblings))

    def body(positions, count=None, leaf_count=n, digests=siblings):
        count = len(positions) if count is None else count
        return encoded[:7] + u64(leaf_count) + u32(count) + b"".join(map(u64, positions)) + digests

    add("empty", "no leaf is proven", "decode", body(()))
    add("empty-without-siblings", "no leaf is proven", "decode", body((), digests=b""))
    add("empty-tree", "no leaf is proven", "decode", body((), leaf_count=0, digests=b""))
    add("twice", "the positions do not ascend strictly", "decode", body((2045, 2047, 2047, 2048, 2050)))
    add("unsorted", "the positions do not ascend strictly", "decode", body((2045, 2048, 2047, 2050)))
    add("descending", "the positions do not ascend strictly", "decode", body(tx_nums[::-1]))
    add("is-leaf-count", "a position is not below leaf_count", "decode", body((2045, 2047, 2048, 2052)))
    add("aliased-by-2-to-12", "a position is not below leaf_count; its low bits are the path's", "decode",
        body((2045, 2047, 2048, 2050 + 2**12)), ask.expecting(txNums=[2045, 2047, 2048, 2050 + 2**12]))
    add("no-leaves", "a position is not below leaf_count", "decode", body(tx_nums, leaf_count=0))
    add("count-too-small", "count is not the number of positions", "decode", body(tx_nums, count=3))
    add("count-too-big", "count is not the number of positions", "decode", body(tx_nums, count=5))
    add("count-maximal", "count is not the number of positions", "decode", body(tx_nums, count=2**32 - 1))
    add("count-wraps", "count is not the number of positions; 8 * count is 0 in 32 bits", "decode",
        body((), count=2**29, digests=b""))
    moved = (2044, 2047, 2048, 2050)
    add("moved", "these are not the expected leaves", "verify", body(moved))
    add("moved-as-expected", "the siblings belong to other positions", "verify", body(moved),
        ask.expecting(txNums=list(moved)))
    add("others-expected", "these are not the expected leaves", "verify", encoded,
        ask.expecting(txNums=[2045, 2046, 2048, 2050]))
    add("fewer-expected", "these are not the expected leaves", "verify", encoded,
        ask.expecting(txNums=list(tx_nums[:-1]), leafHashes=hashes[:-1]))
    add("one-hash-short", "fewer leaf hashes than positions", "verify", encoded, ask.expecting(leafHashes=hashes[:-1]))
    add("one-hash-more", "more leaf hashes than positions", "verify", encoded,
        ask.expecting(leafHashes=hashes + hashes[-1:]))
    add("other-leaf", "the root differs", "verify", encoded,
        ask.expecting(leafHashes=hashes[:-1] + [label("another leaf")]))
    add("leaves-swapped", "the root differs", "verify", encoded, ask.expecting(leafHashes=hashes[::-1]))
    small, small_ask = _multi(test_tree(p, 5), (0, 2, 4))
    add("null-sibling-sent", "null siblings are not sent here", "decode", small.encode() + p.null(3), small_ask)


# --- consistency -----------------------------------------------------------------------------------------------------

CONSISTENCIES = ((1, 2), (1, 3), (2, 3), (3, 5), (4, 8), (6, 8), (7, 8), (1, 2048), (2047, 2048), (2047, 2049),
                 (2048, 2049), (2049, 2050), (1, 4096), (2048, 4096), (3072, 4096), (4095, 4096), (4095, 4097),
                 (4096, 4097), (1, 8193), (2048, 8192), (3000, 5000), (4096, 8192), (6144, 8193), (8191, 8192),
                 (8191, 8193), (8192, 8193))


def _consistency(log, m, n):
    old, new = log.tree(m), log.tree(n)
    return Consistency.make(new, m), Ask({"oldHead": head_of(old), "head": head_of(new)}, {})


def consistency():
    cases = Cases(decode)
    for p in PROFILES:
        for m, n in fewer(p, CONSISTENCIES):
            cases.valid(f"{p.name}-{m}-to-{n}", *_consistency(test_log(p), m, n), p)
    for p in PROFILES:
        _invalid_consistency(cases, p)
    proof, _ = _consistency(test_log(PROFILES[0]), 3, 5)
    add = _common_json(cases, proof, "nodes", ("oldLeafCount", "leafCount"))
    add("from-nothing", "old_leaf_count is 0", oldLeafCount=0)
    add("equal", "old_leaf_count is not below leaf_count", oldLeafCount=5)
    add("shrinking", "old_leaf_count is not below leaf_count", oldLeafCount=5, leafCount=3)
    return cases.to_json(STAGES + "The verifier brings two heads, oldHead and head.")


def _invalid_consistency(cases, p):
    m, n = 2052, 4097
    log = test_log(p)
    proof, ask = _consistency(log, m, n)
    encoded = proof.encode()
    add = _common(cases, p, proof, ask, len(proof.nodes))

    def counts(old, new):
        return put(encoded, 7, u64(old) + u64(new))

    add("from-nothing", "old_leaf_count is 0", "decode", counts(0, n))
    add("from-nothing-without-nodes", "old_leaf_count is 0", "decode", counts(0, n)[:23])
    add("equal", "old_leaf_count is not below leaf_count", "decode", counts(n, n))
    add("equal-without-nodes", "old_leaf_count is not below leaf_count", "decode", counts(n, n)[:23])
    add("shrinking", "old_leaf_count is not below leaf_count", "decode", counts(n, m))
    add("both-zero", "old_leaf_count is 0", "decode", counts(0, 0)[:23])
    add("both-maximal", "old_leaf_count is not below leaf_count", "decode", counts(MAX_U64, MAX_U64))
    add("heads-exchanged", "the heads are in the wrong order", "verify", encoded,
        Ask({"oldHead": ask.heads["head"], "head": ask.heads["oldHead"]}, {}))
    add("old-head-twice", "the new head is the old one", "verify", encoded,
        Ask({"oldHead": ask.heads["oldHead"], "head": ask.heads["oldHead"]}, {}))
    add("other-chain", "the heads differ in chain id", "verify", encoded, ask.with_head("oldHead", chain_id=2))
    add("other-scheme", "the heads differ in scheme", "verify", encoded, ask.with_head("oldHead", scheme=2))
    add("other-scheme-in-new-head", "the heads differ in scheme", "verify", encoded, ask.with_head("head", scheme=2))
    # Two logs that part at leaf 2000: neither direction is a prefix.
    fork = TestLog(p, n, [payload(t) if t < 2000 else payload(t + 1) for t in range(n)])
    fork_proof, fork_ask = _consistency(fork, m, n)
    add("old-head-of-a-fork", "the old root differs", "verify", encoded,
        Ask({"oldHead": fork_ask.heads["oldHead"], "head": ask.heads["head"]}, {}))
    add("new-head-of-a-fork", "the new root differs", "verify", encoded,
        Ask({"oldHead": ask.heads["oldHead"], "head": fork_ask.heads["head"]}, {}))
    add("proof-of-a-fork", "the old root differs", "verify", fork_proof.encode(),
        Ask({"oldHead": ask.heads["oldHead"], "head": fork_ask.heads["head"]}, {}))
    # The old tree had a leaf more than its head says, at a place that the new tree fills otherwise.
    rewritten = Log(p, log.leaf_hashes[:m - 1] + [label("rewritten")] + log.leaf_hashes[m:n])
    add("last-old-leaf-rewritten", "the old root differs", "verify", Consistency.make(rewritten.tree(n), m).encode(),
        Ask({"oldHead": ask.heads["oldHead"], "head": head_of(rewritten.tree(n))}, {}))
    small, small_ask = _consistency(log, 3, 5)
    add("null-node-sent", "null nodes are not sent here", "decode", small.encode() + p.null(3), small_ask)
    add("small-one-short", "a node is missing", "decode", small.encode()[:-32], small_ask)


# --- witness ---------------------------------------------------------------------------------------------------------

WITNESSES = ((1, 0), (2, 1), (5, 0), (5, 3), (2047, 2046), (2048, 2047), (2049, 0), (2049, 2048), (4096, 4095),
             (4097, 4096), (8191, 100), (8192, 8191), (8193, 0), (8193, 8192))


def _witness(tree, i):
    return Witness.make(tree, i), Ask({"head": head_of(tree)}, {"txNum": i})


def malformed_log(p):
    """Five chained leaves, the first of which names a previous leaf."""
    return TestLog(p, 5, previous=label("before the first"))


def witness():
    cases = Cases(decode)
    for p in PROFILES:
        for n, i in fewer(p, WITNESSES):
            cases.valid(f"{p.name}-{i}-of-{n}", *_witness(test_tree(p, n), i), p,
                        leafHash=hex0x(test_log(p).leaf_hashes[i]))
    for p in PROFILES:
        _invalid_witness(cases, p)
    proof, _ = _witness(test_tree(PROFILES[0], 5), 4)
    add = _common_json(cases, proof, "siblings", ("txNum", "leafCount"))
    add("tx-num-is-leaf-count", "tx_num is not below leaf_count", txNum=5)
    add("leaf-0-with-previous", "leaf 0 has a previous leaf", txNum=0)
    leaf = proof.to_json()["leaf"]
    for name in leaf:
        add(f"without-{name}", "a word is missing", leaf={k: v for k, v in leaf.items() if k != name})
    add("leaf-as-hash", "the leaf is an object", leaf=hex0x(proof.leaf))
    add("leaf-as-array", "the leaf is an object", leaf=list(leaf.values()))
    add("leaf-with-another-word", "a leaf has four words", leaf={**leaf, "verified": True})
    return cases.to_json(STAGES + "expected: the position that the verifier asks for; leafHash is for information.")


def _invalid_witness(cases, p):
    n, i = 4097, 1027
    proof, ask = _witness(test_tree(p, n), i)
    encoded = proof.encode()
    add = _common(cases, p, proof, ask, len(proof.siblings))
    add("no-leaves", "tx_num is not below leaf_count", "decode", put(encoded, 15, u64(0)))
    add("tx-num-is-leaf-count", "tx_num is not below leaf_count", "decode", put(encoded, 7, u64(n)))
    add("aliased-by-2-to-13", "tx_num is not below leaf_count; its low bits are the path's", "decode",
        put(encoded, 7, u64(i + 2**13)), ask.expecting(txNum=i + 2**13))
    moved = put(encoded, 7, u64(i + 2048))
    add("moved", "this is not the expected leaf", "verify", moved)
    add("moved-as-expected", "the path belongs to another position", "verify", moved, ask.expecting(txNum=i + 2048))
    add("other-position-expected", "this is not the expected leaf", "verify", encoded, ask.expecting(txNum=i + 1))
    for word, name in enumerate(("pre", "change", "transition", "previous")):
        add(f"{name}-flipped", "the root differs", "verify", flip(encoded, 23 + 32 * word))
    add("words-swapped", "the root differs", "verify", swap(encoded, 23, 55))
    add("higher-tree", "the number of siblings is not the root level", "decode", put(encoded, 15, u64(8192)))
    first, first_ask = _witness(test_tree(p, 5), 0)
    add("leaf-0-with-previous", "leaf 0 has a previous leaf", "decode", flip(first.encode(), 23 + 127), first_ask)
    malformed = malformed_log(p).tree(5)
    bad, bad_ask = Witness.make(malformed, 0), Ask({"head": head_of(malformed)}, {"txNum": 0})
    add("leaf-0-with-previous-in-the-tree", "leaf 0 has a previous leaf, and the tree holds it", "decode", bad.encode(),
        bad_ask)


# --- range witness ---------------------------------------------------------------------------------------------------

RANGE_WITNESSES = ((1, 0, 1), (2, 0, 2), (5, 0, 5), (5, 1, 4), (5, 4, 5), (2047, 2044, 2047), (2048, 2047, 2048),
                   (2049, 2045, 2049), (2049, 2048, 2049), (4096, 2047, 2050), (4097, 4094, 4097), (8191, 6143, 6146),
                   (8192, 0, 3), (8193, 4094, 4098), (8193, 8190, 8193))


def _range_witness(tree, first, end):
    return RangeWitness.make(tree, first, end), Ask({"head": head_of(tree)}, {"from": first, "to": end})


def replaced_log(p, count, at):
    """The first test leaves, but the tree holds another leaf at one place, and the chain does not know of it."""
    log = TestLog(p, count)
    log.leaf_hashes[at] = label("replaced")
    return log


def range_witness():
    cases = Cases(decode)
    for p in PROFILES:
        for n, first, end in fewer(p, RANGE_WITNESSES):
            hashes = test_log(p).leaf_hashes[first:end]
            cases.valid(f"{p.name}-{first}-to-{end}-of-{n}", *_range_witness(test_tree(p, n), first, end), p,
                        leafHashes=[hex0x(h) for h in hashes])
    for p in PROFILES:
        _invalid_range_witness(cases, p)
    proof, _ = _range_witness(test_tree(PROFILES[0], 5), 1, 4)
    add = _common_json(cases, proof, "siblings", ("from", "to", "leafCount"))
    add("empty", "from is not below to", **{"from": 4, "leaves": []})
    add("behind-the-last", "to is above leaf_count", to=6)
    leaves = proof.to_json()["leaves"]
    add("one-leaf-short", "fewer leaves than positions", leaves=leaves[:-1])
    add("one-leaf-more", "more leaves than positions", leaves=leaves + leaves[-1:])
    add("leaves-as-arrays", "leaves are objects", leaves=[list(leaf.values()) for leaf in leaves])
    add("leaves-with-link", "these leaves have three words",
        leaves=[{**leaf, "previousLeafHash": hex0x(label("link"))} for leaf in leaves])
    for name in leaves[0]:
        add(f"without-{name}", "a word is missing",
            leaves=[{k: v for k, v in leaf.items() if k != name} for leaf in leaves])
    whole = RangeWitness.make(test_tree(PROFILES[0], 5), 0, 4).to_json()
    cases.invalid_json("leaf-0-with-previous", "leaf 0 has a previous leaf",
                       {**whole, "previousLeafHash": hex0x(label("before the first"))})
    return cases.to_json(STAGES + "expected: positions from..to (half-open); leafHashes is for information.")


def _invalid_range_witness(cases, p):
    n, first, end = 4097, 2046, 2049
    proof, ask = _range_witness(test_tree(p, n), first, end)
    encoded = proof.encode()
    add = _common(cases, p, proof, ask, len(proof.siblings))
    leaves = 7 + 24 + 32  # the offset of the first payload

    def positions(new_first, new_end):
        return put(encoded, 7, u64(new_first) + u64(new_end))

    add("empty", "from is not below to", "decode", positions(first, first))
    add("empty-without-leaves", "from is not below to", "decode", positions(first, first)[:leaves])
    add("reversed", "from is not below to", "decode", positions(end, first))
    add("behind-the-last", "to is above leaf_count", "decode", positions(first, n + 1))
    # As many leaves as the range has positions, the last of them behind the last of the tree.
    end_tree = test_tree(p, 2047)
    beyond = sent_siblings_of_range(2047, 2046, 2048)
    add("to-is-leaf-count-plus-1", "to is above leaf_count", "decode",
        encoded[:7] + u64(2046) + u64(2048) + u64(2047) + end_tree.log.leaf_hashes[2045]
        + end_tree.log.leaves[2046][:96] + bytes(96) + b"".join(end_tree.node(*name) for name in beyond),
        Ask({"head": head_of(end_tree)}, {"from": 2046, "to": 2048}))
    add("aliased-by-2-to-13", "to is above leaf_count; its low bits are the paths'", "decode",
        positions(first + 2**13, end + 2**13), ask.expecting(**{"from": first + 2**13, "to": end + 2**13}))
    add("one-leaf-more", "leaves are missing", "decode", positions(first, end + 1))
    add("one-leaf-cut-out", "leaves are missing", "decode", encoded[:leaves] + encoded[leaves + 96:])
    add("huge", "leaves are missing", "decode", put(encoded, 7, u64(0) + u64(2**60) + u64(2**60)))
    add("length-wraps", "leaves are missing; 96 * (to - from) is 0 in 64 bits", "decode",
        put(encoded[:leaves], 7, u64(1) + u64(1 + 2**59) + u64(2**60)))
    add("other-positions-expected", "this is not the expected range", "verify", encoded,
        ask.expecting(**{"from": first + 1, "to": end + 1}))
    add("fewer-expected", "this is not the expected range", "verify", encoded, ask.expecting(to=end - 1))
    add("previous-flipped", "the root differs", "verify", flip(encoded, 7 + 24))
    for name, at in (("first", 0), ("middle", 1), ("last", 2)):
        add(f"{name}-leaf-flipped", "the root differs", "verify", flip(encoded, leaves + 96 * at + 40))
    add("leaves-swapped", "the root differs", "verify", swap(encoded, leaves, leaves + 96, 96))
    small, small_ask = _range_witness(test_tree(p, 5), 0, 4)
    add("leaf-0-with-previous", "leaf 0 has a previous leaf", "decode", flip(small.encode(), 7 + 24), small_ask)
    malformed = malformed_log(p).tree(5)
    bad = RangeWitness.make(malformed, 0, 4)
    add("leaf-0-with-previous-in-the-tree", "leaf 0 has a previous leaf, and the tree holds it", "decode", bad.encode(),
        Ask({"head": head_of(malformed)}, {"from": 0, "to": 4}))
    replaced = replaced_log(p, 8, 4).tree(8)
    add("chain-is-not-the-tree", "the chain is whole, but the tree holds another leaf in the middle", "verify",
        RangeWitness.make(replaced, 2, 7).encode(), Ask({"head": head_of(replaced)}, {"from": 2, "to": 7}))
