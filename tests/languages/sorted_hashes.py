"""Messages for languages that write a hash in the order of its names."""

from __future__ import annotations

from pathlib import Path

from languages.exchange import MODELS
from support.codecs import Codec, example, get_path, set_path


def frames_of_everything(folder: Path) -> list[list[bytes]]:
    """The frames of each message of the model `everything`, with the model's test values."""
    codec = Codec(MODELS / "everything.xml", folder)
    found: list[list[bytes]] = []
    for message, _ in codec.cases():
        value = example(codec.module, message)
        for path, kind in value.KINDS.items():
            if kind == "hash":
                set_path(value, path, dict(sorted(get_path(value, path).items())))
        found.append(value.frames())
    return found
