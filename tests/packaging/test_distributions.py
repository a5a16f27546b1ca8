"""Wheel and sdist hold what they should and nothing else, and work where they are installed."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import zlog
import zlog_codegen
from zlog import __version__

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "protocol").glob("*_msg.xml"))

# Where the files of the checkout are in the wheel.
WHEEL_FOLDERS = {"zlog/": "zlog/", "codegen/zlog_codegen/": "zlog_codegen/", "protocol/": "zlog_codegen/protocol/"}

IMPORTABLE = "import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel, tree):
    expected = {
        target + name.removeprefix(source)
        for name in tree
        for source, target in WHEEL_FOLDERS.items()
        if name.startswith(source)
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == expected
    assert {"zlog/py.typed", "zlog_codegen/py.typed", "zlog_codegen/protocol/zre_msg.xml"} <= names
    assert [name for name in names if name.endswith(".j2")]


def test_the_wheel_names_licence_and_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        assert archive.read(metadata["LICENSE"]) == (ROOT / "LICENSE").read_bytes()
        assert "zlog = zlog.cli:main" in archive.read(metadata["entry_points.txt"]).decode()
        assert f"Version: {__version__}" in archive.read(metadata["METADATA"]).decode()


def test_the_sdist_is_the_checkout(sdist, tree):
    """Complete, tests included, so that others can package from it; no CI, and nothing git ignores."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == {name for name in tree if not name.startswith(".ci/")}


def test_the_wheel_works_where_it_is_installed(wheel, install, tmp_path):
    environment = install(wheel)
    assert environment.run("zlog", "--version").stdout.strip() == f"zlog {__version__}"
    names = ["zlog", "zlog_codegen", "codegen", "protocol", "tests", "support"]
    assert environment.python(IMPORTABLE.format(names=names)) == "['zlog', 'zlog_codegen']"
    assert environment.python("import zlog; print(zlog.__file__)").startswith(str(environment.folder))

    environment.run("zlog", "codegen", *MODELS, "--lang", "python", "-o", tmp_path / "wire")
    for made in sorted((tmp_path / "wire").rglob("*.py")):
        assert made.read_bytes() == (ROOT / "zlog" / "wire" / made.name).read_bytes(), made.name


def test_an_editable_install_follows_the_checkout(clone, install):
    environment = install("-e", clone)
    names = ["zlog", "zlog_codegen", "codegen", "protocol", "tests", "support"]
    assert environment.python(IMPORTABLE.format(names=names)) == "['zlog', 'zlog_codegen']"
    assert environment.python("import zlog; print(zlog.__file__)") == str(clone / "zlog" / "__init__.py")
    assert environment.run("zlog", "--version").stdout.strip() == f"zlog {__version__}"

    (clone / "zlog" / "added.py").write_text("WORD = 'new'\n")
    assert environment.python("import zlog.added; print(zlog.added.WORD)") == "new"
    environment.run("zlog", "codegen", *MODELS, "--lang", "python", "-o", clone / "zlog" / "wire", "--check")


def test_what_is_tested_is_what_is_installed():
    """Children see the same packages; where CI tests the built wheel, they aren't the checkout's."""
    code = "import zlog, zlog_codegen; print(zlog.__file__, zlog_codegen.__file__)"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout.split() == [zlog.__file__, zlog_codegen.__file__]
    if "ZLOG_TEST_DIST" in os.environ:
        assert ROOT not in Path(zlog.__file__).parents
        assert ROOT not in Path(zlog_codegen.__file__).parents
