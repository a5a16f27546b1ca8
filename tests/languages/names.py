"""A model whose names mean something in a language, or in what is generated: none may get in the way."""

from __future__ import annotations

from pathlib import Path

_WORDS = """
    abstract array array-list arrays as assert async await base bool boolean break buffer build builder byte bytes
    case catch char character checked class clone collections console const continue decimal decode
    decode-exception default delegate dictionary do double dynamic else encode encode-exception encoding enum
    equals event exception exports extends extern false final finalize finally fixed float for foreach frame frames
    from func generic get get-hash-code get-type goto guid hash hash-code i-equatable id if implements implicit
    import in inner instanceof int integer interface internal is item linq list lock log long map math
    member-wise-clone message message-id message-name model-name module name name-of nameof namespace native need
    new next nil non-sealed notify null null-pointer-exception object objects octets open operator out override
    package params parse partial parts permits private protected public read readonly record ref reference-equals
    rest return sealed self set short signature size sizeof stackalloc start static string string-builder
    subscription super switch synchronized system text this throw throws to to-builder to-string transient true try
    type typeof uint ulong unchecked unsafe ushort uuid value values var version virtual void volatile wait when
    where while wire wire-id wire-printer wire-reader wire-value wire-writer with yield
"""
WORDS = _WORDS.split()
KINDS = ("string", 'number" size = "8', "strings", "hash", "uuid", "chunk", 'octets" size = "3', 'number" size = "2')
#: Types that a composite one can't be called like.
BUILT_IN = {"chunk", "frame", "hash", "msg", "number", "octets", "string", "strings", "longstr", "uuid"}


def write(folder: Path) -> list[Path]:
    """Two models: messages and fields with these names; for pubsub, composite types and fields of them."""
    fields = {
        word: f'<field name = "{word}" type = "{KINDS[number % len(KINDS)]}" />' for number, word in enumerate(WORDS)
    }
    messages = "".join(f'<message name = "{word}">{field}</message>' for word, field in fields.items())
    all_fields = list(fields.values())
    for start in range(0, len(all_fields), 90):
        messages += f'<message name = "all from {start}">{"".join(all_fields[start : start + 90])}</message>'
    first = folder / "names.xml"
    first.write_text(f'<class name = "names" signature = "1">{messages}</class>', encoding="utf-8")

    words = [word for word in WORDS if word not in BUILT_IN]
    types = "".join(f'<type name = "{word}"><field name = "inner words" type = "strings" /></type>' for word in words)
    messages = ""
    for start in range(0, len(words), 60):
        composites = "".join(f'<field name = "{word}" type = "{word}" />' for word in words[start : start + 60])
        messages += f'<message name = "all from {start}">{composites}</message>'
    second = folder / "types.xml"
    second.write_text(f'<class name = "types" pubsub = "1">{messages}{types}</class>', encoding="utf-8")
    return [first, second]
