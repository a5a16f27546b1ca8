"""Waiting for what a child process prints."""

import sys

import pytest

COUNT = "import sys\nfor n in range(3): print('line', n)\nprint('and stderr', file=sys.stderr)"


@pytest.fixture
def python(start):
    return lambda code: start([sys.executable, "-u", "-c", code])


def test_lines_are_expected_in_any_order_and_each_once(python):
    program = python(COUNT)
    assert program.expect("and std") == "and stderr"
    assert program.expect(lambda line: line.endswith("1")) == "line 1"
    assert program.expect("line") == "line 0"
    assert program.expect("line") == "line 2"
    assert program.wait() == 0
    assert program.lines.all == ["line 0", "line 1", "line 2", "and stderr"]


def test_a_program_that_ends_without_the_line_fails_at_once(python):
    with pytest.raises(AssertionError, match=r"ended without 'absent'; its output:\n  line 0\n  line 1"):
        python(COUNT).expect("absent", timeout_s=600)


def test_a_deadline_shows_the_output_so_far(python):
    program = python("print('so far'); input()")
    program.expect("so far")
    with pytest.raises(AssertionError, match=r"in 0\.1 s did not print 'absent'; its output:\n  so far"):
        program.expect("absent", timeout_s=0.1)
    with pytest.raises(AssertionError, match=r"still runs after 0\.1 s; its output:\n  so far"):
        program.wait(timeout_s=0.1)


def test_what_is_sent_arrives_on_stdin(python):
    program = python("print(input()[::-1])")
    program.send("abc")
    program.expect("^cba$")


def test_a_program_can_be_asked_to_end(python):
    program = python("import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('ready'); signal.pause()")
    program.expect("ready")
    assert program.terminate() == 7
