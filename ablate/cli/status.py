"""``ablate status STUDY``: how far a study is, live or afterwards."""

import dataclasses
import sys
import time
from typing import Any

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.manifests import manifest_of
from ablate.cli.output import columns, print_json
from ablate.cli.seeds_ahead import standing_lines
from ablate.standing import Observer, Standing
from ablate.store import Store

_LOOK_SECONDS = 1.0


@click.command()
@click.argument("study")
@takes_store
@click.option("--watch", "-w", is_flag=True, help="Keep looking until the study's driver ends.")
@click.option("--failed", is_flag=True, help="List the failed and interrupted cells.")
@as_json
def command(study: str, store: Store, watch: bool, failed: bool, as_json: bool) -> int:
    """Show how far a study is, live or afterwards.

    STUDY is a study file or the name of a study in the store.
    """
    from rich.console import Console

    from ablate.progress import progress_on, table

    manifest = manifest_of(study, store)
    observer = Observer(store, manifest)
    place = store.study(manifest["study"])
    if watch and not as_json and place.is_locked():
        with progress_on(sys.stdout) as progress:
            while place.is_locked():
                progress.update(observer.look())
                time.sleep(_LOOK_SECONDS)
            progress.update(observer.look())
        return 0
    standing = observer.look()
    if as_json:
        print_json(_as_data(standing, manifest, driven=place.is_locked()))
        return 0
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    console.print(table(standing, None, height=10**6))
    for line in _looks(manifest):
        click.echo(line)
    click.echo("A driver is at work." if place.is_locked() else "No driver is at work.")
    if failed:
        rows = [
            (cell.hash, cell.arm, f"seed {cell.seed}", cell.state, cell.error or "")
            for cell in standing.cells
            if cell.state in ("FAILED", "INTERRUPTED")
        ]
        for line in columns(rows, indent=""):
            click.echo(line)
    return 0


def _looks(manifest: dict[str, Any]) -> list[str]:
    """How far the looks were when the driver last took one; nothing with a fixed number of seeds."""
    found = manifest.get("adaptive")
    return standing_lines(found["arms"], found["looked"], found["looks"]) if found else []


def _as_data(standing: Standing, manifest: dict[str, Any], *, driven: bool) -> dict[str, Any]:
    return {
        "study": standing.study,
        "profile": manifest["profile"],
        "driven": driven,
        "counts": dict(standing.counts),
        "env_steps_per_second": standing.rate,
        "eta_s": standing.eta_s,
        "metric": standing.metric,
        "variants": [
            {"name": row.name, "counts": dict(row.counts), "share": row.share, "score": row.score}
            for row in standing.variants
        ],
        "cells": [dataclasses.asdict(cell) for cell in standing.cells],
        **_looks_data(manifest),
    }


def _looks_data(manifest: dict[str, Any]) -> dict[str, Any]:
    found = manifest.get("adaptive")
    return {"adaptive": {key: found[key] for key in ("looks", "spending", "looked", "arms")}} if found else {}
