"""PHP: what is generated is clean, does what it says, and agrees with all other languages."""

import re
import subprocess
from pathlib import Path

import pytest

from support.codecs import MODELS
from support.tools import require_tool
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.render import render

README = (Path(__file__).parents[2] / "codegen" / "README.md").read_text(encoding="utf-8")
PATHS = [*sorted(protocol_folder().glob("zre_*.xml")), *sorted(MODELS.glob("*.xml"))]
#: Rules of PSR-12 that generated code can't keep: one class in a file, whose loading does nothing, and pretty names.
EXCLUDED = "PSR1.Classes.ClassDeclaration,PSR1.Files.SideEffects,Squiz.Classes.ValidClassName"
ODD = """
<class name = "odd" title = "*/ ?> Names and sizes">
    <define name = "CLASS" value = '"$a {$b} \\ &apos;"' />
    <message name = "LIST"><field name = "this" type = "octets" size = "100">*/ ?> $x</field></message>
    <message name = "EMPTY"><field name = "list" type = "things" /></message>
    <message name = "PROTOCOL"><field name = "class" type = "hash" /></message>
    <type name = "things"><field name = "wide" type = "octets" size = "33" /></type>
</class>
"""


@pytest.fixture
def php() -> list[str]:
    options = ["-n", "-d", "zend.assertions=1", "-d", "assert.exception=1", "-d", "error_reporting=-1", "-d",
               "display_errors=stderr"]  # fmt: skip
    return [require_tool("php", "apt-get install php-cli"), *options]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.xml"
    path.write_text(ODD.strip(), encoding="utf-8")
    return path


def generated(folder: Path, *paths: Path) -> list[Path]:
    files = render([load(path) for path in paths], languages.find("php"), conformance=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def execute(php: list[str], program: str, folder: Path) -> str:
    done = subprocess.run(
        [*php, "-r", program], capture_output=True, text=True, check=False, cwd=folder, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_style(odd: Path, tmp_path: Path) -> None:
    program = require_tool("phpcs", "apt-get install php-codesniffer")
    files = generated(tmp_path, *PATHS, odd)
    command = [program, "-s", "--standard=PSR12", f"--exclude={EXCLUDED}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_conforms(php: list[str], odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [str(path) for path in (*PATHS, odd)]
    assert main(["conform", *models, "--lang", "php", "--cases", "3000", "--work", str(tmp_path / "work")]) == 0
    assert "php agreed" in capsys.readouterr().out


def test_numbers_above_what_an_int_can_be(php: list[str], tmp_path: Path) -> None:
    generated(tmp_path, protocol_folder() / "zre_log_msg.xml")
    program = r"""
        require 'ZreLogMsg.php';
        use ZreLogMsg\Ping;
        $most = '18446744073709551615';
        foreach ([0, 1, PHP_INT_MAX, '9223372036854775808', $most] as $number) {
            $ping = ZreLogMsg\Protocol::decode((new Ping($number))->encode());
            assert($ping->clock === $number);
        }
        assert(ZreLogMsg\Protocol::decode((new Ping('00007'))->encode())->clock === 7);
        foreach ([-1, '18446744073709551616', '1' . $most, '-1', '1e3', '', ' 1', "1\n"] as $number) {
            try {
                (new Ping($number))->encode();
                assert(false);
            } catch (Zproto\EncodeError $error) {
                assert($error->field === 'clock');
            }
        }
        echo (new Ping($most));
    """
    assert execute(php, program, tmp_path) == 'Ping(clock: "18446744073709551615")'


def test_equality_and_print(php: list[str], tmp_path: Path) -> None:
    generated(tmp_path, MODELS / "everything.xml")
    program = r"""
        require 'Everything.php';
        use Everything\{Clients, Person, Texts};
        assert((new Texts(table: ['a' => 'b', 'c' => 'd']))->equals(new Texts(table: ['c' => 'd', 'a' => 'b'])));
        assert(!(new Texts(table: ['a' => '1']))->equals(new Texts(table: ['a' => '01'])));
        assert(!(new Texts(many: ['a', 'b']))->equals(new Texts(many: ['b', 'a'])));
        assert(!(new Texts())->equals(new Clients()));
        $one = new Clients(client: new Person(forename: 'Ada'));
        $other = clone $one;
        assert($one->equals($other));
        $one->client = new Person(forename: 'Eve');
        assert(!$one->equals($other));
        echo new Texts(short: "é\"", many: ['x']);
    """
    said = execute(php, program, tmp_path)
    assert said == 'Texts(sequence: 0, short: "é\\"", long: "", many: ["x"], table: [])'


def test_what_the_readme_shows(php: list[str], tmp_path: Path) -> None:
    weather = re.search(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", README, re.DOTALL)
    assert weather
    (tmp_path / "weather.xml").write_text(weather[1], encoding="utf-8")
    assert main(["codegen", str(tmp_path / "weather.xml"), "--lang", "php", "-o", str(tmp_path / "wire")]) == 0
    assert sorted(path.name for path in (tmp_path / "wire").iterdir()) == ["Weather.php", "Zproto.php"]
    for program in re.findall(r"<!-- run php -->\n```php\n(.*?)```", README, re.DOTALL):
        assert execute(php, program, tmp_path) == ""
