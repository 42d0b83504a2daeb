"""Golden segments of the state log, made from sections 1 and 11 of docs/FORMAT.md with the state log of the oracle.

    python3 testdata/segment/make_entries.py generate        write <profile>-entries.txt beside this file
    python3 testdata/segment/make_entries.py check           make them again and compare

The log is that of a database of chain 1, scheme 1, with the rule of compaction 3. Batch b, of txNum 2 b + 1, writes the
test keys i below 500 with (7 i + 5 b) mod 11 < 4, of the values of ../vectors/state-roots.json: value i + b, or none if 5
divides i + b. It has 60 batches. The segments hold twigs 0 and 1, and twig 2. The file of keys is about all three. Twigs 0
and 1 are then pruned, and the state known after transaction 99. Files are pinned by their parts that are no hashes in
hex, and by the keccak256 of the rest and of it all.
"""

import functools
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
sys.path.insert(0, str(HERE))

from hashes import keccak256, self_check  # noqa: E402
from make import crc32c  # noqa: E402
from make_state import batch  # noqa: E402
from state import HASHED, SUPERSEDES, TOMBSTONE, StateLog  # noqa: E402
from tree import PROFILES  # noqa: E402

TWIG = 2048
BATCHES, KEYS, COMPACTION, EARLIEST = 60, 500, 3, 99


@functools.cache
def written_by(number):
    return batch(number, KEYS)


def log_of(profile):
    """The log, and the value of each entry whose word is a hash."""
    log, values = StateLog(profile, COMPACTION), {}
    for number in range(BATCHES):
        first = len(log.entries)
        log.apply(2 * number + 1, written_by(number))
        values |= {i: log.values[log.entries[i].key] for i in range(first, len(log.entries)) if log.entries[i].flags & HASHED}
    return log, values


def owners(log, values):
    """The entry whose value each entry has: its own, if its batch wrote the value; else that of the entry it superseded."""
    owner = {}
    for i in values:
        entry = log.entries[i]
        written = entry.key in written_by((entry.tx_num - 1) // 2)
        owner[i] = i if written or not entry.flags & SUPERSEDES else owner[entry.supersedes]
    return owner


def revivals(log):
    """(entry, tombstone) of each key that came back."""
    last, found = {}, []
    for i, entry in enumerate(log.entries):
        before = last.get(entry.key)
        if before is not None and log.entries[before].flags & TOMBSTONE:
            found.append((i, before))
        last[entry.key] = i
    return found


def header(profile, content, first, count, numbers):
    fields = b"QMENTRYS" + struct.pack("<IBBBBQ", 1, profile.id, 1, 11, 4, 1) + bytes([2, content]) + bytes(6)
    fields += struct.pack("<QQQQQQ", first, count, *numbers)
    fields += bytes(4092 - len(fields))
    return fields + struct.pack("<I", crc32c(fields))


def tail(tables, length):
    return struct.pack("<IIQQ", crc32c(tables), 0, length, 0) + b"QMSEGEND"


def whole(profile, log, tree, values, first, count):
    """Name and parts of a segment."""
    ids = range(first * TWIG, (first + count) * TWIG)
    twigs = b""
    for twig in range(first, first + count):
        entries = b"".join(entry.encode() for entry in log.entries[twig * TWIG:(twig + 1) * TWIG])
        nodes = b"".join(tree.inside[level][(twig << 11 - level) + i] for level in range(11, 3, -1) for i in range(1 << 11 - level))
        twigs += entries + struct.pack("<IIQQQ", crc32c(entries), crc32c(nodes), 0, twig, 0) + nodes
    revived = [struct.pack("<QQ", *pair) for pair in revivals(log) if pair[0] in ids]
    owner, table, data = owners(log, values), [], b""
    for i in ids:
        if i in values:
            # With a rule of compaction a segment has the values of all its entries.
            own = i if owner[i] not in ids else owner[i]
            value = values[i] if own == i else b""
            table.append(struct.pack("<QQQII", i, own, len(data), len(value), crc32c(value)))
            data += value
    head = header(profile, 0, first, count, (len(revived), len(table), len(data), 0))
    tables = b"".join(revived) + b"".join(table)
    length = len(head) + len(twigs) + len(tables) + len(data) + 32
    parts = {"header": head, "twigs": twigs, "revived": b"".join(revived), "table": b"".join(table), "values": data,
             "tail": tail(tables, length)}
    return f"{first:016x}-{count:016x}.qme", parts


def pruned(profile, tree, first, count):
    roots = b"".join(tree.inside[11][first:first + count])
    head = header(profile, 1, first, count, (0, 0, 0, EARLIEST))
    return f"{first:016x}-{count:016x}.qmx", {"header": head, "roots": roots, "tail": tail(roots, len(head) + len(roots) + 32)}


def keys(profile, log, tree, count):
    """The file of keys about so many twigs, of which some entries that are active now may not be."""
    end = count * TWIG
    newest, active = {}, set()
    for i, entry in enumerate(log.entries[:end]):
        active.discard(newest.get(entry.key))
        newest[entry.key] = i
        if not entry.flags & TOMBSTONE:
            active.add(i)
    twigs = b"".join(b"".join(tree._words(active, twig)) + tree.inside[11][twig] for twig in range(count))
    items = b""
    for key, i in sorted(newest.items()):
        dead = log.entries[i].flags & TOMBSTONE
        items += struct.pack("<QQ", int.from_bytes(key[:8], "big"), i | dead << 63)
    fields = b"QMSTKEYS" + struct.pack("<IBBBBQ", 1, profile.id, 1, 11, 4, 1) + struct.pack("<Q", count)
    fields += bytes(124 - len(fields))
    head = fields + struct.pack("<I", crc32c(fields))
    length = len(head) + len(twigs) + len(items) + 48
    end_of = struct.pack("<QQIIQ", len(items) // 16, len(active) - 1, crc32c(twigs), crc32c(items), length)
    end_of += struct.pack("<II", crc32c(end_of), 0) + b"QMSEGEND"
    return f"{count:016x}.qmk", {"header": head, "twigs": twigs, "items": items, "tail": end_of}


def text(files):
    lines = []
    for name, parts in files:
        data = b"".join(parts.values())
        lines += [f"name: {name}", f"length: {len(data)}"]
        for part, value in parts.items():
            shown = value.rstrip(b"\0") if part == "header" else value
            lines.append(f"{part}: {shown[:80].hex() if part in ('header', 'tail') else keccak256(value).hex()}")
        lines.append(f"file: {keccak256(data).hex()}")
    return "\n".join(lines) + "\n"


def texts():
    self_check()
    for profile in PROFILES:
        log, values = log_of(profile)
        tree = log.tree()
        assert len(log.entries) > 4 * TWIG
        files = [whole(profile, log, tree, values, 0, 2), whole(profile, log, tree, values, 2, 1),
                 keys(profile, log, tree, 3), pruned(profile, tree, 0, 2)]
        yield HERE / f"{profile.name}-entries.txt", text(files)


def main(command):
    failed = False
    for path, content in texts():
        if command == "generate":
            path.write_text(content, encoding="ascii", newline="\n")
        elif not path.exists() or path.read_text(encoding="ascii") != content:
            failed = True
            print(f"{path.name}: DIFFERS")
            continue
        print(f"{path.name}: ok")
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] not in (["generate"], ["check"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
