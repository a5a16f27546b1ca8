"""Carries out the statements of the API section of pyre's README, one at a time, as a test asks for them.

Usage: `python as_pyre.py readme_api.py FILE`, where FILE is that section's code. A line of stdin is
`{"run": METHOD, "let": {NAME: VALUE}}`: it sets the names that the section leaves to the reader, then runs the
statement that calls METHOD. A line of stdout is what the statement left in the section's own variable `msgs`.
"""

import ast
import json
import sys
import uuid
from pathlib import Path
from typing import Any


def called(statement: ast.stmt) -> str:
    """The name of the method that a statement calls; nothing for an import."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr
    return "import"


def main() -> None:
    """Serve the test until stdin ends."""
    statements = {called(statement): statement for statement in ast.parse(Path(sys.argv[1]).read_text()).body}
    print(json.dumps(sorted(statements)), flush=True)
    names: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        for name, value in request.get("let", {}).items():
            names[name] = uuid.UUID(value) if name == "peer" else value.encode() if name == "msg" else value
        names["msgs"] = []
        code = ast.Module([statements[request["run"]]], [])
        exec(compile(code, sys.argv[1], "exec"), names)  # the documented statement itself
        answer = {"ran": request["run"], "msgs": [frame.decode("latin-1") for frame in names["msgs"]]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
