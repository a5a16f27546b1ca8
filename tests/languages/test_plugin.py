"""A language from a folder of the user's own: `examples/own_language`, and what codegen/README.md says of it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.codecs import MODELS
from support.tools import require_tool
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.conformance import drivers

ROOT = Path(__file__).parents[2]
README = (ROOT / "codegen" / "README.md").read_text(encoding="utf-8")
OWN = ROOT / "examples" / "own_language"
PATHS = [*sorted(protocol_folder().glob("zre_*.xml")), *sorted(MODELS.glob("*.xml"))]


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    """The model of the README."""
    found = re.search(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", README, re.DOTALL)
    assert found
    path = tmp_path / "weather.xml"
    path.write_text(found[1], encoding="utf-8")
    return path


@pytest.fixture
def perl() -> str:
    return require_tool("perl", "apt-get install perl")


def test_it_conforms(perl: str, weather: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [str(path) for path in (weather, *PATHS)]
    command = ["conform", *models, "--lang", "perl", "--templates", str(OWN), "--cases", "3000"]
    assert main([*command, "--work", str(tmp_path / "work")]) == 0
    said = capsys.readouterr().out
    assert "perl agreed" in said
    assert re.search(r"^weather READING +\d+ ok$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("4 => 'N'", "4 => 'V'"),
        ("$value{topic} = $text->( 1, $zero );", "$value{topic} = '';"),
        (r"| \xED[\x80-\x9F][\x80-\xBF]", r"| \xED[\x80-\xBF]{2}"),
        ("$needs->( $end, $following, $at );", "$needs->( $end, 0, $at );"),
        ("length $octets < 1 << 8 * $size", "1"),
    ],
)
def test_mistakes_are_found(
    perl: str, right: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guide to a check that finds nothing would be worth nothing."""
    template = shutil.copytree(OWN, tmp_path / "own") / "perl" / "zproto.pm.j2"
    text = template.read_text(encoding="utf-8")
    assert text.count(right) == 1
    template.write_text(text.replace(right, wrong), encoding="utf-8")
    models = [str(MODELS / f"{name}.xml") for name in ("feed", "everything")]
    command = ["conform", *models, "--lang", "perl", "--templates", str(tmp_path / "own"), "--cases", "500"]
    assert main([*command, "--work", str(tmp_path / "work")]) == 1
    said = capsys.readouterr()
    assert "perl" in said.out + said.err


def test_the_driver_is_for_the_kit_only(weather: Path, tmp_path: Path) -> None:
    command = ["codegen", str(weather), "--lang", "perl", "--templates", str(OWN), "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["weather.pm", "zproto.pm"]


def test_the_generated_code_is_used_like_this(perl: str, weather: Path, tmp_path: Path) -> None:
    """Perl's own warnings are content, and values are what they are."""
    assert main(["codegen", str(weather), "--lang", "perl", "--templates", str(OWN), "-o", str(tmp_path)]) == 0
    program = """
        use strict; use warnings FATAL => 'all'; use zproto; use weather;
        my %value = ( station => "\\x07" x 16, time => 1, 'place.latitude' => 48, 'place.longitude' => 0,
            values => { temperature => '-3.5' } );
        my @frames = zproto::encode( $weather::PROTOCOL, READING => \\%value );
        my ( $name, $again ) = zproto::decode( $weather::PROTOCOL, @frames );
        print "$name $again->{'place.latitude'} $again->{values}{temperature} ", weather::VERSION, "\\n";
        eval { zproto::decode( $weather::PROTOCOL, "\\xaa\\xa5\\x01\\x01" ) };
        print "$@->{reason} $@->{offset} $@->{message}\\n";
    """
    done = subprocess.run(
        [perl, "-I", tmp_path, "-e", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("READING 48 -3.5 1\ntruncated 3 READING\n", "")


def test_what_the_readme_shows_of_a_driver(perl: str, weather: Path, tmp_path: Path) -> None:
    """Its questions, which begin with ``>``, and the answers below each."""
    shown = re.findall(r"<!-- driver -->\n```text\n(.*?)```", README, re.DOTALL)
    language = languages.find("perl", [OWN])
    driver = drivers.prepare(language, [load(weather)], tmp_path / "driver")
    for text in shown:
        asked = [line.removeprefix("> ") for line in text.splitlines() if line.startswith("> ")]
        done = subprocess.run(
            driver.command, input="\n".join(asked) + "\n", capture_output=True, text=True, check=True, cwd=driver.folder
        )
        transcript = "".join(f"> {one}\n{other}\n" for one, other in zip(asked, done.stdout.splitlines(), strict=True))
        assert re.sub(r"bench \d+ \d+", "bench 5120 7340", transcript) == text
