"""Reads a vector file back and tries its cases, from the file alone (not from the code that made it)."""

import hashlib

import erigon
import head as heads
import proofs
from cases import test_log
from codec import DecodeError, VerifyError
from tree import PROFILES

ERIGON_FORMS = {"proofPath": erigon.ProofPath, "witness": erigon.Witness, "rangeWitness": erigon.RangeWitness}
ARGUMENTS = ("txNum", "txNums", "from", "to", "leafHash", "leafHashes", "key", "at", "word")  # the order in which `verify` takes them


def _bytes(text):
    assert text.startswith("0x")
    return bytes.fromhex(text[2:])


def replay(document):
    """(number of cases, list of failures)."""
    count, failures = 0, []
    if "rangeWitness" in document:
        groups = [(form.decode, document[name], name + " ") for name, form in ERIGON_FORMS.items()]
    elif any("headHash" in case for case in document.get("valid", [])):
        groups = [(heads.decode, document, "head ")]
    else:
        groups = [(proofs.decode, document, "")]
    for decode, group, prefix in groups:
        from_json = heads.from_json if decode is heads.decode else proofs.from_json
        for case in group.get("valid", []):
            count += 1
            found = _outcome(decode, case)
            if found != "accepted":
                failures.append(f"{prefix}{case['name']}: valid, but refused at {found}")
            if "json" in case and from_json(case["json"]) != decode(_bytes(case["encoded"])):
                failures.append(f"{prefix}{case['name']}: JSON and bytes differ")
        for case in group.get("invalid", []):
            count += 1
            found, stage = _outcome(decode, case), case.get("stage", "decode")
            if found == "accepted" or stage not in ("either", found):
                failures.append(f"{prefix}{case['name']}: {found}, but it says {stage}")
        for case in group.get("invalidJson", []):
            count += 1
            try:
                from_json(case["json"])
                failures.append(f"{prefix}{case['name']}: the JSON is accepted")
            except DecodeError:
                pass
    return count, failures


def _outcome(decode, case):
    try:
        proof = decode(_bytes(case["encoded"]))
        if "head" in case:
            proof.verify(*_arguments(case))
    except DecodeError:
        return "decode"
    except VerifyError:
        return "verify"
    return "accepted"


def _arguments(case):
    out = [_head(case[name]) for name in ("oldHead", "head") if name in case]
    expected = case.get("expected", {})
    for name in ARGUMENTS:
        if name in expected:
            out.append(_argument(name, expected))
    return out


def _argument(name, expected):
    value = expected[name]
    if name in ("leafHash", "key", "word") and value is not None:
        return _bytes(value)
    if name == "leafHashes":
        return _test_hashes(expected) if value is None else [_bytes(item) for item in value]
    return value


def _head(text):
    return heads.decode(_bytes(text))


def _test_hashes(expected):
    """Leaf hashes that are too many for the file: the test leaves', in the profile whose SHA-256 is the one given."""
    for profile in PROFILES:
        hashes = test_log(profile).leaf_hashes[expected["from"]:expected["to"]]
        if hashlib.sha256(b"".join(hashes)).digest() == _bytes(expected["leafHashesSha256"]):
            return hashes
    raise AssertionError("these are not the test leaves")
