"""Inputs out of a seed, for runs without coverage: pieces of good inputs, changed, cut and joined."""

import random
from collections.abc import Iterator, Sequence


def mutations(good: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """``count`` inputs made of ``good`` ones, always the same for a ``seed``."""
    generator = random.Random(seed)
    for _ in range(count):
        data = bytearray(generator.choice(good))
        for _ in range(generator.randrange(1, 6)):
            start = generator.randrange(len(data) + 1)
            end = min(len(data), start + generator.randrange(16))
            match generator.randrange(5):
                case 0:
                    data[start:end] = generator.randbytes(end - start)
                case 1:
                    del data[start:end]
                case 2:
                    data[start:start] = data[generator.randrange(len(data) + 1) :][: generator.randrange(40)]
                case 3:
                    data[start:end] = generator.choice(
                        [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xc3", b"<", b'"']
                    )
                case _:
                    other = generator.choice(good)
                    data[start:] = other[generator.randrange(len(other) + 1) :]
        yield bytes(data)
