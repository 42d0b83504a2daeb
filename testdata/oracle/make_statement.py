"""Vectors of the public inputs of proofs about blocks: docs/FORMAT.md, sections 12.1, 12.2 and 12.4."""

from cases import label, test_log
from codec import hex0x, u8, u64
from hashes import keccak256
from head import Head
from leaves import TestLog
from tree import KECCAK, PROFILES, ZERO

FIRST = 1000
CHAIN, SPEC, READ_SET = 5, 17, 2
SIZES = (2, 3, 5)


def _head(profile, leaf_count, block):
    if leaf_count == 0:
        return Head(CHAIN, profile, READ_SET, 0, 0, ZERO)
    return Head(CHAIN, profile, READ_SET, block, leaf_count, test_log(profile).tree(leaf_count).root())


def _edge(profile, head):
    """The head, the last leaf's hash, and the left siblings on its way up."""
    log, count = test_log(profile), head.leaf_count
    if count == 0:
        return head.encode() + ZERO
    last, tree = count - 1, log.tree(count)
    peaks = [tree.node(level, (last >> level) - 1) for level in range(tree.root_level) if last >> level & 1]
    return head.encode() + log.leaf_hashes[last] + b"".join(peaks)


def _range_root(records):
    payloads = []
    for record in records:
        head = record[81:]
        words = (record[8:40], keccak256(b"qmtree/head/1" + head), keccak256(b"qmtree/range-block/1" + record))
        payloads.append(b"".join(words))
    tree = TestLog(KECCAK, len(payloads), payloads).tree(len(payloads))
    return keccak256(b"qmtree/range/1" + records[0][:8] + u64(len(records)) + tree.root())


def _case(profile, before, claimed, mode):
    program = keccak256(b"qmtree/backend/1" + b"exec")
    head_before = _head(profile, before, FIRST - 1)
    count, records, blocks, inputs = before, [], [], ZERO
    for index, size in enumerate(SIZES):
        number = FIRST + index
        first, count = count, count + size
        head = _head(profile, count, number)
        block_hash, parent = label(f"block {number}"), label(f"block {number - 1}")
        claims, claims_digest = (1, label("claims")) if claimed and index == 1 else (0, ZERO)
        records.append(u64(number) + block_hash + parent + u8(SPEC) + u64(first) + head.encode())
        inputs = keccak256(b"qmtree/execution-inputs/1" + inputs + u8(1) + u64(number) + block_hash + u64(claims)
                           + claims_digest)
        blocks.append({"number": number, "leaves": size, "claims": claims, "claimsDigest": hex0x(claims_digest),
                       "record": hex0x(records[-1])})
    last = FIRST + len(SIZES) - 1
    encoded = (u64(CHAIN) + label("rules") + u8(1) + u8(mode) + u64(FIRST) + u64(last) + label(f"block {FIRST - 1}")
               + label(f"block {last}") + label(f"state {FIRST - 1}") + label(f"state {last}") + u64(before)
               + u64(count - 1) + head_before.encode() + head.encode() + _range_root(records)
               + u64(sum(block["claims"] for block in blocks)) + inputs + (7).to_bytes(4, "big") + program
               + label("program"))
    assert len(encoded) == 538
    return {"name": f"{profile.name}-{before}" + ("-claims" if claimed else ""), "profile": profile.name,
            "mode": mode,
            "leavesBefore": before, "edge": hex0x(_edge(profile, head_before)), "blocks": blocks,
            "rangeRoot": hex0x(_range_root(records)), "publicInputs": hex0x(encoded),
            "statement": hex0x(keccak256(b"qmtree/public-inputs/2" + encoded))}


def statements():
    counts = (0, 1, 6, 2047, 2048, 4099)
    cases = [_case(profile, before, claimed, index % 3)
             for profile in PROFILES for index, before in enumerate(counts) for claimed in (False, True)]
    return {"description": "Public inputs of three blocks behind so many test leaves: chain 5, spec 17, scheme "
                           "read-set/1, rules = label('rules'), hash of block n = label('block n'), state root after it "
                           "= label('state n'), program version 7 and id label('program') of backend exec; mode is the trace mode; "
                           "label(t) = keccak256(t). The leaves are the test leaves that follow.",
            "cases": cases}
