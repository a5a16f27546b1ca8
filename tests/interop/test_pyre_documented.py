"""What pyre's README shows runs on our drop-in, unchanged."""

from __future__ import annotations

import json
import re
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop import setup
from interop.driver import KINDS, Peer, require_part
from support.netns import Host, Network
from support.programs import Program

AS_PYRE = setup.PEERS / "as_pyre.py"


@pytest.fixture
def readme() -> str:
    """pyre's README."""
    require_part("pyre", "pyre's README")
    return setup.README.read_text(encoding="utf-8")


@pytest.fixture
def chat(readme: str, tmp_path: Path) -> Path:
    """The chat client in pyre's README, as a file."""
    (code,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    path = tmp_path / "chat.py"
    path.write_text(code, encoding="utf-8")
    return path


@pytest.fixture(params=["one host with only lo", "two hosts"])
def places(request: pytest.FixtureRequest, network: Callable[..., Network]) -> list[Host]:
    """Where the two of a conversation run."""
    if request.param == "two hosts":
        return list(network(hosts=2))
    return [network(hosts=0).add_host(plugged=False)] * 2


def test_the_chat_client(chat: Path, places: list[Host]) -> None:
    here, there = (host.python(AS_PYRE, chat) for host in places)
    for client in (here, there):
        client.expect("NODE_MSG TYPE: b'ENTER'")
        client.expect(r"NODE_MSG HEADERS: .*'CHAT_Header1': 'example header1'")
        client.expect("NODE_MSG TYPE: b'JOIN'")
    for sender, receiver in ((here, there), (there, here)):
        sender.send("hello, anybody?")
        receiver.expect("NODE_MSG TYPE: b'SHOUT'")
        receiver.expect("NODE_MSG NAME: b'CHAT'")
        receiver.expect("NODE_MSG GROUP: b'CHAT'")
        receiver.expect(re.escape("NODE_MSG CONT: [b'hello, anybody?']"))
    here.process.send_signal(signal.SIGINT)  # Ctrl-C, as the example means to be ended
    here.expect("FINISHED")
    assert here.wait() == 0
    there.expect("NODE_MSG TYPE: b'EXIT'")


class Section:
    """The API section of pyre's README, running on a host."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.calls = set(json.loads(program.expect(r"^\[")))

    def run(self, call: str, **let: str) -> list[str]:
        """Run the section's statement with this call; the value of `msgs` after it."""
        self.program.send(json.dumps({"run": call, "let": let}))
        answer: dict[str, Any] = json.loads(self.program.expect(rf'^{{"ran": "{call}"'))
        messages: list[str] = answer["msgs"]
        return messages


def test_the_api_section(readme: str, tmp_path: Path, hosts: Network) -> None:
    (block,) = re.findall(r"^## API\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    code = tmp_path / "api.py"
    code.write_text(textwrap.dedent(block), encoding="utf-8")
    section = Section(hosts[0].python(AS_PYRE, setup.PEERS / "readme_api.py", code))
    assert section.calls == {
        *("import", "Pyre", "set_header", "start", "stop", "join", "leave", "recv"),
        *("whisper", "shout", "whispers", "shouts", "get_socket"),
    }

    section.run("import")
    section.run("Pyre")
    section.run("set_header", name="X-KEY", value="a value")
    section.run("start")
    other = Peer(KINDS["zlog"], hosts[1]).start("other", groups=["TEAM"])
    entry = other.expect("ENTER")
    assert entry["headers"] == {"X-KEY": "a value"}
    assert [section.run("recv")[0] for _ in range(2)] == ["ENTER", "JOIN"]
    section.run("join", group="TEAM")
    other.expect("JOIN", group="TEAM")
    section.run("whisper", peer=other.uuid, msg="bytes")
    assert other.expect("WHISPER")["frames"] == [b"bytes".hex()]
    section.run("whispers", msg_string="text")
    assert other.expect("WHISPER")["frames"] == [b"text".hex()]
    section.run("shout")
    assert other.expect("SHOUT", group="TEAM")["frames"] == [b"bytes".hex()]
    section.run("shouts")
    assert other.expect("SHOUT", group="TEAM")["frames"] == [b"text".hex()]
    section.run("get_socket")
    section.run("leave")
    other.expect("LEAVE", group="TEAM")
    section.run("stop")
    other.expect("EXIT")
