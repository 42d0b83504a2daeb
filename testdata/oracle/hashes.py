"""Keccak-256 and BLAKE3 (one chunk, plain and keyed), in plain Python.

Both are checked against published answers by `self_check()`, which the oracle runs before anything else.
"""

import hashlib
import struct

# --- Keccak-256 ------------------------------------------------------------------------------------------------------
# The original Keccak padding (0x01), as Ethereum uses it, not the padding of SHA3-256 (0x06).

MASK64 = (1 << 64) - 1
RATE = 136

ROUND_CONSTANTS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)


def _rotation_offsets():
    """Offsets of the rho step, by their definition in the Keccak reference: walk (x, y) -> (y, 2x + 3y)."""
    offsets = {(0, 0): 0}
    x, y = 1, 0
    for t in range(24):
        offsets[(x, y)] = ((t + 1) * (t + 2) // 2) % 64
        x, y = y, (2 * x + 3 * y) % 5
    return offsets


def _permutation_source():
    """Source of keccak-f[1600] with the body of a round unrolled; lane (x, y) is the local variable a{x + 5y}."""
    offsets = _rotation_offsets()
    lanes = ", ".join(f"a{i}" for i in range(25))
    body = []
    # theta
    for x in range(5):
        body.append(f"c{x} = " + " ^ ".join(f"a{x + 5 * y}" for y in range(5)))
    for x in range(5):
        left, right = (x + 4) % 5, (x + 1) % 5
        body.append(f"d{x} = c{left} ^ (((c{right} << 1) & M) | (c{right} >> 63))")
    # rho and pi: b[y][2x + 3y] = rot(a[x][y])
    for x in range(5):
        for y in range(5):
            source, target, by = x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), offsets[(x, y)]
            body.append(f"t = a{source} ^ d{x}")
            body.append(f"b{target} = ((t << {by}) & M) | (t >> {64 - by})" if by else f"b{target} = t")
    # chi, and iota on lane 0
    for y in range(5):
        for x in range(5):
            here, one, two = x + 5 * y, (x + 1) % 5 + 5 * y, (x + 2) % 5 + 5 * y
            iota = " ^ rc" if here == 0 else ""
            body.append(f"a{here} = b{here} ^ (~b{one} & b{two}){iota}")
    lines = ["def permute(state):", f"    {lanes} = state", "    for rc in RC:"]
    lines += [f"        {line}" for line in body]
    lines += [f"    return ({lanes})"]
    return "\n".join(lines)


def _compile_permutation():
    scope = {"RC": ROUND_CONSTANTS, "M": MASK64}
    # M and RC become default arguments, so that the loop reads locals and not globals.
    exec(_permutation_source().replace("permute(state)", "permute(state, M=M, RC=RC)"), scope)
    return scope["permute"]


_permute = _compile_permutation()
_LANES = struct.Struct("<17Q")
_DIGEST = struct.Struct("<4Q")


def _sponge256(data, padding):
    padded = bytearray(data)
    padded.append(padding)
    padded.extend(bytes(-len(padded) % RATE))
    padded[-1] |= 0x80
    state = (0,) * 25
    for offset in range(0, len(padded), RATE):
        block = _LANES.unpack_from(padded, offset)
        state = _permute(tuple(a ^ b for a, b in zip(state, block)) + state[17:])
    return _DIGEST.pack(*state[:4])


def keccak256(data):
    """Keccak-256 of `data`: 32 bytes."""
    return _sponge256(data, 0x01)


# --- BLAKE3 ----------------------------------------------------------------------------------------------------------
# One chunk only: the longest message of a QMTree is a leaf of 128 bytes, a chunk has 1024.

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
MESSAGE_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, ROOT, KEYED_HASH = 1, 2, 8, 16
# The columns, then the diagonals, of the state as a 4 x 4 matrix.
MIXES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def _compress_source():
    """Source of the compression function with its 7 rounds of 8 mixes unrolled; returns the 8 words of output."""
    lines = ["def compress(cv, m, length, flags):",
             "    " + ", ".join(f"v{i}" for i in range(8)) + " = cv",
             "    " + ", ".join(f"m{i}" for i in range(16)) + " = m"]
    lines += [f"    v{8 + i} = {IV[i]}" for i in range(4)]
    lines += ["    v12 = v13 = 0", "    v14 = length", "    v15 = flags"]  # the chunk counter is 0
    schedule = list(range(16))
    for _ in range(7):
        for mix, (a, b, c, d) in enumerate(MIXES):
            for half, (rot_d, rot_b) in enumerate(((16, 12), (8, 7))):
                word = schedule[2 * mix + half]
                lines += [f"    v{a} = (v{a} + v{b} + m{word}) & 0xffffffff",
                          f"    t = v{d} ^ v{a}",
                          f"    v{d} = (t >> {rot_d}) | ((t << {32 - rot_d}) & 0xffffffff)",
                          f"    v{c} = (v{c} + v{d}) & 0xffffffff",
                          f"    t = v{b} ^ v{c}",
                          f"    v{b} = (t >> {rot_b}) | ((t << {32 - rot_b}) & 0xffffffff)"]
        schedule = [schedule[i] for i in MESSAGE_PERMUTATION]
    lines.append("    return (" + ", ".join(f"v{i} ^ v{i + 8}" for i in range(8)) + ")")
    return "\n".join(lines)


def _compile_compress():
    scope = {}
    exec(_compress_source(), scope)
    return scope["compress"]


_compress = _compile_compress()
_WORDS16 = struct.Struct("<16I")
_WORDS8 = struct.Struct("<8I")


def _blake3_chunk(key_words, data, mode):
    if len(data) > 1024:
        raise ValueError("this BLAKE3 knows one chunk only")
    cv = key_words
    blocks = max(1, (len(data) + 63) // 64)
    for i in range(blocks):
        block = data[64 * i:64 * i + 64]
        flags = mode
        if i == 0:
            flags |= CHUNK_START
        if i == blocks - 1:
            flags |= CHUNK_END | ROOT
        cv = _compress(cv, _WORDS16.unpack(bytes(block).ljust(64, b"\0")), len(block), flags)
    return _WORDS8.pack(*cv)


def blake3(data):
    """BLAKE3 of `data`, at most 1024 bytes: 32 bytes."""
    return _blake3_chunk(IV, data, 0)


def blake3_keyed(key, data):
    """BLAKE3 in keyed mode with a key of 32 bytes."""
    return _blake3_chunk(_WORDS8.unpack(key), data, KEYED_HASH)


# --- Published answers -----------------------------------------------------------------------------------------------

KECCAK_ANSWERS = (
    (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
    (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    # Event topics that any Ethereum node shows.
    (b"Transfer(address,address,uint256)", "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    (b"Approval(address,address,uint256)", "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"),
    # The empty trie of Ethereum: keccak256 of the RLP of an empty string.
    (b"\x80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
)

# From test_vectors/test_vectors.json of the BLAKE3 repository: (input length, hash, keyed hash); the input is
# 0, 1, .. 250, 0, 1, ..
BLAKE3_KEY = b"whats the Elvish word for friend"
BLAKE3_ANSWERS = (
    (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"),
    (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"),
    (1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
     "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"),
    (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"),
)


def self_check():
    """Raise AssertionError if a hash function here does not give the published answers."""
    for message, answer in KECCAK_ANSWERS:
        assert keccak256(message).hex() == answer, f"keccak256 of {message!r} is wrong"
    # Around the rate: hashlib knows the same permutation under another padding, which pins the sponge itself.
    for length in (0, 1, 65, 127, 128, 135, 136, 137, 271, 272, 273):
        message = bytes(i % 251 for i in range(length))
        assert _sponge256(message, 0x06) == hashlib.sha3_256(message).digest(), f"the sponge is wrong at {length} bytes"
    for length, answer, keyed_answer in BLAKE3_ANSWERS:
        message = bytes(i % 251 for i in range(length))
        assert blake3(message).hex() == answer, f"blake3 of {length} bytes is wrong"
        assert blake3_keyed(BLAKE3_KEY, message).hex() == keyed_answer, f"keyed blake3 of {length} bytes is wrong"
