"""Vectors of the head."""

import head as heads
from cases import flip, label, put, test_tree
from codec import DecodeError, hex0x, u64
from head import Head
from tree import BLAKE3, KECCAK, MAX_U64, PROFILES, ZERO


def _heads():
    for p in PROFILES:
        yield f"{p.name}-empty", Head(1, p, 1, 0, 0, ZERO)
        yield f"{p.name}-one-leaf", Head(1, p, 1, 1, 1, test_tree(p, 1).root())
        yield f"{p.name}-read-set", Head(560048, p, 2, 100000, 4097, test_tree(p, 4097).root())
        yield f"{p.name}-state-log", Head(1, p, 1, 25000000, 2049, test_tree(p, 2049).root(), 5, label("state root"))
        yield f"{p.name}-state-log-only", Head(1, p, 1, 7, 0, ZERO, 3, label("state root"))
    yield "maximal", Head(MAX_U64, BLAKE3, 2, MAX_U64, MAX_U64, b"\xff" * 32, MAX_U64, b"\xff" * 32)
    yield "zero-chain", Head(0, KECCAK, 1, 0, 0, ZERO)
    yield "distinct-bytes", Head(0x0102030405060708, KECCAK, 2, 0x1112131415161718, 0x2122232425262728,
                                 bytes(range(0x40, 0x60)), 0x3132333435363738, bytes(range(0x60, 0x80)))


def _invalid(good, empty):
    """From a head with both logs, and an empty one: (name, reason, bytes)."""
    yield "no-bytes", "wrong length", b""
    yield "one-byte-short", "wrong length", good[:-1]
    yield "trailing-byte", "wrong length", good + b"\0"
    yield "twice", "wrong length", good + good
    yield "profile-0", "unknown profile", put(good, 8, b"\0")
    yield "profile-3", "unknown profile", put(good, 8, b"\3")
    yield "profile-255", "unknown profile", put(good, 8, b"\xff")
    yield "scheme-0", "unknown scheme", put(good, 9, b"\0")
    yield "scheme-3", "unknown scheme", put(good, 9, b"\3")
    yield "scheme-255", "unknown scheme", put(good, 9, b"\xff")
    yield "no-leaves-and-a-root", "leaf_count 0 with a root that is not zero", put(good, 18, u64(0))
    yield "leaves-and-no-root", "leaf_count above 0 with a zero root", put(good, 26, ZERO)
    yield "no-entries-and-a-root", "entry_count 0 with a state root that is not zero", put(good, 58, u64(0))
    yield "entries-and-no-root", "entry_count above 0 with a zero state root", put(good, 66, ZERO)
    yield "empty-with-a-root-bit", "leaf_count 0 with a root that is not zero", flip(empty, 57)
    yield "empty-with-a-state-root-bit", "entry_count 0 with a state root that is not zero", flip(empty, 97)
    yield "empty-with-a-count", "leaf_count above 0 with a zero root", flip(empty, 25)


def _invalid_json(good):
    """From the JSON of a head: (name, reason, JSON)."""
    def but(**changes):
        return {**good, **changes}

    for name in heads.JSON_FIELDS:
        yield f"without-{name}", "a field is missing", {k: v for k, v in good.items() if k != name}
    yield "wrong-head-hash", "headHash is not the hash of this head", but(headHash=hex0x(label("another head")))
    yield "head-hash-of-other-fields", "headHash is not the hash of this head", but(blockNumber=good["blockNumber"] + 1)
    yield "short-head-hash", "a hash has 32 bytes", but(headHash=good["headHash"][:-2])
    yield "unknown-profile", "unknown profile", but(profile="sha256")
    yield "profile-by-id", "the profile is a name", but(profile=1)
    yield "unknown-scheme", "unknown scheme", but(scheme="state-root/2")
    yield "scheme-by-id", "the scheme is a name", but(scheme=1)
    yield "number-as-text", "integers are numbers", but(leafCount=str(good["leafCount"]))
    yield "negative", "integers are unsigned", but(blockNumber=-1)
    yield "two-to-the-64", "integers have 64 bits", but(chainId=1 << 64)
    yield "short-hash", "a hash has 32 bytes", but(root=good["root"][:-2])
    yield "long-hash", "a hash has 32 bytes", but(root=good["root"] + "00")
    yield "odd-hash", "a hash has 32 bytes", but(root=good["root"][:-1])
    yield "no-hex", "hashes are 0x-hex", but(root=good["root"][:-1] + "g")
    yield "hash-without-0x", "hashes are 0x-hex", but(root=good["root"][2:])
    yield "hash-with-0X", "the x is lower-case", but(root="0X" + good["root"][2:])
    yield "hash-with-0x0x", "hashes are 0x-hex", but(root="0x" + good["root"])
    yield "hash-as-numbers", "hashes are strings", but(root=list(bytes.fromhex(good["root"][2:])))
    yield "head-hash-null", "a field that is given has a value", but(headHash=None)
    yield "root-null", "a field has a value", but(root=None)
    yield "leaf-count-null", "a field has a value", but(leafCount=None)
    yield "profile-in-an-object", "the profile is a string", but(profile={good["profile"]: None})
    yield "scheme-in-an-object", "the scheme is a string", but(scheme={good["scheme"]: None})
    yield "unknown-field", "no such field", but(verified=True)
    yield "array-for-the-head", "a head is an object", list(good.values())
    bare = {k: v for k, v in good.items() if k != "headHash"}
    zero = hex0x(ZERO)
    yield "no-leaves-and-a-root", "leaf_count 0 with a root that is not zero", {**bare, "leafCount": 0}
    yield "leaves-and-no-root", "leaf_count above 0 with a zero root", {**bare, "root": zero}
    yield "no-entries-and-a-root", "entry_count 0 with a state root that is not zero", {**bare, "entryCount": 0}
    yield "entries-and-no-root", "entry_count above 0 with a zero state root", {**bare, "stateRoot": zero}


def _must_fail(read, value, name):
    try:
        read(value)
    except DecodeError:
        return
    raise AssertionError(f"head {name}: the oracle accepts it")


def all_heads():
    valid, invalid, invalid_json = [], [], []
    by_name = dict(_heads())
    for name, head in by_name.items():
        encoded, value = head.encode(), head.to_json()
        assert len(encoded) == heads.SIZE
        assert heads.decode(encoded) == head and heads.from_json(value) == head
        assert heads.from_json({k: v for k, v in value.items() if k != "headHash"}) == head
        valid.append({"name": name, "encoded": hex0x(encoded), "headHash": hex0x(head.hash()), "json": value})
    good, empty = by_name["keccak-state-log"], by_name["keccak-empty"]
    for name, reason, encoded in _invalid(good.encode(), empty.encode()):
        _must_fail(heads.decode, encoded, name)
        invalid.append({"name": name, "reason": reason, "encoded": hex0x(encoded)})
    for name, reason, value in _invalid_json(good.to_json()):
        _must_fail(heads.from_json, value, name)
        invalid_json.append({"name": name, "reason": reason, "json": value})
    return {"description": "Heads. valid: bytes, hash and JSON belong together; the JSON holds headHash, and is valid "
                           "without it too. invalid: bytes that do not decode. invalidJson: JSON that does not.",
            "valid": valid, "invalid": invalid, "invalidJson": invalid_json}
