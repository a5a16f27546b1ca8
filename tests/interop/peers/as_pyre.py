"""Run a program that was written for pyre with our drop-in in its place: `python as_pyre.py SCRIPT [ARGUMENT…]`."""

import runpy
import sys

import pyre

import zlog.zre

if __name__ == "__main__":
    pyre.Pyre = zlog.zre.Pyre
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
