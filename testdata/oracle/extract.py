"""Extracts of the state log (docs/FORMAT.md, section 13.1), made from the whole tree."""

from codec import u8, u32, u64
from state import HASHED, SUPERSEDES, TWIG, multi_siblings
from tree import TWIG_LEVEL, root_level

VALUE = 8


def wanted(log, keys, deleted):
    """{entry id: value or None} of what it takes to read and write `keys`, and to delete `deleted` of them."""
    out, live = {}, sorted(log.live)
    for key in keys:
        floor = max((k for k in live if k <= key), default=None)
        if floor is None:
            continue
        value = log.values[key] if floor == key and len(log.values[key]) != 32 else None
        out[log.live[floor]] = value if value is not None else out.get(log.live[floor])
        if floor == key and key in deleted:
            out.setdefault(log.live[max(k for k in live if k < key)])
    return out


def encode(log, keys, deleted):
    opened = sorted(wanted(log, keys, deleted).items())
    count = len(log.entries)
    out = b"QMSX" + bytes((1, log.profile.id)) + u64(count) + u32(len(opened))
    for entry_id, value in opened:
        e = log.entries[entry_id]
        out += u64(entry_id) + u8(e.flags & (SUPERSEDES | HASHED) | (VALUE if value is not None else 0))
        out += e.key + e.next_key + u64(e.tx_num)
        out += u64(e.supersedes) if e.flags & SUPERSEDES else b""
        out += e.word if value is None else u32(len(value)) + value
    tree = log.tree()
    return out + b"".join(tree.node(name) for name in sent_nodes([i for i, _ in opened], count))


def sent_nodes(ids, count):
    """The names of the nodes, in order: those of a proof of the entries and of the place behind the last one."""
    if count == 0:
        return []
    inside, _ = multi_siblings(ids + [count], range(TWIG_LEVEL), count)
    names = [("inside", level, index) for level, index in inside]
    youngest = count // TWIG if count % TWIG else None
    for twig in sorted({i // TWIG for i in ids} | ({youngest} - {None})):
        known, zero = {i % TWIG // 256 for i in ids if i // TWIG == twig}, set()
        if twig == youngest:
            known |= set(range(count % TWIG // 256, 8))
            zero = {word for word in range(8) if word * 256 >= count % TWIG}
        names += [("active", twig, 0, word) for word in sorted(known - zero)]
        names += [("active", twig, level, index) for level, index in multi_siblings(sorted(known), range(3), 8)[0]]
    # Twigs are nodes of level 11, so that a sibling is null by the number of entries.
    twigs = sorted({i // TWIG for i in ids} | {count // TWIG})
    for level in range(TWIG_LEVEL, root_level(count)):
        names += [("upper", level, index ^ 1) for index in twigs
                  if index ^ 1 not in twigs and (index ^ 1) << level < count]
        twigs = sorted({index >> 1 for index in twigs})
    return names
