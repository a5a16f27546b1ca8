"""How an agent is set up: arguments first, then the environment, then a file. A frozen, picklable value.

| argument | environment | meaning |
|---|---|---|
| `name` | `ZLOG_NAME` | ZRE name of the node; the program's name if not given |
| `interface` | `ZLOG_INTERFACE` | network interface or its address; the default route's if not given |
| `port` | `ZLOG_PORT` | UDP port of ZRE's beacons, 5670 |
| `collectors` | `ZLOG_COLLECTORS` | collectors that beacons don't reach: `tcp://host:port`, with commas between |
| `discover` | `ZLOG_DISCOVER` | `no`: only those, without ZRE |
| `floor` | `ZLOG_FLOOR` | how far a collector may lower the level: `debug`; by default not at all |
| `journal_bytes` | `ZLOG_JOURNAL_BYTES` | size of the journal in memory: `16M` |
| `journal` | `ZLOG_JOURNAL` | directory for the journal on disk; by default it is in memory only |
| `journal_dir_bytes` | `ZLOG_JOURNAL_DIR_BYTES` | what all journals in that directory may take together: `1G` |
| `journal_age_s` | `ZLOG_JOURNAL_AGE` | how long records stay there: seconds, or `12h`, `7d` |
| `allow_hosts` | `ZLOG_ALLOW_HOSTS` | addresses at which any peer may announce a collector |
| `exit_timeout_s` | `ZLOG_EXIT_TIMEOUT` | how long the program's end waits for records to be delivered, in seconds: 3 |

The file is TOML, named by `ZLOG_CONFIG`, with the arguments' names in a table `[zlog]`.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from zlog import severity
from zlog.errors import SettingsError
from zlog.limits import JOURNAL_AGE_S, JOURNAL_BYTES, JOURNAL_DIR_BYTES

__all__ = ["Settings", "beacon_port"]

_ADDRESS: Final = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[^:/\s]+):([0-9]{1,5})")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MOST_AGE_S: Final = 3_653 * 86_400
_LEAST_JOURNAL: Final = 64 * 1024


@dataclass(frozen=True)
class Settings:
    """See the module. Values are checked when it is made.

    Attributes:
        floor: a severity, 1 to 24; None when no collector may lower a level.
    """

    name: str = ""
    interface: str | None = None
    port: int = 5670
    collectors: tuple[str, ...] = ()
    discover: bool = True
    floor: int | None = None
    journal_bytes: int = JOURNAL_BYTES
    journal: str | None = None
    journal_dir_bytes: int = JOURNAL_DIR_BYTES
    journal_age_s: float = JOURNAL_AGE_S
    allow_hosts: tuple[str, ...] = ()
    exit_timeout_s: float = 3.0
    host: str = field(default_factory=socket.gethostname)

    @classmethod
    def read(cls, arguments: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from arguments (None stands for not given), the environment, the file that it names.

        Raises:
            SettingsError: a value isn't possible; the text says where it is from and what is.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        path = environ.get("ZLOG_CONFIG", "")
        if path:
            found |= _from_file(path)
        for name, variable in _VARIABLES.items():
            if environ.get(variable, "") != "":
                found[name] = _parse(name, environ[variable], variable)
        for name, value in (arguments or {}).items():
            if name not in _NAMES:
                raise SettingsError(f"{name!r} is no setting", f"there are {', '.join(sorted(_NAMES))}")
            if value is not None:
                found[name] = _parse(name, value, name)
        found["name"] = found.get("name") or program_name()
        return cls(**found)


def beacon_port(port: int | None = None) -> int:
    """The UDP port of the beacons: the argument if it is given, else ``ZLOG_PORT``, else 5670.

    Raises:
        SettingsError: it isn't possible.
    """
    if port:
        return _number(port, "port", 1, 65_535)
    found = os.environ.get("ZLOG_PORT", "")
    return _number(found, "ZLOG_PORT", 1, 65_535) if found else Settings.port


def program_name() -> str:
    """What a program is called that gave no name."""
    stem = Path(sys.argv[0] if sys.argv and sys.argv[0] else "").stem
    if stem == "__main__":  # python -m package
        stem = Path(sys.argv[0]).parent.name
    return stem if stem not in ("", "-c", "-m") else "python"


_NAMES: Final = frozenset(each.name for each in fields(Settings))
_VARIABLES: Final = {name: f"ZLOG_{name.upper().removesuffix('_S')}" for name in _NAMES - {"host"}}


def _from_file(path: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("zlog", {})
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} (ZLOG_CONFIG) can't be read: {error}") from None
    if not isinstance(table, dict):
        raise SettingsError(f"{path} (ZLOG_CONFIG): zlog must be a table")
    for name in table:
        if name not in _NAMES:
            raise SettingsError(f"{path}: {name!r} is no setting", f"there are {', '.join(sorted(_NAMES))}")
    return {name: _parse(name, value, f"{name} in {path}") for name, value in table.items()}


def _parse(name: str, value: Any, where: str) -> Any:
    """One value, whatever form it came in."""
    if name in ("collectors", "allow_hosts"):
        items = re.split(r"[,\s]+", value) if isinstance(value, str) else list(value)
        found = tuple(dict.fromkeys(str(item) for item in items if item))
        return tuple(_address(item, where) for item in found) if name == "collectors" else found
    if name == "floor":
        return _floor(value, where)
    if name in ("journal_bytes", "journal_dir_bytes"):
        return _size(value, where)
    if name == "journal_age_s":
        return _age(value, where)
    if name == "journal":
        return _directory(value, where) if str(value) else None
    if name == "port":
        return _number(value, where, 1, 65_535)
    if name == "exit_timeout_s":
        return _seconds(value, where)
    if name == "discover":
        return _yes(value, where)
    text = str(value)
    if name == "name" and len(text.encode("utf-8", "replace")) > 255:
        raise SettingsError(f"{where}: a name has at most 255 octets")
    return text


def _directory(value: Any, where: str) -> str:
    path = str(os.path.abspath(os.path.expanduser(value)))
    if os.path.lexists(os.path.join(path, "frames.sidecar")):
        raise SettingsError(f"{where}: {path} is the store of a collector (journal:DIR)", "name another directory")
    return path


def _address(text: str, where: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65_536 or match[1] in ("*", "0.0.0.0", "[::]"):
        raise SettingsError(f"{where}: {text!r} is no address of a collector", "write tcp://host:port")
    return text


def _floor(value: Any, where: str) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return severity.from_level(value)
    if str(value).lower() in ("", "none", "off"):
        return None
    try:
        return severity.parse(str(value))
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None


def _size(value: Any, where: str) -> int:
    match = re.fullmatch(r"([0-9]+)\s*([KMG]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
    if match is None:
        raise SettingsError(f"{where}: {value!r} is no size", "write 16M")
    size = int(match[1]) * _UNITS[match[2].upper()]
    if size < _LEAST_JOURNAL:
        raise SettingsError(f"{where}: {value!r} is too small for a journal", "64K is the least")
    return size


def _age(value: Any, where: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", str(value).strip())
    age = float(match[1]) * _SECONDS[match[2]] if match is not None else 0.0
    if not 1 <= age <= _MOST_AGE_S:
        raise SettingsError(f"{where}: {value!r} is no time from a second to ten years", "write 12h or 7d")
    return age


def _number(value: Any, where: str, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if not least <= number <= most:
        raise SettingsError(f"{where}: {value!r} is no number from {least} to {most}")
    return number


def _seconds(value: Any, where: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise SettingsError(f"{where}: {value!r} is no number of seconds from 0 to 3600")
    return seconds


def _yes(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    words = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}
    if str(value).lower() not in words:
        raise SettingsError(f"{where}: {value!r} is neither yes nor no")
    return words[str(value).lower()]
