"""After each fault, how long until all that was sent up to its end is stored: `python tests/bench/bench_recovery.py`.

Runs the tests of `tests/faults`, which count what was sent, stored, stored twice and named as missing, and prints what
they measured. A fault ends when its cause does: the command of the collector that takes over is given, the cable is
plugged in again, the disk has room. So the start of a process is part of some figures, 0.3 to 1 s.

`-k EXPRESSION` chooses tests, `--rounds N` repeats them and shows median and range; `--json` prints the same for
programs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

FAULTS = Path(__file__).resolve().parent.parent / "faults"


def run(expression: str, report: Path) -> list[dict]:
    """What the tests measured, one round."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FAULTS)]
    done = subprocess.run(
        [*command, "-k", expression] if expression else command,
        env=os.environ | {"ZLOG_FAULTS_REPORT": str(report)},
        cwd=FAULTS.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")
    return [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]


def seconds(values: list[float]) -> str:
    """Median and range."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", dest="expression", default="not soak and not load", help="which tests, as pytest has it")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    faults: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            rows = run(args.expression, Path(folder) / "report")
            for fault in dict.fromkeys(row["fault"] for row in rows):
                these = [row for row in rows if row["fault"] == fault]
                total = faults.setdefault(
                    fault, {"sent": 0, "stored": 0, "twice": 0, "named": 0, "unnamed": 0, "s": []}
                )
                total["sent"] += these[0]["sent"]
                total["stored"] += min(row["stored"] for row in these)
                total["named"] += max(sum(row["named"].values()) for row in these)
                for name in ("twice", "unnamed"):
                    total[name] += max(row[name] for row in these)
                total["s"] += these[0]["recovery_s"]
    if args.json:
        print(json.dumps(faults))
        return
    lines = [("FAULT", "SENT", "STORED", "TWICE", "NAMED", "UNNAMED", "TIMES", "RECOVERY (s)")]
    for fault, total in faults.items():
        figures = [f"{total[name]:,}" for name in ("sent", "stored", "twice", "named", "unnamed")]
        lines.append((fault, *figures, str(len(total["s"])), seconds(total["s"])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


if __name__ == "__main__":
    main()
