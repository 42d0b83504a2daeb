"""The oracle: makes and checks the vectors.

    python3 testdata/oracle/oracle.py generate       write testdata/vectors/*.json
    python3 testdata/oracle/oracle.py check          compute them again and compare byte for byte
    python3 testdata/oracle/oracle.py verify FILE    read a vector file back and try its proofs and heads

The exit code is 0, or 1 where something is not as it should be; then a line says what.

FILE is one of heads, inclusion, range, multi, consistency, witness, range-witness, state, large, erigon
(or a path to one).
"""

import json
import sys
import time
from pathlib import Path

import hashes
import make_erigon
import make_extract
import make_heads
import make_large
import make_proofs
import make_state
import make_statement
import make_tree
import replay
from codec import DecodeError, VerifyError

VECTORS = Path(__file__).resolve().parent.parent / "vectors"

FILES = {
    "null-hashes.json": make_tree.null_hashes,
    "roots.json": make_tree.roots,
    "heads.json": make_heads.all_heads,
    "inclusion.json": make_proofs.inclusion,
    "range.json": make_proofs.ranges,
    "multi.json": make_proofs.multi,
    "consistency.json": make_proofs.consistency,
    "witness.json": make_proofs.witness,
    "range-witness.json": make_proofs.range_witness,
    "large.json": make_large.large,
    "erigon.json": make_erigon.erigon,
    "state-roots.json": make_state.state_roots,
    "state-compaction.json": make_state.compaction_roots,
    "state.json": make_state.state,
    "extracts.json": make_extract.extracts,
    "statement.json": make_statement.statements,
    "exhaustive.json": make_tree.exhaustive,
}


class Contradiction(Exception):
    """The oracle has computed something that it knows to be wrong."""


def texts():
    """(file name, text) of every vector file, computed from the format alone."""
    hashes.self_check()
    for name, make in FILES.items():
        try:
            document = make()
        except (AssertionError, DecodeError, VerifyError) as error:
            raise Contradiction(f"{name}: the oracle contradicts itself or a known value: {error}") from error
        yield name, json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def generate():
    VECTORS.mkdir(exist_ok=True)
    for name, text in texts():
        (VECTORS / name).write_text(text, encoding="ascii", newline="\n")
        print(f"{name}: {len(text)} bytes")
    return 0


def check():
    failed = False
    for name, text in texts():
        path = VECTORS / name
        found = path.read_bytes() if path.exists() else None
        if found == text.encode("ascii"):
            print(f"{name}: ok")
            continue
        failed = True
        print(f"{name}: DIFFERS: {_difference(found, text.encode('ascii'))}")
    for path in sorted(VECTORS.iterdir()):
        if path.name not in FILES:
            failed = True
            print(f"{path.name}: DIFFERS: the oracle makes no such file")
    return 1 if failed else 0


def _difference(found, wanted):
    if found is None:
        return "the file is missing"
    for number, (a, b) in enumerate(zip(found.split(b"\n"), wanted.split(b"\n")), 1):
        if a != b:
            return f"line {number} is {a[:80].decode('ascii', 'replace')!r}, computed {b[:80].decode('ascii')!r}"
    return f"the file has {len(found)} bytes, computed {len(wanted)}"


def verify(name):
    hashes.self_check()
    path = Path(name)
    if not path.exists():
        path = VECTORS / (name if name.endswith(".json") else name + ".json")
    count, failures = replay.replay(json.loads(path.read_text(encoding="ascii")))
    for failure in failures:
        print(failure)
    print(f"{path.name}: {count} cases, {len(failures)} failures")
    return 1 if failures else 0


def main(arguments):
    if not __debug__:
        print("the oracle checks itself by assertions: run it without -O")
        return 2
    start = time.monotonic()
    try:
        if arguments == ["generate"]:
            code = generate()
        elif arguments == ["check"]:
            code = check()
        elif len(arguments) == 2 and arguments[0] == "verify":
            code = verify(arguments[1])
        else:
            print(__doc__)
            return 2
    except (Contradiction, AssertionError) as error:
        print(error)
        code = 1
    print(f"{'failed' if code else 'ok'} in {time.monotonic() - start:.1f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
