"""From the Go module proxy: zmq4 for the socket helper, compiled, and staticcheck."""

from __future__ import annotations

import shutil
from pathlib import Path

from languages.setup import HERE, require, run

STATICCHECK = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"
VERSIONS = f"{STATICCHECK}, others by go.sum"
SOURCES = [HERE / "go" / "go.mod", HERE / "go" / "go.sum"]


#: What the tests use of the standard library. Compiling it, for tests of every kind, is most of what they take.
WARM = """package warm

import (
	_ "bufio"
	_ "encoding/binary"
	_ "encoding/json"
	_ "errors"
	_ "fmt"
	_ "maps"
	_ "path/filepath"
	_ "reflect"
	_ "slices"
	_ "testing"
	_ "time"
)
"""
FUZZ = """package warm

import "testing"

func FuzzNothing(f *testing.F) { f.Fuzz(func(*testing.T, []byte) {}) }
"""


def environment(folder: Path) -> dict[str, str]:
    """Go with modules and compiled packages in a folder, and with the toolchain that is there."""
    return {
        "GOBIN": str(folder / "bin"),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-mod=mod -modcacherw -trimpath",
        "GOMODCACHE": str(folder / "mod"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "STATICCHECK_CACHE": str(folder / "staticcheck"),
    }


def make(folder: Path) -> None:
    """Modules by go.sum, and what is compiled of them."""
    require("go", "install Go 1.21 or newer: https://go.dev/dl")
    require("cc", "apt-get install gcc")
    require("pkg-config", "apt-get install pkg-config libzmq3-dev")
    sources = folder / "sources"
    (sources / "zmqsocket").mkdir(parents=True)
    for source in SOURCES:
        shutil.copy(source, sources)
    (sources / "zmqsocket" / "go.mod").write_text("module zmqsocket\n\ngo 1.21\n")
    run("go", "build", "github.com/pebbe/zmq4", cwd=sources, **environment(folder))
    run("go", "install", STATICCHECK, cwd=folder, **environment(folder))
    (sources / "warm").mkdir()
    (sources / "warm" / "warm.go").write_text(WARM)
    (sources / "warm" / "warm_test.go").write_text(FUZZ)
    run("go", "vet", "./warm", cwd=sources, **environment(folder))
    run("go", "vet", "./warm", cwd=sources, GOARCH="386", CGO_ENABLED="0", **environment(folder))
    run("go", "build", "./warm", cwd=sources, CGO_ENABLED="0", **environment(folder))
    run("go", "test", "-fuzz=FuzzNothing", "-fuzztime=10x", "./warm", cwd=sources, **environment(folder))
    run(folder / "bin" / "staticcheck", "./warm", cwd=sources, **environment(folder))
