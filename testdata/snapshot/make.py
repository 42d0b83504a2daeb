"""Golden snapshot files, made from sections 1, 2 and 8 of docs/FORMAT.md with the hashes of the oracle.

    python3 testdata/snapshot/make.py generate       write the files beside this one
    python3 testdata/snapshot/make.py check          make them again and compare

The log holds 2100 test leaves (../README.md), chain 7, scheme 1, in three blocks of 700 leaves from number 9 on. Leaf t
has a tag if t is odd: the first 8 bytes of keccak256("tx" || t in 8 bytes, big-endian). Tail and roots are stored as they
are, in a folder for each profile; the file of the whole twig and that of its tags are pinned by their lengths and their
keccak256 in <profile>.txt.

The files of a state log are those of another log of three blocks of 700 leaves, whose transactions 0 to 959 write: number t
writes the keys keccak256("key" || k in 8 bytes) with k = 7 t mod 31 and k = (11 t + 5) mod 31, in this order where they are one,
with the value keccak256("val" || t in 8 bytes); but the second key is deleted if t mod 9 is 4. No value has another length than
32, so that no word of values has bytes, and zstd is not needed here.
"""

import heapq
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

from hashes import keccak256, self_check  # noqa: E402
from head import Head  # noqa: E402
from leaves import TestLog, payload  # noqa: E402
from state import StateLog  # noqa: E402
from tree import PROFILES, ZERO  # noqa: E402

TWIG = 2048
LEAVES = 2100
BLOCK = 700
FIRST_BLOCK = 9
EXECUTION, ROOTS, TAIL, TAGS = 1, 2, 3, 4
STATE, STATE_TAIL, LIVE = 5, 6, 7
NAMES = {EXECUTION: "execution", ROOTS: "roots", TAIL: "tail", TAGS: "tags",
         STATE: "state", STATE_TAIL: "statetail", LIVE: "live"}
STATE_WRITERS = 960


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


def uvarint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def huffman(uses):
    """Symbols by uses to [(symbol, code, length)], left to right in the tree; section 10.1."""
    symbols = sorted(uses, key=lambda s: (uses[s], int(f"{s:064b}"[::-1], 2)))
    leaves = [(uses[s], s) for s in symbols]
    pairs, made = [], 0

    def rarest():
        if leaves and (not pairs or pairs[0][0] >= leaves[0][0]):
            return leaves.pop(0)
        count, _, pair = heapq.heappop(pairs)
        return count, pair

    while len(leaves) + len(pairs) > 1:
        left, right = rarest(), rarest()
        heapq.heappush(pairs, (left[0] + right[0], made, (left[1], right[1])))
        made += 1
    root = leaves[0][1] if leaves else pairs[0][2]

    def walk(node, code, length):
        if isinstance(node, int):
            return [(node, code, length)]
        left, right = node
        return walk(left, code, length + 1) + walk(right, code | 1 << length, length + 1)

    return walk(root, 0, 0)


def word_file(words):
    """A word file of version 1 without patterns; section 10.1."""
    uses = {0: len(words)}
    for word in words:
        uses[len(word) + 1] = uses.get(len(word) + 1, 0) + 1
    codes = {symbol: (code, length) for symbol, code, length in huffman(uses)}
    positions = b"".join(uvarint(codes[s][1]) + uvarint(s) for s, _, _ in huffman(uses))
    empty = sum(1 for word in words if not word)
    out = bytearray(b"\x01\x00" + struct.pack(">QQQQ", len(words), empty, 0, len(positions)) + positions)
    for word in words:
        code, length = codes[len(word) + 1]
        if word:
            end, more = codes[0]
            code, length = code | end << length, length + more
        out += code.to_bytes((length + 7) // 8, "little") + word
    return bytes(out)


def block_table(start, ends):
    """Section 8.4, of a log without state."""
    sums = [end - before for before, end in zip([start] + ends, ends)]
    return b"".join(map(uvarint, sums)) + bytes(len(ends))


def snapshot(profile, content, start, end, leaves, tables, blocks, anchor, last, head):
    """Name and bytes of a file; sections 10.2 to 10.5."""
    fields = struct.pack("<8sIBBBBQ", b"QMSNAPSH", 1, profile.id, 1, 11, 4, 7)
    fields += bytes([1, content]) + bytes(6) + struct.pack("<QQ", start, end)
    fields += struct.pack("<QQ", blocks[0] if blocks else 0, len(blocks)) + anchor + last + head.encode()
    fields += struct.pack("<I", crc32c(b"".join(tables)))
    header = fields.ljust(252, b"\0")
    header += struct.pack("<I", crc32c(header))
    return f"v1.0-qmtree-{NAMES[content]}.{start}-{end}.seg", word_file([header] + leaves + tables)


def tag(t):
    return keccak256(b"tx" + t.to_bytes(8, "big"))[:8] if t % 2 else bytes(8)


def files(profile):
    """Names and bytes of all four."""
    log = TestLog(profile, LEAVES)
    payloads = [payload(t) for t in range(LEAVES)]
    root = log.tree(LEAVES).node(11, 0)
    last = log.leaf_hashes
    ends = [BLOCK * (i + 1) for i in range(LEAVES // BLOCK)]
    whole = [end for end in ends if end <= TWIG]
    at_twig = Head(7, profile, 1, FIRST_BLOCK + len(whole) - 1, TWIG, log.tree(TWIG).root())
    head = Head(7, profile, 1, FIRST_BLOCK + len(ends) - 1, LEAVES, log.tree(LEAVES).root())
    numbers = list(range(FIRST_BLOCK, FIRST_BLOCK + len(ends)))
    twig = ZERO + b"".join(payloads[:TWIG])
    tail = last[TWIG - 1] + b"".join(payloads[TWIG:])
    tags = [b"".join(map(tag, range(TWIG))), b"".join(map(tag, range(TWIG, LEAVES)))]
    common = (ZERO, last[TWIG - 1], at_twig)
    return [
        snapshot(profile, EXECUTION, 0, 1, [twig], [root, block_table(0, whole)], numbers[:len(whole)], *common),
        snapshot(profile, ROOTS, 0, 1, [], [root], [], *common),
        snapshot(profile, TAGS, 0, 1, [], [tags[0]], [], *common),
        snapshot(profile, TAIL, TWIG, LEAVES, [tail], [block_table(TWIG, ends[len(whole):]), tags[1]],
                 numbers[len(whole):], last[TWIG - 1], last[-1], head),
    ]


def state_snapshot(profile, content, start, end, words, tables):
    """Name and bytes of a file of the state log without values; section 10.9."""
    fields = struct.pack("<8sIBBBBQ", b"QMSNAPSH", 1, profile.id, 1, 11, 4, 7)
    fields += bytes([2, content]) + bytes(6) + struct.pack("<QQ", start, end) + bytes(80)
    fields += Head(7, profile, 1, 0, 0, ZERO).encode() + struct.pack("<I", crc32c(b"".join(tables)))
    header = fields.ljust(252, b"\0")
    header += struct.pack("<I", crc32c(header))
    values = [b""] * len(words)
    return f"v1.0-qmtree-{NAMES[content]}.{start}-{end}.seg", word_file([header] + words + tables + values)


def state_files(profile):
    """Names and bytes of the files of the state log."""
    def key(k):
        return keccak256(b"key" + k.to_bytes(8, "big"))

    log, at_twig = StateLog(profile), None
    for t in range(STATE_WRITERS):
        writes = {key(7 * t % 31): keccak256(b"val" + t.to_bytes(8, "big"))}
        writes[key((11 * t + 5) % 31)] = None if t % 9 == 4 else keccak256(b"val" + t.to_bytes(8, "big"))
        log.apply(t, writes)
    entries = [entry.encode() for entry in log.entries]
    count = len(entries)
    assert TWIG < count < 2 * TWIG
    # Active once the twig is full: born so, and superseded by no entry in it.
    ended = {entry.supersedes for entry in log.entries[:TWIG] if entry.flags & 2}
    active = [i for i in range(TWIG) if not log.entries[i].flags & 1 and i not in ended]
    tree = log.tree()
    bits = bytearray(256)
    for i in active:
        bits[i >> 3] |= 1 << (i & 7)
    nodes, known = [], active
    for level in range(11):
        nodes += [tree.inside[level][i ^ 1] for i in known if i ^ 1 not in known]
        known = sorted({i >> 1 for i in known})
    opening = bytes(bits) + b"".join(entries[i] for i in active) + b"".join(nodes)
    root = tree.inside[11][0]
    return [
        state_snapshot(profile, STATE, 0, 1, [b"".join(entries[:TWIG])], [root]),
        state_snapshot(profile, STATE_TAIL, TWIG, count, [b"".join(entries[TWIG:])], []),
        state_snapshot(profile, LIVE, 0, 1, [opening], []),
    ]


def outputs():
    """Every file of this folder but this one and the page."""
    for folder, made in [(HERE, files), (HERE / "state", state_files)]:
        for profile in PROFILES:
            pinned = []
            for name, data in made(profile):
                if len(data) < 10_000:
                    yield folder / profile.name / name, data
                else:
                    pinned.append(f"{name}: {len(data)} {keccak256(data).hex()}\n")
            yield folder / f"{profile.name}.txt", "".join(pinned).encode("ascii")


def main(command):
    self_check()
    failed = False
    for path, data in outputs():
        if command == "generate":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            failed = True
            print(f"{path.name}: DIFFERS")
            continue
        print(f"{path.name}: ok")
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] not in (["generate"], ["check"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
