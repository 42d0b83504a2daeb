"""The head: what a verifier trusts. 98 bytes, a hash, a JSON form."""

from dataclasses import dataclass, replace

from codec import DecodeError, Reader, hex0x, json_hash, json_name, json_object, json_uint, need, u8, u64
from hashes import keccak256
from tree import PROFILE_BY_ID, PROFILE_BY_NAME, ZERO, Profile

SIZE = 98
DOMAIN = b"qmtree/head/1"
SCHEMES = {1: "state-root/1", 2: "read-set/1"}
SCHEME_BY_NAME = {name: number for number, name in SCHEMES.items()}
JSON_FIELDS = ("chainId", "profile", "scheme", "blockNumber", "leafCount", "root", "entryCount", "stateRoot")


@dataclass(frozen=True)
class Head:
    chain_id: int
    profile: Profile
    scheme: int
    block_number: int
    leaf_count: int
    root: bytes
    entry_count: int = 0
    state_root: bytes = ZERO

    def with_(self, **changes):
        return replace(self, **changes)

    def encode(self):
        return (u64(self.chain_id) + u8(self.profile.id) + u8(self.scheme) + u64(self.block_number)
                + u64(self.leaf_count) + self.root + u64(self.entry_count) + self.state_root)

    def hash(self):
        return keccak256(DOMAIN + self.encode())

    def check(self):
        """A count is 0 exactly where its root is zero."""
        need((self.leaf_count == 0) == (self.root == ZERO), DecodeError, "leaf_count and root contradict each other")
        need((self.entry_count == 0) == (self.state_root == ZERO), DecodeError,
             "entry_count and state_root contradict each other")
        return self

    def to_json(self):
        return {"chainId": self.chain_id, "profile": self.profile.name, "scheme": SCHEMES[self.scheme],
                "blockNumber": self.block_number, "leafCount": self.leaf_count, "root": hex0x(self.root),
                "entryCount": self.entry_count, "stateRoot": hex0x(self.state_root), "headHash": hex0x(self.hash())}


def decode(data):
    need(len(data) == SIZE, DecodeError, f"a head has {SIZE} bytes, not {len(data)}")
    r = Reader(data)
    chain_id, profile_id, scheme = r.uint(8), r.uint(1), r.uint(1)
    need(profile_id in PROFILE_BY_ID, DecodeError, f"profile {profile_id} is unknown")
    need(scheme in SCHEMES, DecodeError, f"scheme {scheme} is unknown")
    head = Head(chain_id, PROFILE_BY_ID[profile_id], scheme, r.uint(8), r.uint(8), r.take(32), r.uint(8), r.take(32))
    r.end()
    return head.check()


def from_json(value):
    json_object(value, JSON_FIELDS, ("headHash",))
    head = Head(json_uint(value["chainId"]), json_name(value["profile"], PROFILE_BY_NAME),
                json_name(value["scheme"], SCHEME_BY_NAME), json_uint(value["blockNumber"]),
                json_uint(value["leafCount"]), json_hash(value["root"]), json_uint(value["entryCount"]),
                json_hash(value["stateRoot"])).check()
    if "headHash" in value:
        need(json_hash(value["headHash"]) == head.hash(), DecodeError, "headHash is not the hash of this head")
    return head
