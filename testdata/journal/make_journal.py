#!/usr/bin/env python3
"""Writes v1.qmj, a journal file by docs/FORMAT.md, section 6; written from the page, not from the Rust code.

    python3 testdata/journal/make_journal.py          # rewrite v1.qmj
    python3 testdata/journal/make_journal.py check    # compare byte for byte

Chain id 1, Keccak, scheme 1, salt 0x5a175a17, the test leaves of testdata/README.md. Five records: block 7 with leaves 0
and 1, synced; block 8 without leaves; an unwind to block 7, synced; block 8 with leaf 2; block 9 with leaves 3 and 4,
of which 3 has a tag, the first 8 bytes of keccak256("tx" || 3 in 8 bytes, big-endian).
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "oracle"))

from hashes import keccak256  # noqa: E402
from head import Head  # noqa: E402
from leaves import TestLog, payload  # noqa: E402
from tree import PROFILE_BY_NAME, ZERO  # noqa: E402

PATH = Path(__file__).parent / "v1.qmj"
KECCAK = PROFILE_BY_NAME["keccak"]
BLOCK, UNWIND = 1, 2
TAGS = 1
SALT = 0x5A175A17


def crc32c(data, salt=0):
    crc = salt ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def u64(number):
    return struct.pack("<Q", number)


def head(block_number, leaf_count):
    root = TestLog(KECCAK, leaf_count).tree(leaf_count).root() if leaf_count else ZERO
    return Head(1, KECCAK, 1, block_number, leaf_count, root).encode()


def last_leaf_hash(leaf_count):
    return KECCAK.leaf_hash(TestLog(KECCAK, leaf_count).leaves[-1]) if leaf_count else ZERO


def header():
    identity = bytes([KECCAK.id, 1, 11, 4]) + u64(1)
    fields = b"QMJOURNL" + struct.pack("<I", 1) + identity + u64(0) + head(0, 0) + ZERO + bytes([0, 0]) + struct.pack("<I", SALT)
    covered = fields.ljust(252, b"\0")
    return covered + crc32c(covered)


def record(kind, seq, durable, body, parts=0):
    front = b"QMR1" + bytes([kind, parts, 0, 0]) + u64(seq) + u64(durable) + u64(len(body))
    return front + crc32c(front, SALT) + bytes(4) + body + crc32c(body, SALT) + bytes(4)


def block(seq, durable, block_number, first, count, tags=b""):
    payloads = b"".join(payload(t) for t in range(first, first + count))
    start = u64(first) + u64(count) + last_leaf_hash(first)
    end = head(block_number, first + count) + last_leaf_hash(first + count)
    return record(BLOCK, seq, durable, start + payloads + tags + end, TAGS if tags else 0)


def unwind(seq, durable, block_number, leaf_count):
    return record(UNWIND, seq, durable, head(block_number, leaf_count) + last_leaf_hash(leaf_count) + bytes([1]))


def journal():
    tags = keccak256(b"tx" + (3).to_bytes(8, "big"))[:8] + bytes(8)
    records = block(0, 0, 7, 0, 2) + block(1, 1, 8, 2, 0) + unwind(2, 1, 7, 2) + block(3, 3, 8, 2, 1)
    return header() + records + block(4, 3, 9, 3, 2, tags)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(0 if PATH.read_bytes() == journal() else f"{PATH}: differs")
    PATH.write_bytes(journal())
