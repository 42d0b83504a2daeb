"""Reading and writing of bytes and JSON values, strictly: every deviation is a `DecodeError`."""

from tree import MAX_U64


class DecodeError(Exception):
    """These bytes (or this JSON) are not a proof or head at all."""


class VerifyError(Exception):
    """A proof that decodes, and does not prove what was asked."""


def need(condition, error, message):
    if not condition:
        raise error(message)


class Reader:
    """A cursor over bytes that never reads past the end and insists on the end."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(size <= self.left(), DecodeError, f"{size} bytes wanted, {self.left()} left")
        self.at += size
        return self.data[self.at - size:self.at]

    def uint(self, size, order="big"):
        return int.from_bytes(self.take(size), order)

    def items(self, count, size):
        """`count` pieces of `size` bytes; the length is checked before anything is made of it."""
        need(count * size <= self.left(), DecodeError, f"{count} times {size} bytes wanted, {self.left()} left")
        return [self.take(size) for _ in range(count)]

    def end(self):
        need(self.left() == 0, DecodeError, f"{self.left()} bytes too many")


def u8(value):
    return value.to_bytes(1, "big")


def u32(value):
    return value.to_bytes(4, "big")


def u64(value):
    return value.to_bytes(8, "big")


def hex0x(data):
    return "0x" + data.hex()


# --- JSON ------------------------------------------------------------------------------------------------------------

def json_object(value, required, optional=()):
    need(isinstance(value, dict), DecodeError, "an object is wanted")
    for name in required:
        need(name in value, DecodeError, f"{name} is missing")
    for name in value:
        need(name in required or name in optional, DecodeError, f"{name} is not a field")


def json_uint(value):
    need(isinstance(value, int) and not isinstance(value, bool), DecodeError, "an integer is wanted")
    need(0 <= value <= MAX_U64, DecodeError, "the integer does not fit in 64 bits")
    return value


def json_name(value, names):
    """What `names` holds under a name; an object that holds the name is none."""
    need(isinstance(value, str) and value in names, DecodeError, "this name is unknown")
    return names[value]


def json_list(value, read):
    need(isinstance(value, list), DecodeError, "a list is wanted")
    return [read(item) for item in value]


def json_hash(value):
    need(isinstance(value, str), DecodeError, "a hash is wanted")
    need(value.startswith("0x"), DecodeError, "a hash begins with 0x")
    need(len(value) == 66, DecodeError, "a hash has 32 bytes")
    need(all(c in "0123456789abcdefABCDEF" for c in value[2:]), DecodeError, "a hash has hex digits")
    return bytes.fromhex(value[2:])
