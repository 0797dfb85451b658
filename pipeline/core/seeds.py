"""Derivation of independent seeds from one seed. Nothing in the project seeds a global generator."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed of one purpose, in [0, 2**31); seeds of different purposes are independent.

    The same arguments give the same seed on every machine and Python version.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
