"""What was tuned, as the manifest tells it: the field, its values, every arm's scores and choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class TunedArm:
    """What tuning found for one arm.

    Attributes:
        variant: The arm.
        own: Its value in the study file.
        chosen: Index of the chosen value; None while tuning runs of the arm are missing.
        edge: The chosen value is the smallest or the largest.
        scores: Value x task: mean over the tuning seeds, in the metric's own sign; None where there is none.
        failed: Value -> number of failed runs.
        runs: Tuning runs per value.
    """

    variant: str
    own: str
    chosen: int | None
    edge: bool
    scores: tuple[tuple[float | None, ...], ...]
    failed: tuple[int, ...]
    runs: int


@dataclass(frozen=True, slots=True)
class Tune:
    """A ``tune:`` block and what came of it.

    Attributes:
        field: Dotted name of what was tuned.
        values: As people write them.
        seeds: Of tuning.
        budget: Environment steps of a tuning run.
        summary: What the primary metric was judged by.
        arms: One per variant, in the order of the study.
    """

    field: str
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: int
    summary: Literal["final", "auc"]
    arms: tuple[TunedArm, ...]

    def arm(self, variant: str) -> TunedArm:
        """What tuning found for a variant."""
        return next(arm for arm in self.arms if arm.variant == variant)

    def chosen(self, variant: str) -> str | None:
        """The chosen value of a variant; None while it is not decided."""
        index = self.arm(variant).chosen
        return None if index is None else self.values[index]


def parse_tune(raw: Mapping[str, Any] | None) -> Tune | None:
    """The manifest's ``tune``; None for a study that tunes nothing."""
    if raw is None:
        return None
    arms = tuple(
        TunedArm(
            variant=arm["variant"],
            own=arm["own"],
            chosen=arm["chosen"],
            edge=arm["edge"],
            scores=tuple(tuple(row) for row in arm["scores"]),
            failed=tuple(arm["failed"]),
            runs=arm["runs"],
        )
        for arm in raw["arms"]
    )
    budget = int(raw["budget"]["env_steps"])
    return Tune(raw["field"], tuple(raw["values"]), tuple(raw["seeds"]), budget, raw["summary"], arms)


def retuned_manifest(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The study with its retuned cells in the place of the cells of its arms as they are."""
    if raw.get("tune") is None:
        return None
    return {**raw, "cells": raw["tune"]["retuned"]}


def tuning_manifests(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tuning runs as studies of their own, one per value: only so is a variant's run of a seed a single one."""
    tune = raw.get("tune")
    if tune is None:
        return []
    budget, primary = tune["budget"], {**raw["primary"], "summary": tune["summary"]}
    cells = [[one for one in tune["tune"] if one["value"] == value] for value in tune["values"]]
    return [{**raw, "cells": own, "budget": budget, "primary": primary, "seeds": tune["seeds"]} for own in cells if own]


def tuned_values(raw: Mapping[str, Any]) -> dict[str, str]:
    """Cell -> the value of the tuned field it ran with, of tuning runs and retuned arms."""
    tune = raw.get("tune") or {}
    return {one["hash"]: one["value"] for stage in ("tune", "retuned") for one in tune.get(stage, ())}
