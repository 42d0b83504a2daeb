"""The state log, from its definition: entries, active bits, the tree over both, and proofs of kind 7.

`StateLog` keeps the map after each batch and rebuilds what it needs from all entries; nothing is incremental.
"""

from dataclasses import dataclass

from codec import (DecodeError, VerifyError, hex0x, json_hash, json_list, json_object, json_uint, need, u32, u64)
from hashes import keccak256
from tree import NULL_LEAF, TWIG_LEVEL, ZERO, Profile, root_level

END = b"\xff" * 32
TOMBSTONE, SUPERSEDES, HASHED = 1, 2, 4
STATE_TWIG_TAG = 11
TWIG = 1 << TWIG_LEVEL


# --- Entries ---------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Entry:
    key: bytes
    next_key: bytes
    word: bytes
    tx_num: int
    supersedes: int
    flags: int

    def encode(self):
        return (self.key + self.next_key + self.word + u64(self.tx_num) + u64(self.supersedes) + u64(self.flags) + u64(0))

    @classmethod
    def decode(cls, data):
        need(data[120:] == bytes(8), DecodeError, "the last eight bytes are not zero")
        numbers = [int.from_bytes(data[at:at + 8], "big") for at in (96, 104, 112)]
        return cls(data[:32], data[32:64], data[64:96], *numbers).check()

    def check(self):
        def rule(condition, message):
            need(condition, DecodeError, message)

        rule(self.flags < 8, "unknown flags")
        rule(self.flags & SUPERSEDES or self.supersedes == 0, "supersedes without its flag")
        rule(self.key != END, "the largest key")
        if self.flags & TOMBSTONE:
            rule(self.key != ZERO and self.next_key == ZERO and self.word == ZERO and self.flags == TOMBSTONE | SUPERSEDES,
                 "a tombstone has no next key and no value, and ends an entry")
        else:
            rule(self.key < self.next_key, "the next key is not larger")
        if self.key == ZERO:
            rule(self.word == ZERO and not self.flags & HASHED, "the sentinel has no value")
        return self

    def check_at(self, entry_id):
        first = self.key == ZERO and not self.flags & SUPERSEDES
        need(first == (entry_id == 0), DecodeError, "a log starts with the sentinel, and only once")
        need(not self.flags & SUPERSEDES or self.supersedes < entry_id, DecodeError, "superseded before it was there")
        return self


def word_of(value):
    """(word, flag) of a value."""
    return (value, 0) if len(value) == 32 else (keccak256(value), HASHED)


# --- The log ---------------------------------------------------------------------------------------------------------

class StateLog:
    def __init__(self, profile, compaction=0):
        self.profile, self.compaction = profile, compaction
        self.entries = []
        self.live = {}      # key -> id of its active entry
        self.values = {}    # key -> value
        self.history = []   # (tx_num, values after it)

    def apply(self, tx_num, writes):
        """`writes`: {key: value, or None to delete}."""
        assert not self.history or tx_num > self.history[-1][0]
        before, after = dict(self.values), dict(self.values)
        for key, value in writes.items():
            assert key not in (ZERO, END)
            if value is None:
                after.pop(key, None)
            else:
                after[key] = value
        sentinel = {ZERO} if self.entries or after else set()
        keys = sorted(set(after) | sentinel)
        following = dict(zip(keys, keys[1:] + [END]))
        inserted, deleted = set(after) - set(before), set(before) - set(after)
        rewritten = {key for key in writes if key in after} | deleted
        rewritten |= {max(key for key in keys if key < moved) for moved in inserted | deleted}
        if not self.entries:
            rewritten |= sentinel
        rewritten |= self.moved(len(rewritten))
        for key in sorted(rewritten):
            old = self.live.pop(key, None)
            flags = 0 if old is None else SUPERSEDES
            if key in deleted:
                self.entries.append(Entry(key, ZERO, ZERO, tx_num, old, flags | TOMBSTONE))
                continue
            word, hashed = (ZERO, 0) if key == ZERO else word_of(after[key])
            self.live[key] = len(self.entries)
            self.entries.append(Entry(key, following[key], word, tx_num, old or 0, flags | hashed))
        self.values = after
        self.history.append((tx_num, after))

    def moved(self, own):
        """The keys of the oldest active entries that a batch with `own` entries looks at."""
        active = sorted((entry_id, key) for key, entry_id in self.live.items())
        if not self.compaction or not active:
            return set()
        dense = len(self.entries) - active[0][0] <= self.compaction * len(active)
        return set() if dense else {key for _, key in active[:own]}

    def value_at(self, key, at):
        """The value now (`at` is None) or after a transaction; None if there is none."""
        if at is None:
            return self.values.get(key)
        states = [values for tx_num, values in self.history if tx_num <= at]
        return states[-1].get(key) if states else None

    def tree(self):
        return StateTree(self.profile, self.entries, set(self.live.values()))

    def evidence(self, key, at):
        """[(entry id, shown)] that shows the state of one key."""
        if at is not None and self.entries[0].tx_num > at:
            return [(0, False)]
        by_then = [e for e in enumerate(self.entries) if at is None or e[1].tx_num <= at]
        valid = {}
        for entry_id, entry in by_then:
            valid.pop(entry.key, None)
            if not entry.flags & TOMBSTONE:
                valid[entry.key] = entry_id
        entry_id = valid[max(k for k in valid if k <= key)]
        enders = [i for i, e in enumerate(self.entries) if e.flags & SUPERSEDES and e.supersedes == entry_id]
        return [(entry_id, False), (enders[0], False)] if enders else [(entry_id, True)]


class StateTree:
    """All nodes of a state log, by level, from its entries and the ids of the active ones."""

    def __init__(self, profile, entries, active):
        self.profile, self.entries, self.entry_count = profile, entries, len(entries)
        level = [profile.leaf_hash(entry.encode()) for entry in entries]
        self.inside = [level]
        for height in range(1, TWIG_LEVEL + 1):
            level = self._parents(level, height, NULL_LEAF if height == 1 else profile.null(height - 1))
            self.inside.append(level)
        self.words = [self._words(active, twig) for twig in range(len(level))]
        twigs = [node_with_tag(profile, STATE_TWIG_TAG, entries_root, self.active_node(twig, 3, 0))
                 for twig, entries_root in enumerate(level)]
        self.upper = {TWIG_LEVEL: twigs}
        for height in range(TWIG_LEVEL + 1, root_level(self.entry_count) + 1):
            twigs = self._parents(twigs, height, profile.null(height - 1))
            self.upper[height] = twigs

    def _parents(self, nodes, height, null):
        nodes = nodes + [null] * (len(nodes) % 2)
        return [self.profile.node_hash(height, a, b) for a, b in zip(nodes[::2], nodes[1::2])]

    @staticmethod
    def _words(active, twig):
        bits = bytearray(256)
        for entry_id in active:
            if entry_id // TWIG == twig:
                i = entry_id % TWIG
                bits[i >> 3] |= 1 << (i & 7)
        return [bytes(bits[at:at + 32]) for at in range(0, 256, 32)]

    def active_node(self, twig, level, index):
        if level == 0:
            return self.words[twig][index]
        left, right = (self.active_node(twig, level - 1, 2 * index + side) for side in (0, 1))
        return node_with_tag(self.profile, 0x7f + level, left, right)

    def root(self):
        return ZERO if not self.entries else self.upper[root_level(self.entry_count)][0]

    def node(self, name):
        what, *place = name
        if what == "inside":
            return self.inside[place[0]][place[1]]
        if what == "active":
            return self.active_node(*place)
        return self.upper[place[0]][place[1]]


def node_with_tag(profile, tag, left, right):
    """The node hash of a profile under a tag that is no level's."""
    return profile._raw_node_hash(tag, left, right)


# --- Proofs ----------------------------------------------------------------------------------------------------------

def multi_siblings(known, levels, leaf_count):
    """[(level, index)] by the rule of a multi-proof, and what is known above the levels."""
    sent = []
    for level in levels:
        for index in known:
            if index ^ 1 not in known and (index ^ 1) << level < leaf_count:
                sent.append((level, index ^ 1))
        known = sorted({index >> 1 for index in known})
    return sent, known


def twig_words(opened):
    """[(twig, [words to show])] of [(entry id, shown)]."""
    twigs = sorted({entry_id // TWIG for entry_id, _ in opened})
    return [(twig, sorted({i % TWIG // 256 for i, shown in opened if shown and i // TWIG == twig})) for twig in twigs]


def sent_nodes(opened, entry_count):
    """The names of the nodes that a proof sends, in order."""
    ids = [entry_id for entry_id, _ in opened]
    inside, twigs = multi_siblings(ids, range(TWIG_LEVEL), entry_count)
    names = [("inside", level, index) for level, index in inside]
    for twig, words in twig_words(opened):
        if not words:
            names.append(("active", twig, 3, 0))
            continue
        names += [("active", twig, 0, word) for word in words]
        names += [("active", twig, level, index) for level, index in multi_siblings(words, range(3), 8)[0]]
    # Twigs are nodes of level 11, so that a sibling is null by the number of entries.
    above = []
    for level in range(TWIG_LEVEL, root_level(entry_count)):
        above += [(level, index ^ 1) for index in twigs
                  if index ^ 1 not in twigs and (index ^ 1) << level < entry_count]
        twigs = sorted({index >> 1 for index in twigs})
    return names + [("upper", level, index) for level, index in above]


@dataclass(frozen=True)
class State:
    profile: Profile
    entry_count: int
    opened: tuple   # of (entry id, shown)
    entries: tuple
    nodes: tuple

    kind, name = 7, "state"

    @property
    def leaf_count(self):
        return self.entry_count

    @classmethod
    def make(cls, tree, opened):
        shown = {}
        for entry_id, bit in opened:
            shown[entry_id] = shown.get(entry_id, False) or bit
        opened = tuple(sorted(shown.items()))
        nodes = tuple(tree.node(name) for name in sent_nodes(opened, tree.entry_count))
        return cls(tree.profile, tree.entry_count, opened, tuple(tree.entries[i] for i, _ in opened), nodes).check()

    def body(self):
        return (u64(self.entry_count) + u32(len(self.opened)) + b"".join(u64(i) for i, _ in self.opened)
                + bytes(shown for _, shown in self.opened) + b"".join(entry.encode() for entry in self.entries)
                + b"".join(self.nodes))

    def encode(self):
        return b"QMPF" + bytes((1, self.profile.id, self.kind)) + self.body()

    @classmethod
    def read(cls, profile, r):
        entry_count, count = r.uint(8), r.uint(4)
        ids = [int.from_bytes(item, "big") for item in r.items(count, 8)]
        shown = r.take(count)
        entries = r.items(count, 128)
        need(all(flag < 2 for flag in shown), DecodeError, "a flag is 0 or 1")
        opened = tuple(zip(ids, map(bool, shown)))
        cls._check_ids(ids, entry_count)
        nodes = r.items(len(sent_nodes(opened, entry_count)), 32)
        return cls(profile, entry_count, opened, tuple(map(Entry.decode, entries)), tuple(nodes)).check()

    @staticmethod
    def _check_ids(ids, entry_count):
        need(ids, DecodeError, "a proof of nothing")
        need(all(a < b for a, b in zip(ids, ids[1:])), DecodeError, "entries do not ascend")
        need(ids[-1] < entry_count, DecodeError, "an entry is not in the log")

    def check(self):
        self._check_ids([i for i, _ in self.opened], self.entry_count)
        need(len(self.entries) == len(self.opened), DecodeError, "wrong number of entries")
        need(len(self.nodes) == len(sent_nodes(self.opened, self.entry_count)), DecodeError, "wrong number of nodes")
        for (entry_id, _), entry in zip(self.opened, self.entries):
            entry.check().check_at(entry_id)
        return self

    def json_body(self):
        entries = [{"entryId": i, "active": shown, "key": hex0x(e.key), "nextKey": hex0x(e.next_key),
                    "valueWord": hex0x(e.word), "txNum": e.tx_num, "supersedes": e.supersedes, "flags": e.flags}
                   for (i, shown), e in zip(self.opened, self.entries)]
        return {"entryCount": self.entry_count, "entries": entries, "nodes": [hex0x(node) for node in self.nodes]}

    def to_json(self):
        return {"kind": self.name, "profile": self.profile.name, **self.json_body()}

    @classmethod
    def read_json(cls, profile, value):
        json_object(value, ("kind", "profile", "entryCount", "entries", "nodes"))
        opened, entries = [], []
        for item in json_list(value["entries"], lambda item: item):
            json_object(item, ("entryId", "active", "key", "nextKey", "valueWord", "txNum", "supersedes", "flags"))
            need(isinstance(item["active"], bool), DecodeError, "true or false is wanted")
            opened.append((json_uint(item["entryId"]), item["active"]))
            entries.append(Entry(*(json_hash(item[name]) for name in ("key", "nextKey", "valueWord")),
                                 *(json_uint(item[name]) for name in ("txNum", "supersedes", "flags"))))
        return cls(profile, json_uint(value["entryCount"]), tuple(opened), tuple(entries),
                   tuple(json_list(value["nodes"], json_hash))).check()

    def root(self):
        nodes = dict(zip(sent_nodes(self.opened, self.entry_count), self.nodes))
        p, count = self.profile, self.entry_count
        known = {i: p.leaf_hash(e.encode()) for (i, _), e in zip(self.opened, self.entries)}

        def climb(known, what, levels):
            for level in levels:
                for index in sorted(known):
                    sibling = index ^ 1
                    if sibling not in known:
                        null = sibling << level >= count
                        known = {**known, sibling: p.null(level) if null else nodes[(what, level, sibling)]}
                known = {i >> 1: p.node_hash(level + 1, known[i & ~1], known[i | 1]) for i in known}
            return known

        known = climb(known, "inside", range(TWIG_LEVEL))
        for twig, words in twig_words(self.opened):
            known[twig] = node_with_tag(p, STATE_TWIG_TAG, known[twig], self._active_root(nodes, twig, words))
        return climb(known, "upper", range(TWIG_LEVEL, root_level(count)))[0]

    def _active_root(self, nodes, twig, words):
        if not words:
            return nodes[("active", twig, 3, 0)]
        known = {word: nodes[("active", twig, 0, word)] for word in words}
        for level in range(3):
            for index in list(known):
                if index ^ 1 not in known:
                    known[index ^ 1] = nodes[("active", twig, level, index ^ 1)]
            known = {i >> 1: node_with_tag(self.profile, 0x80 + level, known[i & ~1], known[i | 1]) for i in known}
        return known[0]

    def proven(self, head, at):
        """What the proof shows: `value(key)` of this is an entry or None; it raises where nothing is shown."""
        def expect(condition, message):
            need(condition, VerifyError, message)

        expect(head.profile is self.profile, "the profile is not the head's")
        expect(head.entry_count == self.entry_count, "the entry count is not the head's")
        expect(at is None or at < head.leaf_count, "the head does not reach that transaction")
        expect(self.root() == head.state_root, "the root differs")
        nodes = dict(zip(sent_nodes(self.opened, self.entry_count), self.nodes))
        by_then = [at is None or entry.tx_num <= at for entry in self.entries]
        valid, unwritten = [], False
        for n, ((entry_id, shown), entry) in enumerate(zip(self.opened, self.entries)):
            enders = [m for m, e in enumerate(self.entries) if e.flags & SUPERSEDES and e.supersedes == entry_id
                      and e.key == entry.key and not by_then[m]]
            if shown:
                i = entry_id % TWIG
                word = nodes[("active", entry_id // TWIG, 0, i // 256)]
                expect(word[i % 256 >> 3] >> (i & 7) & 1, "an entry is not active")
                expect(by_then[n], "an entry was written later")
                valid.append(entry)
            elif by_then[n] and enders:
                valid.append(entry)
            elif entry_id == 0 and not by_then[n]:
                unwritten = True
            else:
                ends = [e for (i, _), e, then in zip(self.opened, self.entries, by_then)
                        if entry.flags & SUPERSEDES and i == entry.supersedes and e.key == entry.key and then]
                expect(ends and not by_then[n], "an entry serves nothing")
        return valid, unwritten

    def verify(self, head, key, at, word):
        """That `key` had this value word (None: was absent), and nothing else."""
        def expect(condition, message):
            need(condition, VerifyError, message)

        valid, unwritten = self.proven(head, at)
        expect(key not in (ZERO, END), "the key is reserved")
        any_shown = any(shown for _, shown in self.opened)
        expect(len(self.opened) == (1 if unwritten or any_shown else 2), "the proof holds more than it takes")
        if unwritten:
            found = None
        else:
            hits = [e for e in valid if e.key <= key < e.next_key]
            expect(hits, "nothing is said about the key")
            found = hits[0].word if hits[0].key == key else None
        expect(found == word, "another value is shown")
