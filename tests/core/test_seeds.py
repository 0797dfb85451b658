"""Derived seeds."""

from pipeline.core.seeds import derive_seed


def test_seeds_are_the_same_everywhere() -> None:
    # printf 1/split/mnist | sha256sum: the first 32 bits, halved
    assert derive_seed(1, "split", "mnist") == 0x550152AC // 2


def test_seeds_of_different_purposes_differ() -> None:
    seeds = {derive_seed(seed, "trial", slot) for seed in range(20) for slot in range(50)}
    assert len(seeds) == 1_000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(1, "trial", 2) != derive_seed(1, "evaluate", 2)
