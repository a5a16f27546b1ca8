"""No name that a model can have collides with what generated modules import, define or use."""

import ast
import builtins
from pathlib import Path

import pytest

from support.codecs import MODELS, Codec
from zlog_codegen import languages, naming

PYTHON = languages.find("python")
#: Names in the module that a model chooses, by the style of their kind.
CHOSEN = ("message", "type", "constant")


def module_names(tree: ast.Module) -> set[str]:
    """What a module has at its top: imports, assignments, functions and classes."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_names_of_modules_are_reserved_or_private(codec: Codec) -> None:
    own = {PYTHON.identifier(item.name, "message") for item in codec.model.messages}
    own |= {PYTHON.identifier(item.name, "type") for item in codec.model.types}
    own |= {PYTHON.identifier(item.name, "constant") for item in codec.model.defines}
    for path in codec.folder.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = module_names(tree)
        names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and hasattr(builtins, n.id)}
        for name in names - own:
            for kind in CHOSEN:
                possible = bool(naming.words(name)) and naming.STYLES[PYTHON.styles[kind]](name) == name
                assert not possible or name in PYTHON.reserved[kind], f"{path.name}: {name} can be a {kind}"


def test_modules_of_sockets_know_the_codec_by_a_private_name(codec: Codec) -> None:
    tree = ast.parse((codec.folder / f"{codec.model.name}_socket.py").read_text(encoding="utf-8"))
    assert codec.model.name not in module_names(tree)


#: A message, type, field and constant of each of these names, in a model that is called so.
HOSTILE = ("zmq", "socket", "identity", "frames", "flags", "error", "errors", "send", "receive", "split", "U32", "NIL")
HOSTILE += ("UUID", "OCTET", "struct", "message", "received", "runtime", "utf8", "new", "rest", "total", "start", "end")
HOSTILE += ("exactly", "type", "bytes", "len", "fields", "name", "kinds", "id", "MESSAGES", "ENCODE-FAILURES", "decode")


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_can_have_such_a_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name.replace('-', '_')}.xml"
    kinds = ("string", "uuid", "chunk", "hash", "strings", "frame")
    fields = "".join(f'<field name = "{name} {kind}" type = "{kind}" />' for kind in kinds)
    fields += f'<field name = "{name}" type = "longstr" />'
    path.write_text(
        f'<class name = "{name}"><message name = "{name}">{fields}</message><message name = "M {name}">'
        f'<field name = "{name} inner" type = "{name} t" /></message>'
        f'<define name = "{name} x" value = "1" /><type name = "{name} t">{fields}</type></class>'
    )
    path = path.rename(tmp_path / f"{PYTHON.identifier(name, 'file')}.xml")
    codec = Codec(path, tmp_path)
    for cls in codec.module.MESSAGES.values():
        first, *rest = cls().frames()
        assert codec.module.decode(first, [*rest, b""]) == cls()
    compile((codec.folder / f"{path.stem}_socket.py").read_text(), "socket", "exec")


def test_runtime_of_another_version(tmp_path: Path) -> None:
    codec = Codec(MODELS / "plain.xml", tmp_path)
    with pytest.raises(ImportError, match="different versions of zlog codegen: generate all models again"):
        codec.runtime.check_runtime(1)
    assert "check_runtime(2)" in (codec.folder / "plain.py").read_text()
