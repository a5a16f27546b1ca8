"""protocol/README.md says what the models and the code say: sections, tables, grammar, constants and hex dumps.

Conventions of that text, which these tests read:

- chapter 3 holds a section ``### 3.n NAME`` for each message of zre_log_msg, chapter 9 one for each of zre_msg;
- a hex dump is a fenced block ``hexdump MODEL MESSAGE`` (or ``hexdump KIND``) of lines ``offset  octets  | meaning``,
  at most eight octets each, where a line that begins a field begins its meaning with the field's name;
- grammar is in fenced blocks ``abnf MODEL``: together, in their order, they are what the generator prints.
"""

import importlib
import importlib.util
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest

from support.codecs import sample_value
from zlog.zre import beacon
from zlog.zre.core import Timing
from zlog_codegen import languages, load, model, naming, render

PROTOCOL: Final = Path(__file__).parents[2] / "protocol"
MODELS: Final = {name: load(PROTOCOL / f"{name}.xml") for name in ("zre_log_msg", "zre_msg")}
CHAPTERS: Final = {"zre_log_msg": "3", "zre_msg": "9"}
MESSAGES: Final = [
    pytest.param(name, message, id=f"{name}-{message.name}")
    for name, spec in MODELS.items()
    for message in spec.messages
]
NODE: Final = UUID("3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e")
COLLECTOR: Final = UUID("9f1d4a2c-6b7e-48d0-a1b2-c3d4e5f60718")
SEVERITIES: Final = {1: "TRACE", 5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR", 21: "FATAL"}
DUMP_LINE: Final = re.compile(r"([0-9A-F]{4})  ((?:[0-9A-F]{2} ){0,7}[0-9A-F]{2}) *\|(?: (\S.*))?")
NEXT_FRAME: Final = "--- next frame ---"


@dataclass
class Block:
    """A fenced block: the words after its fence, and its lines."""

    info: list[str]
    lines: list[str] = field(default_factory=list)


@dataclass
class Section:
    """What stands below one heading, up to the next heading of any level."""

    number: str
    title: str
    text: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Heading and rows of each table."""
        found: list[tuple[list[str], list[list[str]]]] = []
        row_before = False
        for line in self.text:
            is_row = line.startswith("|")
            if is_row:
                cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
                if not row_before:
                    found.append((cells, []))
                elif not re.fullmatch(r"[|\- ]+", line):
                    found[-1][1].append(cells)
            row_before = is_row
        return found

    def table(self, first_heading: str) -> list[list[str]]:
        """The rows of the table whose first column is headed so."""
        rows = [rows for heading, rows in self.tables() if heading[0] == first_heading]
        assert len(rows) == 1, f"section {self.number} {self.title}: {len(rows)} tables headed {first_heading!r}"
        return rows[0]

    def dumps(self, *info: str) -> list[Block]:
        return [block for block in self.blocks if block.info == ["hexdump", *info]]


def read() -> list[Section]:
    sections = [Section("", "")]
    block: Block | None = None
    for line in (PROTOCOL / "README.md").read_text(encoding="utf-8").splitlines():
        if block is not None:
            if line.rstrip() == "```":
                block = None
            else:
                block.lines.append(line)
        elif line.startswith("```"):
            block = Block(line[3:].split())
            sections[-1].blocks.append(block)
        elif match := re.fullmatch(r"#+ (?:([0-9.]+?)\.? )?(.*)", line):
            sections.append(Section(match[1] or "", match[2]))
        else:
            sections[-1].text.append(line)
    assert block is None, "a fenced block is not closed"
    return sections


README: Final = read()
BLOCKS: Final = [block for section in README for block in section.blocks]


def section(number: str) -> Section:
    (found,) = [section for section in README if section.number == number]
    return found


def section_of(name: str, message: model.Message) -> Section:
    """The section of a message."""
    inside = [s for s in README if s.number.startswith(f"{CHAPTERS[name]}.") and s.title == message.name]
    assert len(inside) == 1, f"chapter {CHAPTERS[name]} has {len(inside)} sections '{message.name}'"
    return inside[0]


def codec(name: str) -> ModuleType:
    return importlib.import_module(f"zlog.wire.{name}")


def own_fields(message: model.Message) -> list[model.Field]:
    return [part for part in message.fields if not part.in_header]


def shown_type(part: model.Field) -> str:
    return f"number-{part.size}" if part.type == model.NUMBER else part.type


def dump(block: Block) -> tuple[list[bytes], list[str]]:
    """The frames of a hex dump, and the meanings beside its lines."""
    frames = [bytearray()]
    meanings = []
    for line in block.lines:
        if line == NEXT_FRAME:
            frames.append(bytearray())
            continue
        match = DUMP_LINE.fullmatch(line)
        assert match, f"not a line of a hex dump: {line!r}"
        assert int(match[1], 16) == len(frames[-1]), f"wrong offset: {line!r}, {len(frames[-1]):04X} is due"
        frames[-1] += bytes.fromhex(match[2])
        meanings.append(match[3] or "")
    return [bytes(frame) for frame in frames], meanings


def values_of(message: model.Message) -> dict[str, Any]:
    """The model's test values of a message, by the attribute that a codec has for the field."""
    return {naming.snake(part.name): sample_value(part) for part in message.fields if part.value is None and part.tests}


# --- messages ---------------------------------------------------------------------------------------------------------


def test_sections_of_messages_are_in_the_order_of_their_ids() -> None:
    for name, spec in MODELS.items():
        numbers = [int(section_of(name, message).number.split(".")[1]) for message in spec.messages]
        assert numbers == sorted(numbers), name


def test_ids() -> None:
    rows = [(int(row[0]), row[1]) for row in section("3.1").table("id")]
    assert rows == [(message.id, message.name) for message in MODELS["zre_log_msg"].messages]


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_fields(name: str, message: model.Message) -> None:
    fields = own_fields(message)
    here = section_of(name, message)
    if not fields:
        assert not here.tables()
        return
    rows = here.table("field")
    assert [row[:2] for row in rows] == [[part.name, shown_type(part)] for part in fields]
    assert all(row[2] for row in rows), "a field without meaning"


def test_header_fields() -> None:
    header = [part for part in MODELS["zre_msg"].messages[0].fields if part.in_header]
    rows = section("9.3").table("field")
    assert [row[:2] for row in rows] == [[part.name, shown_type(part)] for part in header]
    assert not any(part.in_header for message in MODELS["zre_log_msg"].messages for part in message.fields)


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_hexdump_is_the_models_test_message(name: str, message: model.Message) -> None:
    (block,) = section_of(name, message).dumps(name, message.name)
    frames, _ = dump(block)
    decoded = codec(name).decode(frames[0], frames[1:])
    assert message.name == decoded.NAME
    assert message.id == decoded.ID == frames[0][2]
    assert {key: getattr(decoded, key) for key in values_of(message)} == values_of(message)
    assert decoded.frames() == frames
    assert type(decoded)(**values_of(message)).frames() == frames


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_hexdump_names_each_field_and_each_number(name: str, message: model.Message) -> None:
    (block,) = section_of(name, message).dumps(name, message.name)
    _, meanings = dump(block)
    assert meanings[0] == "signature"
    assert meanings[1] == f"id {message.id}, {message.name}"
    rest = iter(meanings[2:])
    for part in message.fields:
        begins = re.compile(rf"{re.escape(part.name)}(?=$|[:,]| = )")
        meaning = next((line for line in rest if begins.match(line)), None)
        assert meaning is not None, f"no line begins with {part.name!r}, or not in this order"
        if part.type == model.NUMBER:
            value = part.value if part.value is not None else sample_value(part)
            assert isinstance(value, int)
            assert re.match(rf"{re.escape(part.name)} = {value}( \(.*\))?$", meaning)


def test_every_hexdump_is_known() -> None:
    """A block that no test reads could say anything."""
    known: set[tuple[str, ...]] = {(name, message.name) for name, spec in MODELS.items() for message in spec.messages}
    known |= {("beacon",), ("routing-id",), ("subscription",), ("body",)}
    for block in BLOCKS:
        if block.info[:1] == ["hexdump"]:
            assert tuple(block.info[1:]) in known, block.info


# --- grammar and constants --------------------------------------------------------------------------------------------


def grammar_lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", MODELS)
def test_grammar_is_what_the_generator_prints(name: str) -> None:
    (printed,) = render.render([MODELS[name]], languages.find("abnf")).values()
    shown = [line for block in BLOCKS if block.info == ["abnf", name] for line in block.lines]
    banner, _, rules = printed.strip("\n").partition("\n\n")
    assert "do not edit" in banner
    assert grammar_lines("\n".join(shown)) == grammar_lines(rules)


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_grammar_of_a_message_stands_in_its_section(name: str, message: model.Message) -> None:
    (block,) = [block for block in section_of(name, message).blocks if block.info == ["abnf", name]]
    assert any(re.match(rf"{re.escape(message.name)}\s+= ", line) for line in block.lines)


def test_constants() -> None:
    rows = section("3.2").table("constant")
    defines = MODELS["zre_log_msg"].defines
    assert [row[:2] for row in rows] == [[f"`{naming.upper(item.name)}`", str(item.value)] for item in defines]
    for row in rows:
        assert getattr(codec("zre_log_msg"), row[0].strip("`")) == int(row[1])
    assert not MODELS["zre_msg"].defines, "give chapter 9 a table of constants"


def test_constants_that_the_text_names_exist() -> None:
    text = "\n".join(line for section in README for line in section.text)
    families = {naming.upper(item.name).rpartition("_")[0] for item in MODELS["zre_log_msg"].defines} - {""}
    for name in set(re.findall(rf"`((?:{'|'.join(families)})_[A-Z_]+)`", text)):
        assert hasattr(codec("zre_log_msg"), name), name


# --- severities, events, records --------------------------------------------------------------------------------------


def test_ranges() -> None:
    assert [row[0] for row in section("7.5").table("range")] == [
        f"{first} {name}" for first, name in SEVERITIES.items()
    ]
    for first, name in SEVERITIES.items():
        assert getattr(codec("zre_log_msg"), f"SEVERITY_{name}") == first


def test_events() -> None:
    rows = {int(row[0]): row[1].strip("`") for row in section("7.6").table("value")}
    events = {
        item.value: naming.upper(item.name) for item in MODELS["zre_log_msg"].defines if item.name.startswith("EVENT")
    }
    assert rows == {0: "none", **events}


def test_body_of_the_batch_is_the_json_shown() -> None:
    (block,) = [block for block in section("7.2").blocks if block.info == ["json"]]
    (batch,) = [message for message in MODELS["zre_log_msg"].messages if message.name == "BATCH"]
    values = values_of(batch)
    records = msgspec.msgpack.decode(values["body"])
    assert records == json.loads("\n".join(block.lines))
    assert msgspec.msgpack.encode(records) == values["body"]
    check_records(records, values["severity"], values["count"])


def test_body_shown_in_hexadecimal() -> None:
    (block,) = section("7.2").dumps("body")
    (octets,), meanings = dump(block)
    records = msgspec.msgpack.decode(octets)
    assert msgspec.msgpack.encode(records) == octets
    check_records(records, 9, 1)
    assert records[0][5] == codec("zre_log_msg").EVENT_ENTER
    elements = [row[1] for row in section("7.2").table("#")]
    starts = [meaning.split()[0].rstrip(":") for meaning in meanings if meaning]
    assert [start for start in starts if start in elements] == elements


def check_records(records: Any, severity: int, count: int) -> None:
    assert len(records) == count
    for ordinal, time_ns, exact, logger, text, event, peer, attributes in records:
        assert ordinal >= 1
        assert time_ns > 0
        assert severity <= exact < severity + 4
        assert isinstance(logger, str)
        assert isinstance(text, str)
        assert isinstance(event, int)
        assert peer is None or (isinstance(peer, bytes) and len(peer) == 16)
        assert all(isinstance(key, str) for key in attributes)


def test_elements_are_numbered() -> None:
    assert [row[0] for row in section("7.2").table("#")] == [str(number) for number in range(8)]


# --- chunks of fixed layout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "part", "size"),
    [
        ("OFFER", "runs", 120),
        ("WELCOME", "resume", 33),
        ("COMMIT", "intervals", 16),
        ("STATUS", "ranges", 25),
        ("STATUS", "links", 42),
    ],
)
def test_chunks_hold_whole_entries(message: str, part: str, size: int) -> None:
    (spec,) = [item for item in MODELS["zre_log_msg"].messages if item.name == message]
    value = values_of(spec)[part]
    assert value
    assert len(value) % size == 0
    (meaning,) = [row[2] for row in section_of("zre_log_msg", spec).table("field") if row[0] == part]
    assert f"{size} octets each" in meaning
    layouts = [rows for heading, rows in section_of("zre_log_msg", spec).tables() if heading[0] == "octets"]
    sizes = [sum(math.prod(map(int, re.findall("[0-9]+", row[0]))) for row in rows) for rows in layouts]
    assert size in sizes or "`start` (8), `stop` (8)" in meaning


def test_runs_and_ranges_agree() -> None:
    """The example is one story: OFFER's runs, WELCOME's resume point and STATUS tell the same numbers."""
    log = {message.name: values_of(message) for message in MODELS["zre_log_msg"].messages}
    runs, resume, ranges = log["OFFER"]["runs"], log["WELCOME"]["resume"], log["STATUS"]["ranges"]
    run = log["OFFER"]["node"].bytes + log["OFFER"]["epoch"].to_bytes(8, "big")
    assert runs[:24] == resume[:24] == run
    held = {first: runs[32 + 16 * index : 40 + 16 * index] for index, first in enumerate(SEVERITIES)}
    for entry in (ranges[at : at + 25] for at in range(0, len(ranges), 25)):
        assert entry[1:9] == held[entry[0]]
    assert int.from_bytes(resume[25:33], "big") <= int.from_bytes(held[resume[24]], "big")


# --- ZRE --------------------------------------------------------------------------------------------------------------


def test_beacons() -> None:
    shown = [dump(block)[0] for block in section("9.2").dumps("beacon")]
    assert [beacon.decode(octets) for (octets,) in shown] == [beacon.Beacon(NODE, 49152), beacon.Beacon(NODE, 0)]
    assert [beacon.Beacon(NODE, port).encode() for port in (49152, 0)] == [octets for (octets,) in shown]
    layout = section("9.2").table("octets")
    assert sum(int(row[0]) for row in layout) == beacon.SIZE


def test_routing_id() -> None:
    (block,) = section("9.1").dumps("routing-id")
    assert dump(block)[0] == [b"\x01" + NODE.bytes]


def test_intervals_of_a_node() -> None:
    lengths = [row[1] for row in section("9.1").table("interval")]
    timing = Timing()
    assert lengths == [f"{seconds:g} s" for seconds in (timing.beacon, timing.evasive, timing.expired, timing.pending)]


# --- live link, legacy ------------------------------------------------------------------------------------------------


def test_subscriptions() -> None:
    signature = codec("zre_log_msg").SIGNATURE
    (errors,) = section("5.2").dumps("subscription")
    (ready,) = section("5.3").dumps("subscription")
    assert dump(errors)[0] == [b"\x01" + signature + bytes([codec("zre_log_msg").Batch.ID, 17])]
    assert dump(ready)[0] == [b"\x01" + signature + b"\xff" + COLLECTOR.bytes]
    (welcome,) = [message for message in MODELS["zre_log_msg"].messages if message.name == "WELCOME"]
    assert values_of(welcome)["collector"] == COLLECTOR


def legacy_id(octets: bytes) -> int:
    """As section 8.3 says it."""
    value = 0
    for octet in octets:
        value = (33 * value ^ (octet - 256 if octet > 127 else octet)) % 65_536
    return value


def legacy_ids() -> Iterator[tuple[bytes, int]]:
    for text, number in section("8.3").table("text"):
        if text == "(empty)":
            yield b"", int(number)
        elif text.startswith("octet "):
            yield bytes.fromhex(text.removeprefix("octet ").strip("`")), int(number)
        else:
            yield text.strip("`").encode(), int(number)


@pytest.mark.parametrize(("octets", "number"), list(legacy_ids()))
def test_legacy_ids(octets: bytes, number: int) -> None:
    assert legacy_id(octets) == number


def test_legacy_ids_are_those_of_the_vectors() -> None:
    vectors = json.loads((PROTOCOL / "vectors" / "legacy_node_ids.json").read_text(encoding="utf-8"))
    for vector in vectors:
        assert legacy_id(bytes.fromhex(vector["string_hex"])) == vector["node"]


# --- the text as a whole ----------------------------------------------------------------------------------------------


def test_status_table_is_true() -> None:
    """What is called implemented can be imported, and what isn't can't: who adds it changes the table."""
    (status,) = [section for section in README if section.title == "Status of this text"]
    rows = status.table("part")
    assert len(rows) >= 5
    for part, _, state, code in rows:
        assert state in {"implemented", "specified"}
        exists = importlib.util.find_spec(code.strip("`")) is not None
        assert exists == (state == "implemented"), f"{part}: {code} {'exists' if exists else 'does not exist'}"


def test_sections_are_numbered_in_order() -> None:
    numbers = [tuple(int(part) for part in section.number.split(".")) for section in README if section.number]
    assert numbers == sorted(set(numbers))
    for chapter, *below in numbers:
        assert not below or (chapter, *below[:-1], below[-1] - 1) in [*numbers, (chapter, 0)]


def test_sections_that_the_text_names_exist() -> None:
    text = "\n".join(line for section in README for line in section.text)
    numbers = {section.number for section in README}
    for reference in re.findall(r"\bsections? ([0-9]+(?:\.[0-9]+)?)", text):
        assert reference in numbers, f"section {reference}"


def test_links_inside_the_text_lead_somewhere() -> None:
    text = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]*)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (PROTOCOL / target).exists(), target
