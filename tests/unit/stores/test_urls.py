"""Which URLs name a store, and what is said of those that don't."""

import pytest

from zlog.collector.stores import Filter, open_store
from zlog.errors import StoreError


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("log.db", "'log.db' is no store; possible are sqlite:PATH, jsonl:PATH, file:PATH, journal:DIR, memory:"),
        ("postgres:x", "'postgres:x' is no store; possible are "),
        ("", "'' is no store"),
        ("sqlite:", "'sqlite:' names no file; write sqlite:PATH"),
        ("memory:x", "nothing can follow memory:"),
        ("sqlite:a?sink=1", "there is no option 'sink'; possible are optional, sync"),
        ("sqlite:a?sync=off", "sync can't be 'off'; possible are full, normal"),
        ("jsonl:a?max_bytes=10x", "max_bytes can't be '10x'; it must be a number of bytes"),
        ("jsonl:a?max_bytes=-1", "max_bytes can't be '-1'"),
        ("jsonl:a?keep=1&keep=2", "keep is given twice"),
        ("jsonl:a?every=week", "possible are minute, hour, day"),
        ("file:a?format={tim}", "there is no field {tim}; possible are time, "),
        ("file:a?format={text.__class__}", "there is no field {text.__class__}"),
        ("file:a?format={text", "can't be '{text'"),
        ("file:a?format={text:{pid}}", "no more than a width"),
        ("file:a?format.error={level:q}", "'q' is no width"),
        ("memory:?optional=maybe", "optional can't be 'maybe'"),
    ],
)
def test_clear_errors(url, said):
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert said in str(caught.value)


def test_options():
    store = open_store("jsonl:/a/b:c.jsonl?max_bytes=10M&keep=3&every=day&optional")
    assert (store.path, store.optional, store.durable) == ("/a/b:c.jsonl", True, True)
    assert store.settings == {"max_bytes": 10 * 1024 * 1024, "keep": 3, "every": "day"}
    assert store.url == "jsonl:/a/b:c.jsonl"
    assert not open_store("memory:").durable
    assert not open_store("sqlite:x?optional=0").optional


@pytest.mark.parametrize("bad", [{"grep": "("}, {"limit": -1}])
def test_bad_filters(bad):
    with pytest.raises(ValueError, match=r"no regular expression|negative"):
        Filter(**bad)
