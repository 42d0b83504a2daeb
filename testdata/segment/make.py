"""Golden segments, made from sections 1 and 7 of docs/FORMAT.md with the hashes of the oracle.

    python3 testdata/segment/make.py generate        write <profile>.txt and <profile>-pruned.txt beside this file
    python3 testdata/segment/make.py check           make them again and compare

The segment holds twigs 1 and 2 of the log of test leaves (../README.md), chain 1, scheme 1. Blocks start with number 5,
have 100 leaves each and none where the number divides by 7; block b has b - 5 entries and, but for block 5, the state
root keccak256(b in 8 bytes, big-endian). Leaf t has a tag if it is in twig 2 and t is odd: the first 8 bytes of
keccak256("tx" || t in 8 bytes, big-endian). A file of 451 KB is pinned by its parts that are not hashes or payload, in
hex, and by the keccak256 of it all.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

from hashes import keccak256, self_check  # noqa: E402
from leaves import chain, payload  # noqa: E402
from tree import PROFILES, ZERO  # noqa: E402

LEAVES = 2048
GROUP = 16
FIRST_TWIG = 1
TWIGS = 2


def _castagnoli():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _castagnoli()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def levels(profile, leaf_hashes):
    """Nodes by level, 0 to 11."""
    result = [leaf_hashes]
    while len(result[-1]) > 1:
        below = result[-1]
        pairs = zip(below[::2], below[1::2])
        result.append([profile.node_hash(len(result), left, right) for left, right in pairs])
    return result


def tag(t):
    return keccak256(b"tx" + t.to_bytes(8, "big"))[:8] if t // LEAVES == 2 and t % 2 else bytes(8)


def tags(twig_id):
    return b"".join(map(tag, range(twig_id * LEAVES, (twig_id + 1) * LEAVES)))


def twig(profile, twig_id, previous):
    """The bytes of a twig, its nodes by level, and the hash of its last leaf."""
    payloads = [payload(t) for t in range(twig_id * LEAVES, (twig_id + 1) * LEAVES)]
    _, hashes = chain(profile, payloads, previous)
    nodes_of = levels(profile, hashes)
    body = b"".join(payloads)
    anchors = b"".join([previous] + hashes[GROUP - 1 : LEAVES - 1 : GROUP])
    nodes = b"".join(b"".join(nodes_of[level]) for level in range(11, 3, -1))
    header = struct.pack("<IIIIQQ", crc32c(body), crc32c(anchors), crc32c(nodes), crc32c(tags(twig_id)), twig_id, 0)
    data = body + anchors + header + nodes
    assert len(data) == 208_896
    return data, nodes_of, hashes[-1]


def blocks(first_leaf, end):
    """Number of the first block, and the table."""
    first, table, leaf_count, number = 0, b"", 0, 5
    while True:
        leaf_count += 100 if number % 7 else 0
        if leaf_count > end:
            return first, table
        if leaf_count > first_leaf:
            first = first or number
            root = keccak256(b"root" + number.to_bytes(8, "big")) if leaf_count else ZERO
            state_root = keccak256(number.to_bytes(8, "big")) if number > 5 else ZERO
            table += struct.pack("<QQ", leaf_count, number - 5) + root + state_root
        number += 1


def segment(profile):
    """The whole segment and its pruned form, each as parts by name."""
    previous = ZERO
    for twig_id in range(FIRST_TWIG):
        _, hashes = chain(profile, [payload(t) for t in range(twig_id * LEAVES, (twig_id + 1) * LEAVES)], previous)
        previous = hashes[-1]
    anchor, twigs, trees, roots = previous, [], [], b""
    for twig_id in range(FIRST_TWIG, FIRST_TWIG + TWIGS):
        data, nodes, previous = twig(profile, twig_id, previous)
        twigs.append(data)
        trees.append(nodes)
        roots += nodes[11][0]
    first_block, table = blocks(FIRST_TWIG * LEAVES, (FIRST_TWIG + TWIGS) * LEAVES)
    ends = [struct.unpack_from("<Q", table, at)[0] for at in range(0, len(table), 80)]
    kept = b"".join(seams(nodes, twig_id, ends) for twig_id, nodes in enumerate(trees, FIRST_TWIG))
    forms = ((1, twigs, b""), (0, [], kept))
    return [form(profile, content, anchor, previous, data, roots, first_block, table, kept) for content, data, kept in forms]


def seams(nodes_of, twig_id, ends):
    """The kept nodes: the largest complete ones that no end of a block lies inside of, if one lies in the twig."""
    first = twig_id * LEAVES
    cuts = [end - first for end in ends if first < end < first + LEAVES]

    def keep(level, index):
        start, end = index << level, (index + 1) << level
        if any(start < cut < end for cut in cuts):
            return keep(level - 1, 2 * index) + keep(level - 1, 2 * index + 1)
        return nodes_of[level][index]

    return keep(11, 0) if cuts else b""


def form(profile, content, anchor, end, twigs, roots, first_block, table, kept):
    has_tags = content
    tag_part = b"".join(map(tags, range(FIRST_TWIG, FIRST_TWIG + TWIGS))) if has_tags else b""
    header = b"QMSEGMNT" + struct.pack("<IBBBBQ", 1, profile.id, 1, 11, 4, 1) + bytes([1, content, has_tags]) + bytes(5)
    header += struct.pack("<QQQQ", FIRST_TWIG, TWIGS, first_block, len(table) // 80) + anchor + end
    header += struct.pack("<Q", len(kept) // 32)
    crc = struct.pack("<I", crc32c(header + bytes(4092 - len(header))))
    length = 4096 + sum(map(len, twigs)) + len(tag_part) + len(roots) + len(table) + len(kept) + 32
    tail = struct.pack("<IIQQ", crc32c(roots + table + kept), 0, length, 0) + b"QMSEGEND"
    whole = header + bytes(4092 - len(header)) + crc + b"".join(twigs) + tag_part + roots + table + kept + tail
    assert len(whole) == length
    parts = {"name": f"{FIRST_TWIG:016x}-{TWIGS:016x}.{'qms' if content else 'qmp'}", "length": str(length)}
    parts |= {"header 0..136": header.hex(), "header 4092..4096": crc.hex()}
    parts |= {f"twig {i} header": data[200_704:200_736].hex() for i, data in enumerate(twigs, FIRST_TWIG)}
    parts |= {"tags": keccak256(tag_part).hex()} if has_tags else {}
    parts |= {"twig roots": roots.hex(), "blocks": keccak256(table).hex(), "seams": keccak256(kept).hex(), "tail": tail.hex()}
    return parts | {"file": keccak256(whole).hex()}


def texts():
    self_check()
    for profile in PROFILES:
        for parts, ending in zip(segment(profile), ("", "-pruned")):
            text = "".join(f"{name}: {value}\n" for name, value in parts.items())
            yield HERE / f"{profile.name}{ending}.txt", text


def main(command):
    failed = False
    for path, text in texts():
        if command == "generate":
            path.write_text(text, encoding="ascii", newline="\n")
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            failed = True
            print(f"{path.name}: DIFFERS")
            continue
        print(f"{path.name}: ok")
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] not in (["generate"], ["check"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
