"""Many nodes in one process. About 3·N² descriptors are the limit: two for each DEALER, one for each connection in."""

import json
import resource
from pathlib import Path

from support.programs import python_args
from support.tools import unavailable

NODES = 50
DESCRIPTORS = 3 * NODES * NODES + 20 * NODES


def test_fifty_nodes_in_one_process_find_each_other(start, zre_port, record_property):
    """In a child process, which raises its limit of descriptors as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        unavailable(f"{NODES} nodes need {DESCRIPTORS} descriptors, {hard} are allowed", "raise it: ulimit -Hn 16384")
    program = start(python_args(Path(__file__).with_name("many_nodes.py"), str(NODES), str(zre_port)))
    met = json.loads(program.expect("complete", timeout_s=120))
    record_property("fifty nodes", met)
    print(met)
    assert met["complete"]
    assert met["peers"] == [NODES - 1]
    assert met["exits"] == 0
    assert met["descriptors"] <= DESCRIPTORS
    end = json.loads(program.expect("after", timeout_s=60))
    assert end["after"].keys() == end["before"].keys()
    assert all(count <= end["before"][what] for what, count in end["after"].items()), f"left behind: {end}"
    assert program.wait(20) == 0
