"""Codecs from protocol models: zproto's XML grammar in, source code for any language out."""

from zlog_codegen.errors import ModelError, Problem
from zlog_codegen.loader import load
from zlog_codegen.model import Model

__all__ = ["Model", "ModelError", "Problem", "load"]
