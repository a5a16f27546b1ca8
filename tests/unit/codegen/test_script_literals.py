"""Literals of JavaScript and Ruby: what is in a model can't break out of them."""

import pytest

from zlog_codegen.filters import js_literal, ruby_literal


@pytest.mark.parametrize(
    ("value", "javascript", "ruby"),
    [
        (0, "0", "0"),
        (-1, "-1", "-1"),
        (9_007_199_254_740_991, "9007199254740991", "9_007_199_254_740_991"),
        (9_007_199_254_740_992, "9007199254740992n", "9_007_199_254_740_992"),
        (-1_234_567, "-1234567", "-1_234_567"),
        ("", '""', "''"),
        ("plain é", '"plain é"', "'plain é'"),
        ("it's", '"it\'s"', '"it\'s"'),
        ('"so"', "'\"so\"'", "'\"so\"'"),
        ("'\"", '"\'\\""', '"\'\\""'),
        ("a\\b", '"a\\\\b"', '"a\\\\b"'),
        ("`${x}`", '"`${x}`"', "'`${x}`'"),
        ("'#{x} #@y #$z #w", '"\'#{x} #@y #$z #w"', '"\'\\#{x} \\#@y \\#$z #w"'),
        ("\n\0\x7f\u2028\ufeff", '"\\u000a\\u0000\\u007f\\u2028\\ufeff"', '"\\u{a}\\u{0}\\u{7f}\\u{2028}\\u{feff}"'),
        ("🐍\U000e0001", '"🐍\\u{e0001}"', '"🐍\\u{e0001}"'),
    ],
)
def test_literals(value: int | str, javascript: str, ruby: str) -> None:
    assert js_literal(value) == javascript
    assert ruby_literal(value) == ruby
