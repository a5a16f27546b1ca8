"""The invariants of the core, under the fuzzer's scripts made by a seeded generator: see tests/fuzz/fuzz_zre.py."""

import random

import pytest

from fuzz import fuzz_zre


@pytest.mark.parametrize("number", range(len(fuzz_zre.SEEDS)))
def test_the_corpus(number):
    fuzz_zre.one_input(fuzz_zre.SEEDS[number])


@pytest.mark.parametrize("seed", range(8))
def test_random_scripts(seed):
    source = random.Random(seed)
    for _ in range(200):
        data = fuzz_zre.random_input(source)
        try:
            fuzz_zre.one_input(data)
        except BaseException as error:
            error.add_note(f"the script: bytes.fromhex({data.hex()!r})")
            raise


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            "0000010200000203000004050000050600000001000001020000020300000405000005060000060700000708000008090000030400000405"
            "000101",
            id="HELLO soon after goodbye, with too many pending",
        ),
    ],
)
def test_what_was_found(script):
    fuzz_zre.one_input(bytes.fromhex(script))
