"""Seconds and memory of a report of a thousand cells with 200-point curves, from cells on disk to PDF, PNG and tables.

    python benchmarks/report_speed.py --rounds 3

Every round is a process of its own, so importing numpy, scipy and matplotlib counts. The cells are those of the tests'
generator: 200 evaluations per run, each with six probe and check columns beside the score. Target: 10 s and 1 GiB.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trainer_throughput import processor

HERE = Path(__file__).parent
RESULTS = HERE / "results"
sys.path.insert(0, str(HERE.parent / "tests" / "reports"))
SECONDS, MEBIBYTES = 10.0, 1024.0
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
wall, cpu = time.perf_counter(), time.process_time()
import reports
home = Path(sys.argv[1])
reports.build(home / "manifest.json", home / "out")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, peak]))
"""


@dataclass(frozen=True)
class Shape:
    """One study: variants x tasks x seeds."""

    variants: int
    tasks: int
    seeds: int

    @property
    def cells(self) -> int:
        return self.variants * self.tasks * self.seeds


SHAPES = (Shape(10, 10, 10), Shape(7, 12, 12), Shape(40, 1, 25), Shape(5, 2, 100))


def prepared(home: Path, shape: Shape) -> None:
    """Write a study of that shape."""
    from report_cells import Arm, write_study

    levels = [1 - 0.5 * i / shape.variants for i in range(shape.variants)]
    arms = [Arm(f"No{i:02d}", level, component="aggregation") for i, level in enumerate(levels)]
    arms[0] = Arm("baseline", role="baseline", action=None)
    arms[1].failed = (1,)
    write_study(home, arms, seeds=shape.seeds, tasks=shape.tasks, points=200)


def measured(home: Path) -> list[float]:
    """Wall seconds, CPU seconds and peak MiB of one report."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(home)], check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        homes = {shape: Path(scratch) / f"{i}" for i, shape in enumerate(SHAPES)}
        for shape, home in homes.items():
            prepared(home, shape)
        load = os.getloadavg()[0]
        runs = {shape: [measured(homes[shape]) for _ in range(options.rounds)] for shape in SHAPES}
        for shape, found in runs.items():
            wall, cpu, peak = (statistics.median(column) for column in zip(*found, strict=True))
            pages = len(list((homes[shape] / "out" / "figures").glob("*.png")))
            size = (homes[shape] / "out" / "report.pdf").stat().st_size / 2**20
            rows.append({"variants": shape.variants, "tasks": shape.tasks, "seeds": shape.seeds, "cells": shape.cells,
                         "wall_s": wall, "cpu_s": cpu, "peak_mib": peak,
                         "figures": pages, "pdf_mib": size})  # fmt: skip
    lines = [
        f"{processor()}, {os.cpu_count()} cores, load {load:.1f} before; medians of {options.rounds} processes.",
        "",
        "| variants x tasks x seeds | cells | wall | CPU | peak memory | pages of figures | PDF |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['variants']} x {row['tasks']} x {row['seeds']} | {row['cells']} | {row['wall_s']:.1f} s "
            f"| {row['cpu_s']:.1f} s | {row['peak_mib']:.0f} MiB | {row['figures']} | {row['pdf_mib']:.1f} MiB |"
            for row in rows
        ),
        "",
        f"Target {SECONDS:.0f} s and {MEBIBYTES:.0f} MiB: "
        + ("reached." if all(r["wall_s"] < SECONDS and r["peak_mib"] < MEBIBYTES for r in rows) else "missed."),
    ]
    print("\n".join(lines))
    (RESULTS / "report_speed.md").write_text("\n".join(lines) + "\n")
    record = {"processor": processor(), "cores": os.cpu_count(), "load": load, "rounds": options.rounds, "rows": rows}
    (RESULTS / "report_speed.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
