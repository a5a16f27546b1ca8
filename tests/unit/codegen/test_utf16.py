"""Literals and documentation comments of Java and C#."""

from pathlib import Path

import pytest

from zlog_codegen import languages, load, utf16
from zlog_codegen.render import render


@pytest.mark.parametrize(
    ("text", "java", "csharp"),
    [
        ("", '""', '""'),
        ("a \"b\" \\ 'c' ?", r'''"a \"b\" \\ 'c' ?"''', r'''"a \"b\" \\ 'c' ?"'''),
        ("\0\t\n1", r'"\000\011\0121"', r'"\u0000\u0009\u000a1"'),
        ("é\x7f€\u2028", r'"\u00e9\u007f\u20ac\u2028"', r'"\u00e9\u007f\u20ac\u2028"'),
        ("🐍", r'"\ud83d\udc0d"', r'"\ud83d\udc0d"'),
        (r"\u0022", r'"\\u0022"', r'"\\u0022"'),
    ],
)
def test_strings(text: str, java: str, csharp: str) -> None:
    assert utf16.java_string(text) == java
    assert utf16.csharp_string(text) == csharp


@pytest.mark.parametrize(
    ("value", "java", "csharp"),
    [
        (0, ("int", "0"), ("int", "0")),
        (-(1 << 31), ("int", "-2147483648"), ("int", "-2147483648")),
        (1 << 31, ("long", "2147483648L"), ("long", "2147483648")),
        (-(1 << 63), ("long", "-9223372036854775808L"), ("long", "-9223372036854775808")),
        ((1 << 64) - 1, ("long", "0xFFFFFFFFFFFFFFFFL"), ("ulong", "18446744073709551615")),
    ],
)
def test_numbers(value: int, java: tuple[str, str], csharp: tuple[str, str]) -> None:
    assert utf16.java_number(value) == java
    assert utf16.csharp_number(value) == csharp


def test_nothing_in_a_text_is_more_than_text() -> None:
    text = "end */ <p> & {@code x} @param y \\u000a * 2 **/"
    java = "end &#42;/ &lt;p&gt; &amp; &#123;&#64;code x&#125; &#64;param y &#92;u000a &#42; 2 &#42;&#42;/"
    assert utf16.javadoc(text, width=200) == f"/** {java} */"
    assert utf16.xml_doc("a < b & c > d") == "/// <summary>a &lt; b &amp; c &gt; d</summary>"


def test_paragraphs_and_lists() -> None:
    text = "First.\n\nSecond:\n* one\n* two"
    assert utf16.javadoc(text, 2, [("param x", "what it is")]) == (
        "  /**\n   * First.\n   *\n   * <p>Second:\n   *\n   * <ul>\n   *   <li>one\n   *   <li>two\n   * </ul>\n   *\n"
        "   * @param x what it is\n   */"
    )
    assert utf16.xml_doc(text) == (
        "/// <summary>\n/// <para>First.</para>\n/// <para>Second:</para>\n"
        '/// <list type="bullet">\n/// <item><description>one</description></item>\n'
        "/// <item><description>two</description></item>\n/// </list>\n/// </summary>"
    )
    assert utf16.javadoc("* one\n* two") == "/**\n * one\n *\n * <p>two\n */"


def test_a_licence_does_not_end_its_comment(tmp_path: Path) -> None:
    model = tmp_path / "evil.xml"
    model.write_text(
        r'<class name = "evil"><license>free \u000a class Evil {} \\u000a x</license><message name = "A" /></class>'
    )
    text = render([load(model)], languages.find("java"))["Evil.java"]
    assert r"// free \\u000a class Evil {} \\\\u000a x" in text
