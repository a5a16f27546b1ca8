"""A model whose names are words of programming languages, and of what is generated in them."""

from __future__ import annotations

from pathlib import Path

_WORDS = """
    about any append append-encode array assert async await bool box break btree-map buffer byte bytes case
    catch chan char class clone codec const constant copy core count crate debug decode decode-error default
    defer delete do drop dyn else encode encode-error enum eq equal err error errors extern false field fields
    final fixed float fmt fn following for frame frames from func go hash id identity if impl import in init int
    interface into iota is item iter kind len left let length list lossy m macro make map maps match math
    message message-id message-name mod module mut name new nil none null o object octet octets offset ok option
    other package panic parse-uuid part partial-eq path print protocol pub range raw read reader reason
    reason-id receive ref rest result return run runtime select self send signature since size slices socket
    some start static std str string strings struct subscription super switch take test text topic-x total trait
    true try type u8 u32 union unsafe use utf8 uuid v value var vec void w where while write writer yield zmq
"""
NAMES = _WORDS.split()
KINDS = ("string", "uuid", "chunk", "hash", "strings", "frame", "number")


def model(folder: Path, *, pubsub: bool) -> Path:
    """A file with a message, a composite type, a constant and fields of each name."""
    lines = [f'<class name = "hostile" pubsub = "{int(pubsub)}">']
    for name in NAMES:
        fields = "".join(f'<field name = "{name} {kind}" type = "{kind}" />' for kind in KINDS)
        lines += [
            f'<message name = "{name}"><field name = "{name}" type = "longstr" />{fields}',
            f'<field name = "{name} c" type = "string" value = "{name}" />',
            f'<field name = "{name} t" type = "{name} type" /></message>',
            f'<type name = "{name} type"><field name = "{name} big" type = "octets" size = "300" />{fields}</type>',
            f'<define name = "{name} x" value = "1" />',
        ]
    path = folder / "hostile.xml"
    path.write_text("\n".join([*lines, "</class>"]), encoding="utf-8")
    return path
