"""How far a study is, read from the store: the same for the driver, another terminal, and afterwards."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ablate.manifest import arm_of, every_cell
from ablate.store import FINISHED, Json, State, Store

_STALE_BEAT_SECONDS = 60.0
_WINDOW_SECONDS = 60.0
_SHORTEST_WINDOW_SECONDS = 5.0


@dataclass(slots=True)
class CellStanding:
    """One cell; ``arm`` is its variant and what that was given to try."""

    hash: str
    variant: str
    arm: str
    task: int
    seed: int
    state: State
    env_steps: int
    pack: str | None
    error: str | None
    score: float | None
    """Primary metric of the last evaluation."""


@dataclass(slots=True)
class VariantStanding:
    """One row of the table.

    Attributes:
        name: Of the variant; its tuning and retuned runs are rows of their own.
        color: As in the report.
        cells: All of them.
        counts: State -> number of cells.
        share: Of the budget, 0 to 1.
        score: Mean primary metric of the last evaluations.
        rate: Environment steps per second right now.
    """

    name: str
    color: str
    cells: list[CellStanding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    share: float = 0.0
    score: float | None = None
    rate: float = 0.0


@dataclass(slots=True)
class Standing:
    """A study at one moment.

    Attributes:
        study: Its name.
        variants: In the order of the study.
        counts: State -> number of cells.
        rate: Environment steps per second over the last minute, all packs; of this moment at the first look.
        eta_s: Seconds until everything unfinished is trained at this rate; None while nothing trains.
        metric: Name of the primary metric.
    """

    study: str
    variants: list[VariantStanding]
    counts: Counter[str]
    rate: float
    eta_s: float | None
    metric: str

    @property
    def cells(self) -> list[CellStanding]:
        """Every cell of the study."""
        return [cell for variant in self.variants for cell in variant.cells]


class Observer:
    """Looks at a study again and again; what has ended is read once."""

    def __init__(self, store: Store, manifest: Mapping[str, Any]) -> None:
        self._store = store
        self._manifest = manifest
        self._metric: str = manifest["primary"]["name"]
        tune = manifest.get("tune") or {"budget": manifest["budget"]}
        self._cells = every_cell(manifest)
        self._budget: int = manifest["budget"]["env_steps"]
        self._tuned = {entry["hash"]: entry["stage"] for entry in self._cells if "stage" in entry}
        self._tune_budget: int = tune["budget"]["env_steps"]
        self._ended: dict[str, CellStanding] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def look(self) -> Standing:
        """The study now."""
        beats: dict[str, Json] = {}
        colors = {one["name"]: one["color"] for one in self._manifest["variants"]}
        variants = {name: VariantStanding(name=name, color=color) for name, color in colors.items()}
        for entry in self._cells:
            cell = self._ended.get(entry["hash"]) or self._cell(entry, beats)
            if cell.state in FINISHED:
                self._ended[cell.hash] = cell
            stage = entry.get("stage")
            name = f"{cell.variant} ({stage})" if stage else cell.variant
            row = variants.setdefault(name, VariantStanding(name=name, color=colors[cell.variant]))
            row.cells.append(cell)
            row.counts[cell.state] += 1
        for row in variants.values():
            self._summarize(row, beats)
        everything = [cell for row in variants.values() for cell in row.cells]
        rate = self._rate(everything, sum(row.rate for row in variants.values()))
        left = sum(self._budget_of(cell) - cell.env_steps for cell in everything if cell.state not in FINISHED)
        return Standing(
            study=self._manifest["study"],
            variants=list(variants.values()),
            counts=sum((row.counts for row in variants.values()), Counter()),
            rate=rate,
            eta_s=left / rate if rate else None,
            metric=self._metric,
        )

    def _budget_of(self, cell: CellStanding) -> int:
        return self._tune_budget if self._tuned.get(cell.hash) == "tune" else self._budget

    def _cell(self, entry: Json, beats: dict[str, Json]) -> CellStanding:
        place = self._store.cell(entry["hash"])
        status = place.status() or {}
        state = place.state() if status.get("state") == "RUNNING" else status.get("state", "MISSING")
        cell = CellStanding(
            hash=entry["hash"],
            variant=entry["variant"],
            arm=arm_of(entry),
            task=entry["task"],
            seed=entry["seed"],
            state=state,
            env_steps=status.get("env_steps", 0),
            pack=status.get("pack"),
            error=status.get("error"),
            score=None,
        )
        if state == "RUNNING" and cell.pack is not None:
            if cell.pack not in beats:
                beats[cell.pack] = self._store.pack(cell.pack).heartbeat() or {}
            beat = beats[cell.pack]
            cell.env_steps = max(cell.env_steps, beat.get("env_steps", 0))
            cell.score = beat.get("eval_return") if self._metric == "eval/return" else None
        elif state in FINISHED:
            scores = [row[self._metric] for row in place.rows() if row.get(self._metric) is not None]
            cell.score = scores[-1] if scores else None
        return cell

    def _rate(self, cells: list[CellStanding], now: float) -> float:
        """Steps per second over the window: evaluations, starts and ends of packs average out, so the ETA holds still.

        Args:
            cells: All of them.
            now: The packs' own figures of this moment, used until the window is long enough.
        """
        clock = time.monotonic()
        self._seen.append((clock, sum(cell.env_steps for cell in cells)))
        while clock - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        first, steps = self._seen[0]
        if not any(cell.state == "RUNNING" for cell in cells):
            self._seen.clear()
            return 0.0
        if clock - first < _SHORTEST_WINDOW_SECONDS or self._seen[-1][1] <= steps:
            return now
        return (self._seen[-1][1] - steps) / (clock - first)

    def _summarize(self, row: VariantStanding, beats: dict[str, Json]) -> None:
        # A diverged seed will not train further: for the clock its budget is spent.
        spent = [self._budget_of(cell) if cell.state in FINISHED else cell.env_steps for cell in row.cells]
        row.share = min(1.0, sum(spent) / max(1, sum(map(self._budget_of, row.cells))))
        # The mean over values that are still to be chosen from says nothing.
        scores = [cell.score for cell in row.cells if cell.score is not None and self._tuned.get(cell.hash) != "tune"]
        row.score = sum(scores) / len(scores) if scores else None
        packs = {cell.pack for cell in row.cells if cell.state == "RUNNING" and cell.pack in beats}
        fresh = [beats[pack] for pack in packs if pack and time.time() - beats[pack].get("ts", 0) < _STALE_BEAT_SECONDS]
        row.rate = sum(beat.get("env_steps_per_second", 0.0) for beat in fresh)
