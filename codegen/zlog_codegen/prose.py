"""Text in models: documentation, whose lines don't matter, and blocks, whose lines do."""

import re


def paragraphs(text: str) -> str:
    """Documentation text: paragraphs on one line each, with an empty line between; list items stay apart."""
    result: list[str] = []
    for chunk in re.split(r"\n[ \t\r]*\n", text):
        lines: list[str] = []
        for line in chunk.split("\n"):
            line = " ".join(line.split())
            if line and (not lines or line.startswith(("* ", "- "))):
                lines.append(line)
            elif line:
                lines[-1] += f" {line}"
        if lines:
            result.append("\n".join(lines))
    return "\n\n".join(result)


def block(text: str) -> str:
    """Text whose lines matter: without common indentation, trailing blanks and empty lines around it."""
    lines = [line.rstrip() for line in text.expandtabs().splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return "\n".join(line[margin:] for line in lines)
