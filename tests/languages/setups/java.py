"""From Maven Central: JUnit's launcher for the tests, google-java-format, and JeroMQ for socket helper and example."""

from __future__ import annotations

import shutil
from pathlib import Path

from languages.setup import HERE, require, run

VERSIONS = "by pom.xml"
SOURCES = [HERE / "java" / "pom.xml"]


def make(folder: Path) -> None:
    """All jars beside each other; what Maven itself got is left out."""
    require("java", "apt-get install openjdk-17-jdk-headless")
    require("mvn", "apt-get install maven")
    repository = folder / "repository"
    run(
        *("mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={repository}", "-f", SOURCES[0]),
        *("dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}"),
        cwd=folder,
    )
    shutil.rmtree(repository)
    (launcher,) = (folder / "jars").glob("junit-platform-console-standalone-*.jar")
    run("java", "-jar", launcher, "--version", cwd=folder)
