"""The mirror of a study in MLflow; the only importer of mlflow.

One parent run per study and profile, one child run per cell *of that study*: a cell that two studies share has a child
under both, so that each parent is complete on its own. Runs are found again by tags, and a child remembers the last
step it holds, so mirroring again adds nothing. Rows carry the time they were measured at, because MLflow stores a
point twice when only its time differs. A journal that was begun anew (its first row bears another time) gets a new
child, and the old one is deleted.

Nothing is ever read back from here: the cells are the truth.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ablate.durable import read_lines
from ablate.manifest import arm_of, every_cell
from ablate.store import Json, Store

POINTS_PER_CALL = 1000
_PARAMS_PER_CALL = 100
_STATUS = {"RUNNING": "RUNNING", "DONE": "FINISHED", "FAILED": "FAILED", "INTERRUPTED": "KILLED"}
_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)
_NOT_METRICS = ("ts", "attempt", "env_steps")
_PROFILE = "profile/"
"""Points of curves over time steps, a column each: hundreds of charts over training would show no curve."""
_VIEW = "ablate_mean_per_variant"


def tracking_uri(home: Path) -> str:
    """``MLFLOW_TRACKING_URI``, else a database in the store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_database(home)


@dataclass(slots=True)
class _Child:
    """What MLflow holds of one cell, as far as this process knows."""

    run_id: str
    generation: str
    synced_step: int
    status: str
    position: int = 0
    attempt: int = 0
    artifacts: str = ""


class Mirror:
    """Writes one study's cells to MLflow, a call at a time."""

    def __init__(self, store: Store, manifest: Mapping[str, Any]) -> None:
        """Prepare; ``connect`` makes the first call.

        Args:
            store: Where the cells lie.
            manifest: What the study asks for.
        """
        self._store = store
        self._manifest = manifest
        self._variants = {one["name"]: one for one in manifest["variants"]}
        self._children: dict[str, _Child] = {}
        self._client: Any = None
        self.uri = tracking_uri(store.home)
        self.experiment_id = ""
        self.parent_id = ""

    @property
    def study(self) -> str:
        """The study's name."""
        name: str = self._manifest["study"]
        return name

    def connect(self) -> None:
        """Find or create the experiment and the parent run, and learn what is there.

        Raises:
            Exception: Whatever MLflow raises when it cannot be reached.
        """
        mlflow = _import_mlflow()
        client = mlflow.MlflowClient(tracking_uri=self.uri)
        name = f"ablate/{self.study}"
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            own = self.uri == _own_database(self._store.home)
            place = (self._store.home / "mlartifacts" / self.study).as_uri() if own else None
            self.experiment_id = client.create_experiment(name, artifact_location=place)
        else:
            self.experiment_id = experiment.experiment_id
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(self.experiment_id)
        client.set_experiment_tag(self.experiment_id, "mlflow.note.content", self._manifest["question"])
        client.set_experiment_tag(self.experiment_id, f"mlflow.sharedViewState.{_VIEW}", self._grouped_view())
        self._client = client
        runs = self._runs()
        self.parent_id = self._parent(runs)
        self._children = {}
        for run in runs:
            tags = run.data.tags
            if tags.get("ablate.kind") == "cell" and tags.get("mlflow.parentRunId") == self.parent_id:
                self._children[tags["ablate.cell"]] = _Child(
                    run.info.run_id,
                    tags.get("ablate.generation", ""),
                    int(tags.get("ablate.synced_step", -1)),
                    run.info.status,
                    artifacts=tags.get("ablate.artifacts", ""),
                )

    def follow(self, manifest: Mapping[str, Any]) -> None:
        """Go on with a later manifest of the same study, which names more cells."""
        self._manifest = manifest

    def calls(self, *, final: bool = False) -> Iterator[None]:
        """Bring every cell up to date; yields after each call to MLflow, so that the caller sets the pace.

        Args:
            final: Also send short tails of journals and close what does not run any more; otherwise rows are gathered
                until they fill a call or the cell has ended.
        """
        for entry in every_cell(self._manifest):
            yield from self._cell(entry, final)

    def finish(self, status: str, note: str, report: Path | None) -> None:
        """Close the parent run.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            note: Markdown for the run's page.
            report: Directory whose files become the parent's artifacts.
        """
        self._client.set_tag(self.parent_id, "mlflow.note.content", note)
        if report is not None and report.is_dir():
            self._client.log_artifacts(self.parent_id, str(report), "report")
        self._client.set_terminated(self.parent_id, status)

    def links(self) -> dict[str, str]:
        """Pages worth opening, by what they show. A table sorted by a metric lists the cells instead of the parent."""
        metric = self._manifest["primary"]["name"]
        base = self.uri.rstrip("/") if self.uri.startswith("http") else "http://127.0.0.1:5000"
        place = f"{base}/#/experiments/{self.experiment_id}/runs"
        which = quote(f"tags.ablate.kind = 'cell' and tags.ablate.study = '{self.study}'")
        order = quote(f"metrics.`{metric}`")
        return {
            "every cell": f"{place}?searchFilter={which}&orderByKey={order}&orderByAsc=false&compareRunsMode=CHART",
            "mean per variant": f"{place}?viewStateShareKey={_VIEW}&compareRunsMode=CHART",
        }

    def _runs(self) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                f"tags.`ablate.study` = '{self.study}'",
                max_results=1000,
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found

    def _parent(self, runs: list[Any]) -> str:
        """The parent run's id; it is RUNNING from here to ``finish``."""
        profile = self._manifest["profile"] or ""
        for run in runs:
            tags = run.data.tags
            if tags.get("ablate.kind") == "study" and tags.get("ablate.profile", "") == profile:
                self._client.update_run(run.info.run_id, status="RUNNING")
                return str(run.info.run_id)
        run = self._client.create_run(
            self.experiment_id,
            run_name=self.study + (f" ({profile})" if profile else ""),
            tags={
                "ablate.kind": "study",
                "ablate.study": self.study,
                "ablate.profile": profile,
                "mlflow.source.name": str(self._manifest.get("study_path", self.study)),
                "mlflow.note.content": self._manifest["question"],
            },
        )
        self._client.log_text(run.info.run_id, self._manifest["study_yaml"], "study.yaml")
        return str(run.info.run_id)

    def _cell(self, entry: Json, final: bool) -> Iterator[None]:
        place = self._store.cell(entry["hash"])
        status = place.status()
        if status is None:
            return
        state = status["state"]
        if final and state == "RUNNING":
            state = "INTERRUPTED"  # if another study's driver trains it, the next mirroring says so
        child = self._children.get(entry["hash"])
        if child is not None and child.status == _STATUS.get(state) and state in ("DONE", "FAILED") and not final:
            return
        if child is not None and child.attempt != status["attempt"]:
            # A new attempt cuts the journal back to its checkpoint, so the old place in it means nothing.
            child.attempt, child.position = status["attempt"], 0
        rows, position = read_lines(place.journal_path, child.position if child else 0)
        begun = rows and child is not None and child.position == 0 and child.generation
        if begun and child is not None and _generation(rows) != child.generation:
            self._client.delete_run(child.run_id)
            child = None
            yield
        if child is None:
            child = self._create(entry, status, rows)
            yield
        if rows and not child.generation:
            child.generation = _generation(rows)
        fresh = [row for row in rows if row["env_steps"] > child.synced_step]
        ended = state != "RUNNING"
        batches = list(_batches(fresh))
        if batches and not ended and not final and len(batches[-1][0]) < POINTS_PER_CALL // 2:
            batches.pop()
            position = child.position  # read the rest again next time
        for points, last_step in batches:
            self._log(child, points, last_step, status)
            yield
        child.position = position
        if child.status != _STATUS[state]:
            self._set_status(child, state, status)
            yield
        listing = _listing(place.artifacts) if final else child.artifacts
        if listing != child.artifacts:
            self._client.log_artifacts(child.run_id, str(place.artifacts))
            self._client.set_tag(child.run_id, "ablate.artifacts", listing)
            child.artifacts = listing
            yield

    def _create(self, entry: Json, status: Json, rows: list[Json]) -> _Child:
        variant = self._variants[entry["variant"]]
        task = self._manifest["tasks"][entry["task"]]
        generation = _generation(rows)
        tags = {
            "ablate.kind": "cell",
            "ablate.study": self.study,
            "ablate.profile": self._manifest["profile"] or "",
            "ablate.cell": entry["hash"],
            "ablate.generation": generation,
            "ablate.attempt": status["attempt"],
            "ablation": variant["ablation"] or variant["role"],
            "variant": variant["name"],
            "component": variant["component"] or "",
            "action": variant["action"] or "",
            "task": task["label"],
            "seed": entry["seed"],
            "mlflow.parentRunId": self.parent_id,
            "mlflow.runColor": variant["color"],
            "mlflow.source.name": str(self._manifest.get("study_path", self.study)),
        }
        if "tune" in self._manifest:
            tags |= {"stage": entry.get("stage", "main"), "value": entry.get("value") or ""}
        where = f"{task['label']}/" if len(self._manifest["tasks"]) > 1 else ""
        run = self._client.create_run(
            self.experiment_id,
            start_time=int(status["started"] * 1000),
            run_name=f"{arm_of(entry)}/{where}s{entry['seed']}",
            tags={key: str(value) for key, value in tags.items()},
        )
        child = _Child(run.info.run_id, generation, -1, "RUNNING", attempt=status["attempt"])
        self._children[entry["hash"]] = child
        self._log_params(child, self._store.cell(entry["hash"]).identity() or {})
        return child

    def _log_params(self, child: _Child, identity: Json) -> None:
        from mlflow.entities import Param

        flat = {key: value for key, value in _flat(identity) if key != "hash_version"}
        params = [Param(_name(key)[-250:], str(value)[:6000]) for key, value in flat.items()]
        for start in range(0, len(params), _PARAMS_PER_CALL):
            self._client.log_batch(child.run_id, params=params[start : start + _PARAMS_PER_CALL])

    def _log(self, child: _Child, points: list[tuple[str, float, int, int]], last_step: int, status: Json) -> None:
        from mlflow.entities import Metric, RunTag

        # The step travels in the same call as its points, so neither is there without the other.
        facts = {"synced_step": last_step, "attempt": status["attempt"], "generation": child.generation}
        tags = [RunTag(f"ablate.{key}", str(value)) for key, value in facts.items()]
        self._client.log_batch(child.run_id, metrics=[Metric(*point) for point in points], tags=tags)
        child.synced_step = last_step

    def _set_status(self, child: _Child, state: str, status: Json) -> None:
        wanted = _STATUS[state]
        if wanted == "RUNNING":
            self._client.update_run(child.run_id, status=wanted)
        else:
            if status.get("error"):
                self._client.set_tag(child.run_id, "mlflow.note.content", status["error"])
            ended = status.get("ended")
            self._client.set_terminated(child.run_id, wanted, end_time=int(ended * 1000) if ended else None)
        child.status = wanted

    def _grouped_view(self) -> str:
        """A chart of means per variant. Undocumented in MLflow, so nothing depends on it."""
        import json

        metric = self._manifest["primary"]["name"]
        only = " and tags.stage = 'main'" if "tune" in self._manifest else ""
        return json.dumps(
            {
                "searchFilter": f"tags.ablate.kind = 'cell' and tags.ablate.study = '{self.study}'{only}",
                "orderByKey": f"metrics.`{metric}`",
                "orderByAsc": False,
                "startTime": "ALL",
                "lifecycleFilter": "Active",
                "datasetsFilter": [],
                "modelVersionFilter": "All Runs",
                "groupBy": {
                    "aggregateFunction": "average",
                    "groupByKeys": [{"mode": "tag", "groupByData": "variant"}],
                },
                "useGroupedValuesInCharts": True,
            }
        )


def _listing(directory: Path) -> str:
    """What lies in a cell's directory of artifacts, short; empty when nothing does."""
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    seen = [(one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in files if not one.name.startswith(".")]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16] if seen else ""


def server_command(home: Path, uri: str, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of an MLflow server on a database, with its job runner off (it costs 500 MB)."""
    import sys

    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri,
        "--artifacts-destination", (home / "mlartifacts").as_uri(),
        "--host", host, "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    return command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def check(home: Path) -> str:
    """Ask MLflow whether it is there, without creating anything.

    Raises:
        Exception: It cannot be reached.
    """
    uri = tracking_uri(home)
    if uri == _own_database(home) and not (home / "mlflow.db").exists():
        return f"{uri} (created by the first run)"
    found = _import_mlflow().MlflowClient(tracking_uri=uri).search_experiments(max_results=1000)
    return f"{uri}: {sum(one.name.startswith('ablate/') for one in found)} studies"


def _own_database(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


def _import_mlflow() -> Any:
    """Import mlflow so that it answers quickly when its server is away, and prints nothing."""
    for key, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(key, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def _generation(rows: list[Json]) -> str:
    """Tells a journal from one begun anew: the time of its first row, which a resumed attempt keeps."""
    return str(rows[0]["ts"]) if rows else ""


def _batches(rows: list[Json]) -> Iterator[tuple[list[tuple[str, float, int, int]], int]]:
    """Points ``(key, value, ms, step)`` in groups of whole rows that fit one call, with each group's last step."""
    points: list[tuple[str, float, int, int]] = []
    last_step = -1
    for row in rows:
        stamp, step = int(row["ts"] * 1000), row["env_steps"]
        found = [
            (_name(key), float(value), stamp, step)
            for key, value in row.items()
            if key not in _NOT_METRICS and not key.startswith(_PROFILE) and isinstance(value, int | float)
        ]
        if points and len(points) + len(found) > POINTS_PER_CALL:
            yield points, last_step
            points = []
        points += found
        last_step = step
    if points:
        yield points, last_step


def _name(key: str) -> str:
    """A metric's or parameter's name with what MLflow refuses replaced."""
    return _FORBIDDEN.sub("_", key)


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
