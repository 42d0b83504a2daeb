"""Vectors of the state log: entries, roots after each transaction, proofs of kind 7."""

from cases import Ask, Cases, fewer, flip, label, other, put
from codec import hex0x, u64
from hashes import keccak256
from head import Head
from proofs import decode
from state import END, State, StateLog
from tree import KECCAK, PROFILES, ZERO

LAST = 200


def key(i):
    return keccak256(b"key" + u64(i))


def value(i):
    """A word, or for every third number a text."""
    return b"value %d" % i if i % 3 == 0 else keccak256(b"value" + u64(i))


def batch(number, keys):
    """Batch `number` writes some of the first `keys` test keys and deletes some of these."""
    chosen = (i for i in range(keys) if (i * 7 + number * 5) % 11 < 4)
    return {key(i): None if (i + number) % 5 == 0 else value(i + number) for i in chosen}


_logs = {}


def test_log(profile, batches, keys):
    """Batch b is that of transaction 2 b + 1."""
    name = (profile, batches, keys)
    if name not in _logs:
        log = _logs[name] = StateLog(profile)
        for number in range(batches):
            log.apply(2 * number + 1, batch(number, keys))
    return _logs[name]


_trees = {}


def head_of(log):
    if log not in _trees:
        _trees[log] = log.tree()
    tree = _trees[log]
    return tree, Head(1, log.profile, 1, 7, LAST, label("execution"), tree.entry_count, tree.root())


def state_roots():
    """Entries and roots after each batch."""
    out = {"description": "State logs: test key i is keccak256('key' || i8), test value i the text 'value i' if 3 divides "
                          "i, else keccak256('value' || i8). Batch b, of txNum 2 b + 1, writes the test keys i with "
                          "(7 i + 5 b) mod 11 < 4: value i + b, or none (a deletion) if 5 divides i + b. `roots`: entry "
                          "count and root after each batch. `entries`: all of them, for the small logs.", "logs": []}
    for profile in PROFILES:
        for batches, keys in ((6, 5), (4, 40), (9, 500), (26, 500)):
            log, roots = StateLog(profile), []
            for number in range(batches):
                log.apply(2 * number + 1, batch(number, keys))
                if keys < 100 or number in (1, batches - 1):
                    tree = log.tree()
                    roots.append({"batch": number, "entryCount": tree.entry_count, "root": hex0x(tree.root())})
            case = {"profile": profile.name, "batches": batches, "keys": keys, "roots": roots}
            if keys < 10:
                case["entries"] = [hex0x(entry.encode()) for entry in log.entries]
            out["logs"].append(case)
    return out


def compaction_roots():
    """Entries and roots after each batch of logs with a rule of compaction."""
    out = {"description": "State logs as in state-roots.json, with batches as there, of databases with a rule of compaction "
                          "of `entriesPerKey`. `oldest`: the smallest id of an active entry.", "logs": []}
    for profile in PROFILES:
        for entries_per_key, batches, keys in ((1, 12, 5), (2, 30, 40), (2, 40, 500), (3, 40, 400)):
            log, roots = StateLog(profile, entries_per_key), []
            for number in range(batches):
                log.apply(2 * number + 1, batch(number, keys))
                if keys < 100 or number % 8 == 7:
                    tree = log.tree()
                    roots.append({"batch": number, "entryCount": tree.entry_count, "root": hex0x(tree.root()),
                                  "oldest": min(log.live.values())})
            out["logs"].append({"profile": profile.name, "entriesPerKey": entries_per_key, "batches": batches, "keys": keys,
                                "roots": roots})
    return out


def plus_one(key):
    return (int.from_bytes(key, "big") + 1).to_bytes(32, "big")


def _ask(head, log, key, at):
    found = log.value_at(key, at)
    entry_word = None
    if found is not None:
        entry_word = found if len(found) == 32 else keccak256(found)
    return Ask({"head": head}, {"key": key, "at": at, "word": entry_word})


def state():
    cases = Cases(decode)
    for p in PROFILES:
        for batches, keys in ((6, 5), (9, 500), (26, 500)):
            log = test_log(p, batches, keys)
            tree, head = head_of(log)
            for i in fewer(p, (0, 1, 3, 4)):
                for at in fewer(p, (None, 0, 1, 4, 7, 2 * batches, LAST - 1)):
                    for name, k in (("", key(i)), ("-plus-1", plus_one(key(i)))):
                        proof = State.make(tree, log.evidence(k, at))
                        cases.valid(f"{p.name}-{batches}-{keys}-key-{i}{name}-at-{at}", proof, _ask(head, log, k, at), p)
        _invalid(cases, p)
    return cases.to_json("State proofs. `expected`: the key, the txNum after which it is asked about (null: now, at the "
                         "head), and its value word (null: absent). The logs are those of state-roots.json.")


def _invalid(cases, p):
    log = test_log(p, 9, 500)
    tree, head = head_of(log)
    live = sorted(log.values)
    k = live[10]
    entry_id = log.live[k]
    good = State.make(tree, [(entry_id, True)])
    ask = _ask(head, log, k, None)
    encoded = good.encode()
    cases.valid(f"{p.name}-forged-from-this", good, ask, p)

    def add(name, reason, stage, data, its_ask=ask):
        cases.invalid(f"{p.name}-{name}", reason, stage, data, its_ask, p)

    body, entry, digests = 7, 7 + 12 + 9, 7 + 12 + 9 + 128
    add("one-byte-short", "the last node is cut", "decode", encoded[:-1])
    add("trailing-byte", "bytes after the last node", "decode", encoded + b"\0")
    add("count-0", "a proof of nothing", "decode", put(encoded, body + 8, bytes(4)))
    add("count-2", "fewer entries than it says", "decode", put(encoded, body + 8, b"\0\0\0\2"))
    add("shown-2", "a flag is 0 or 1", "decode", put(encoded, body + 20, b"\2"))
    add("shown-0", "other nodes are due", "decode", put(encoded, body + 20, b"\0"))
    add("id-beyond-the-log", "no such entry", "decode", put(encoded, body + 12, u64(tree.entry_count)))
    add("id-aliased", "no such entry", "decode", put(encoded, body + 12, u64(entry_id | 1 << 40)))
    add("id-0", "entry 0 is the sentinel", "decode", put(encoded, body + 12, u64(0)))
    add("unknown-flags", "unknown flags", "decode", put(encoded, entry + 119, b"\x08"))
    add("last-bytes-not-zero", "the last eight bytes are zero", "decode", put(encoded, entry + 127, b"\1"))
    add("next-key-zero", "the next key is larger", "decode", put(encoded, entry + 32, ZERO))
    add("key-of-ones", "the largest key is no key", "decode", put(encoded, entry, END))
    for name, at in (("key", 31), ("next-key", 63), ("value", 95), ("tx-num", 103)):
        add(f"{name}-flipped", "the entry is not in the log", "verify", flip(encoded, entry + at))
    for name, at in (("first", 0), ("word", 11), ("active-sibling", 12), ("last", len(good.nodes) - 1)):
        add(f"{name}-digest-flipped", "a node is not the tree's", "verify", flip(encoded, digests + 32 * at + 31))
    add("other-profile", "the profile is not the head's", "verify", put(encoded, 5, bytes((other(p).id,))))
    add("root-flipped", "the root is not the head's", "verify", encoded, ask.with_head(state_root=flip(head.state_root, 0)))
    add("execution-root-for-state-root", "the root is not the head's", "verify", encoded,
        ask.with_head(root=head.state_root, state_root=head.root))
    add("head-with-more-entries", "the entry count is not the head's", "verify", encoded,
        ask.with_head(entry_count=head.entry_count + 1))
    add("head-without-state", "the head has no state log", "verify", encoded, ask.with_head(entry_count=0, state_root=ZERO))
    add("time-behind-the-head", "the head ends before", "verify", encoded, ask.expecting(at=LAST))
    add("time-before-the-entry", "the entry was written later", "verify", encoded, ask.expecting(at=0))
    add("sentinel-expected", "the key is reserved", "verify", encoded, ask.expecting(key=ZERO, word=None))
    add("end-expected", "the key is reserved", "verify", encoded, ask.expecting(key=END, word=None))
    add("other-word-expected", "another value is shown", "verify", encoded, ask.expecting(word=label("word")))
    add("absence-expected", "a value is shown", "verify", encoded, ask.expecting(word=None))
    add("other-key-expected", "nothing is said about the key", "verify", encoded, ask.expecting(key=live[12], word=None))
    add("neighbour-not-adjacent", "there are keys between", "verify", encoded,
        ask.expecting(key=plus_one(live[11]), word=None))
    two = State.make(tree, [(entry_id, True), (log.live[live[11]], True)]).encode()
    add("more-than-it-takes", "one entry is enough", "verify", two)

    # Histories: entries that are in the log and do not say what is claimed.
    versions = {}
    for i, e in enumerate(log.entries):
        versions.setdefault(e.key, []).append((i, e))
    stale_key = next(k for k in live if len(versions[k]) > 2 and versions[k][1][1].flags & 2)
    (old, old_entry), (new, new_entry) = versions[stale_key][:2]
    stale = State.make(tree, [(old, True)]).encode()
    past = State.make(tree, [(old, False), (new, False)])
    word = old_entry.word
    then = Ask({"head": head}, {"key": stale_key, "at": old_entry.tx_num, "word": word})
    cases.valid(f"{p.name}-history-forged-from-this", past, then, p)
    add("stale-as-current", "the entry is not active", "verify", stale, then.expecting(at=None))
    add("stale-at-its-time-by-its-bit", "the entry is not active", "verify", stale, then)
    add("superseded-as-current", "the entry is superseded", "verify", past.encode(), then.expecting(at=None))
    add("superseded-too-late", "it was superseded by then", "verify", past.encode(), then.expecting(at=new_entry.tx_num))
    add("superseded-too-early", "it was written later", "verify", past.encode(), then.expecting(at=old_entry.tx_num - 1))
    stranger = next(i for i, e in enumerate(log.entries) if i > old and e.tx_num >= new_entry.tx_num and e.key != stale_key)
    add("superseded-by-another-key", "it names another entry", "verify",
        State.make(tree, [(old, False), (stranger, False)]).encode(), then)
    grave = next(i for i, e in enumerate(log.entries) if e.flags & 1)
    dead = log.entries[grave]
    add("tombstone-as-current", "a tombstone is not active", "verify", State.make(tree, [(grave, True)]).encode(),
        Ask({"head": head}, {"key": dead.key, "at": None, "word": ZERO}))
    add("unwritten-after-the-first-write", "entry 0 was there", "verify", State.make(tree, [(0, False)]).encode(),
        Ask({"head": head}, {"key": label("no key"), "at": 1, "word": None}))
    if p is KECCAK:
        form = good.to_json()

        def bad(name, reason, **changes):
            cases.invalid_json(name, reason, {**form, **changes})

        item = form["entries"][0]
        for field in item:
            bad(f"entry-without-{field}", "a field is missing", entries=[{k: v for k, v in item.items() if k != field}])
        bad("entry-with-more", "no such field", entries=[{**item, "verified": True}])
        bad("active-as-number", "active is true or false", entries=[{**item, "active": 1}])
        bad("flags-8", "unknown flags", entries=[{**item, "flags": 8}])
        bad("no-entries", "a proof of nothing", entries=[])
        bad("entries-null", "entries are a list", entries=None)
        bad("one-node-short", "a node is missing", nodes=form["nodes"][:-1])
        bad("with-leaf-count", "no such field", leafCount=1)
