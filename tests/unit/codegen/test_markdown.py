"""Pages in Markdown: complete, true to the codec, and nothing in a model is markup."""

import html.parser
import re
import subprocess
from pathlib import Path

import pytest

from support.codecs import MODELS, Codec, example
from support.tools import require_tool
from zlog_codegen import Model, languages, load, markdown, naming
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.render import render

PAGE = languages.find("markdown")
GOLDEN = Path(__file__).parent / "golden" / "feed.md"
PATHS = [*sorted(MODELS.glob("*.xml")), *(protocol_folder() / name for name in ("zre_msg.xml", "zre_log_msg.xml"))]
DUMP_LINE = re.compile(r"([0-9A-F]{4,})  ((?:[0-9A-F]{2} ){0,7}[0-9A-F]{2}) *\|(?: (\S.*))?")
#: Text that would be something else than text, if it were not escaped.
NASTY = (
    *("# no heading", "+ no list", "1. no list", "12) no list", "> no quote", "=== no line", "--- no line", "[x]: no"),
    *("a | b || c \\| d", "*no* _no_ __no__ ~no~ ~~no~~", "`no` ``no`", "<b>no</b> <!-- no -->", "&lt; &copy; &#42;"),
    *("[no](http://no) ![no](no)", "www.no.no http://no.no/a_b?c=d&e", "back\\slash \\\\ \\* end\\", "$x$ and $$x$$"),
    *("# no # heading #", "no | end |", "naïve € 🐍", '"""', "{{ no }} {% no %}", "a_b_c and * b * c"),
)


class Page:
    """A page, read: the cells of its tables and its fenced blocks by the heading they are under."""

    def __init__(self, text: str) -> None:
        self.rows: dict[str, list[list[str]]] = {}
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        heading, fence, lines = "", "", []
        for line in text.splitlines():
            if fence and line == fence:
                self.blocks.setdefault(heading, []).append((lines[0], "\n".join(lines[1:])))
                fence = ""
            elif fence:
                lines.append(line)
            elif found := re.fullmatch(r"(`{3,})(\w+)", line):
                fence, lines = found[1], [found[2]]
            elif found := re.fullmatch(r"#+ (.*)", line):
                heading = found[1]
            elif line == "The next frame, which is empty.":
                self.blocks.setdefault(heading, []).append(("hexdump", ""))
            elif line.startswith("|"):
                cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                self.rows.setdefault(heading, []).append(cells)
        assert not fence


def page_of(model: Model) -> str:
    ((name, text),) = render([model], PAGE).items()
    assert name == f"{naming.snake(model.name)}.md"
    return text


def frames_of(page: Page, heading: str) -> list[bytes]:
    frames = []
    for language, text in page.blocks[heading]:
        if language != "hexdump":
            continue
        octets = b""
        for line in text.splitlines():
            match = DUMP_LINE.fullmatch(line)
            assert match, line
            assert int(match[1], 16) == len(octets)
            octets += bytes.fromhex(match[2])
        frames.append(octets)
    return frames


def test_golden() -> None:
    """To change it: zlog codegen tests/unit/codegen/models/feed.xml --lang markdown -o tests/unit/codegen/golden"""
    assert page_of(load(MODELS / "feed.xml")) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_complete(path: Path) -> None:
    model = load(path)
    text = page_of(model)
    assert text == page_of(load(path))
    assert max(len(line) for line in text.splitlines() if line.startswith("+")) <= markdown.WIDTH
    page = Page(text)
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == len(model.messages) + len(model.types)
    for message in model.messages:
        heading = markdown.escaped(f"{message.name}, id {message.id}")
        assert text.count(f"\n### {heading}\n") == 1
        assert text.count(f"| {message.id} | [{markdown.escaped(message.name)}](#{markdown.anchor(heading)})") == 1
        cells = [row[0] for row in page.rows.get(heading, [])[2:]]
        assert cells == [markdown.escaped(part.name) for part in message.fields]
        ((_, diagram),) = [block for block in page.blocks[heading] if block[0] == "text"]
        for leaf in (part for part in message.fields if part.composite is None):
            assert re.search(rf"(^|[|:] |of ){re.escape(leaf.name)}\b", diagram, re.MULTILINE), leaf.name
    for composite in model.types:
        cells = [row[0] for row in page.rows[markdown.escaped(f"{composite.name} (type)")][2:]]
        assert cells == [markdown.escaped(part.name) for part in composite.fields]
    cells = [row[0] for row in page.rows.get("Constants", [])[2:]]
    assert cells == [markdown.escaped(define.name) for define in model.defines]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_examples_are_what_the_codec_says(path: Path, tmp_path: Path) -> None:
    codec = Codec(path, tmp_path)
    page = Page(page_of(codec.model))
    for message, _ in codec.cases():
        value = example(codec.module, message)
        if codec.model.pubsub:
            value.topic = "topic"
        first, *rest = frames_of(page, markdown.escaped(f"{message.name}, id {message.id}"))
        assert codec.module.decode(first, rest) == value
        assert [first, *rest] == value.frames()


def test_offsets_are_where_the_octets_are(tmp_path: Path) -> None:
    """The diagram's numbers, read by hand for one message, are those of its frame."""
    page = page_of(load(protocol_folder() / "zre_log_msg.xml"))
    log = page[page.index("### LOG, id 1") :]
    assert "0    1    2    3       4       5         7         9      17               18\n" in log
    record = page[page.index("### RECORD, id 2") :]
    assert "a = 46 + length of host\nb = a+1 + length of name\nc = b+1 + length of logger\nd = c+4" in record


class Text(html.parser.HTMLParser):
    """What a reader sees of HTML: the text of each paragraph, heading, list item and cell."""

    BLOCKS = ("p", "h1", "h2", "h3", "li", "td", "th", "pre")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        self.others: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self.seen.append((tag, ""))
        elif tag == "a":
            assert dict(attrs)["href"] is not None
            assert str(dict(attrs)["href"]).startswith("#"), attrs
        else:
            self.others.add(tag)

    def handle_data(self, data: str) -> None:
        if self.seen:
            tag, text = self.seen[-1]
            self.seen[-1] = (tag, text + data)


def shown(text: str) -> Text:
    program = require_tool("cmark-gfm", "apt-get install cmark-gfm")
    command = [program, "--unsafe", "-e", "table", "-e", "strikethrough", "-e", "autolink"]
    return Text(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)


def nasty_model(folder: Path) -> Path:
    """A model with nasty text wherever there can be text."""
    quoted = [text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") for text in NASTY]
    defines = "".join(f'<define name = "D{n}" value = "\'{text}\'">{text}</define>' for n, text in enumerate(quoted))
    fields = "".join(f'<field name = "f{n}" type = "number">{text}</field>' for n, text in enumerate(quoted))
    constants = "".join(f'<field name = "c{n}" type = "longstr" value = "{text}" />' for n, text in enumerate(quoted))
    messages = "".join(f'<message name = "M{n}">{text}</message>' for n, text in enumerate(quoted))
    path = folder / "nasty.xml"
    lines = [
        f'<class name = "nasty" title = "{quoted[0]}">',
        "* " + "\n* ".join(quoted) + "\n\n" + "\n\n".join(quoted),
        "<license>" + "\n".join(quoted) + "\n```\n````</license>",
        defines,
        messages,
        f'<message name = "a _b_ c _d">{fields}{constants}</message>',
        "</class>",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_nothing_in_a_model_is_markup(tmp_path: Path) -> None:
    model = load(nasty_model(tmp_path))
    page = shown(page_of(model))
    blocks = [(tag, " ".join(text.split())) for tag, text in page.seen]
    assert page.others <= {"table", "thead", "tbody", "tr", "ul", "ol", "code"}
    assert ("h1", NASTY[0]) in blocks
    assert ("h3", f"a _b_ c _d, id {len(NASTY) + 1}") in blocks
    for text in NASTY:
        assert blocks.count(("li", text)) == 1, text
        assert blocks.count(("p", text)) == 2, text  # of the model, and of a message
        assert blocks.count(("td", text)) == 2, text  # of a constant and of a field
    for define in model.defines:
        assert ("td", define.name) in blocks
    assert any(tag == "pre" and text.strip().endswith("```\n````") for tag, text in page.seen)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_a_reader_sees(path: Path) -> None:
    model = load(path)
    page = shown(page_of(model))
    assert page.others <= {"table", "thead", "tbody", "tr", "ul", "ol", "code"}
    headings = [text.strip() for tag, text in page.seen if tag == "h3"]
    wanted = [f"{message.name}, id {message.id}" for message in model.messages]
    assert headings[: len(wanted)] == wanted
    values = {text.strip() for tag, text in page.seen if tag == "td"}
    assert {define.name for define in model.defines} <= values


def test_what_the_readme_shows(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "codegen" / "README.md").read_text(encoding="utf-8")
    weather = re.search(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", readme, re.DOTALL)
    assert weather
    (tmp_path / "weather.xml").write_text(weather[1], encoding="utf-8")
    page = page_of(load(tmp_path / "weather.xml"))
    for diagram in re.findall(r"<!-- markdown -->\n(```text\n.*?```)", readme, re.DOTALL):
        assert diagram in page
