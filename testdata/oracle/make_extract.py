"""Vectors of extracts: the bytes, and the roots after the batches that they serve."""

from codec import hex0x
from extract import encode
from make_state import batch, head_of, key
from state import StateLog
from tree import PROFILES


def extracts():
    out = {"description": "Extracts of the logs of state-roots.json after `batches` batches: for reading the test keys "
                          "`reads` and for writing the `writes` of the next transactions, test keys with a value in hex "
                          "or null; `roots` are those after each of them. `head` is the one to verify under.",
           "extracts": []}
    for profile in PROFILES:
        for batches, keys, reads in ((0, 5, [0, 7]), (6, 5, [0, 3, 9]), (9, 500, []), (9, 500, [1, 2, 77, 600]),
                                     (26, 500, [1, 499, 1000])):
            log = StateLog(profile)
            for number in range(batches):
                log.apply(2 * number + 1, batch(number, keys))
            _, head = head_of(log)
            # Of the next two batches, the writes of every sixth key, and all of them in the small logs.
            numbers = [i for i in range(keys) if keys < 10 or i % 6 == 0] if reads else []
            chosen = {key(i): i for i in numbers}
            writes = [{k: v for k, v in batch(n, keys).items() if k in chosen} for n in (batches, batches + 1)]
            touched = sorted({k for w in writes for k in w} | {key(i) for i in reads})
            deleted = {k for w in writes for k, v in w.items() if v is None}
            data, roots = encode(log, touched, deleted), []
            for tx_num, w in enumerate(writes, head.leaf_count):
                log.apply(tx_num, w)
                roots.append(hex0x(log.tree().root()))
            out["extracts"].append({
                "profile": profile.name, "batches": batches, "keys": keys, "head": hex0x(head.encode()),
                "reads": reads,
                "writes": [[[chosen[k], None if v is None else hex0x(v)] for k, v in sorted(w.items())] for w in writes],
                "extract": hex0x(data), "roots": roots})
    return out
