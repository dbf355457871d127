"""Drives a study: what is missing is trained, mirrored and reported. Run again, it resumes.

A study with a ``tune:`` block is driven in two rounds: what is known to be wanted (the arms as they are, and tuning),
then what tuning decided. One with adaptive seeds is driven in as many as it needs looks. A decision is worked out from
the cells each time, so where a run was stopped does not matter.
"""

import functools
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ablate.cells import Cell
from ablate.decisions import chosen_text
from ablate.errors import InfrastructureError, StoreError
from ablate.executor import Executor, SerialExecutor, kill_all, request_stop, settle
from ablate.manifest import manifest_of
from ablate.mirroring import Mirroring
from ablate.packing import Pack, Slots, make_packs, slots, write_packs
from ablate.plan import Plan, PlannedCell, make_plan
from ablate.progress import Progress, progress_on
from ablate.reporting import Rendered, render
from ablate.signals import StopRequest
from ablate.store import Store
from ablate.study import Study
from ablate.watch import Watch

Say = Callable[[str], None]
Pick = Callable[[Plan], Sequence[PlannedCell]]
"""Chooses the cells of a plan to care about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How to run; none of it changes a number.

    Attributes:
        executor: Ray Tune, or this process.
        jobs: Packs at once; None leaves it to the study.
        address: An existing Ray cluster.
        fail_fast: Stop after the first failed cell.
        rerun_failed: Try failed cells again.
        mlflow: Mirror to MLflow.
        report: Render the report at the end.
    """

    executor: Literal["ray", "local"] = "ray"
    jobs: int | None = None
    address: str | None = None
    fail_fast: bool = False
    rerun_failed: bool = False
    mlflow: bool = True
    report: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        exit_code: 0 all asked cells done, 1 some failed, 3 some could not be run, 130 or 143 after a signal.
        states: State -> number of the asked cells.
        rendered: The report, if there is one.
        links: MLflow pages by what they show.
    """

    exit_code: int
    states: dict[str, int]
    rendered: Rendered | None
    links: dict[str, str]


def todo(picked: Sequence[PlannedCell], *, rerun_failed: bool) -> list[Cell]:
    """The cells a run would train. Those that run elsewhere are waited for, and trained if their process dies."""
    states = {"new", "stale", "interrupted", "running", *(["failed"] if rerun_failed else [])}
    return [one.cell for one in picked if one.state in states]


class _Rounds:
    """What a study asks for, round by round; a cell that was asked for once stays so."""

    def __init__(self, plan: Plan, pick: Pick, store: Store) -> None:
        self.plan = plan
        self.asked: list[Cell] = []
        self._pick = pick
        self._store = store
        self._begun: set[str] = set()
        self._ask()

    def forget_failed(self) -> None:
        """Let failed cells be tried again, and undecided what they had decided."""
        failed = [one.cell.hash for one in self._pick(self.plan) if one.state == "failed"]
        for one in failed:
            self._store.cell(one).forget()
        if failed:
            self.again()

    def again(self) -> None:
        """Look at the store anew: what has ended may have decided what else is wanted."""
        self.plan = make_plan(self.plan.study, self._store, probe=False)
        self._ask()

    def missing(self) -> list[Cell]:
        """What to train in this round: nothing is begun in two rounds of one invocation."""
        asked = {cell.hash for cell in self.asked}
        found = todo([one for one in self.plan.cells if one.cell.hash in asked], rerun_failed=False)
        found = [cell for cell in found if cell.hash not in self._begun]
        self._begun |= {cell.hash for cell in found}
        return found

    def _ask(self) -> None:
        chosen = {one.cell.hash for one in self._pick(self.plan)} | {cell.hash for cell in self.asked}
        self.asked = [one.cell for one in self.plan.cells if one.cell.hash in chosen]


def drive(plan: Plan, pick: Pick, store: Store, options: Options, say: Say) -> Outcome:
    """Run a study; the caller holds its lock.

    Args:
        plan: What the study asks for.
        pick: Chooses the cells to care about.
        store: Where they lie.
        options: How to run.
        say: Prints a line of the driver's own.
    """
    study = plan.study
    rounds = _Rounds(plan, pick, store)
    if options.rerun_failed:
        rounds.forget_failed()
    missing = rounds.missing()
    place = store.study(study.record)
    manifest = manifest_of(rounds.plan, store)
    changed = _science(place.manifest()) != _science(manifest)
    place.write_manifest(manifest)
    mirrored = not options.mlflow or (place.mirror() or {}).get("complete", False)
    mirroring = Mirroring(store, manifest, say) if options.mlflow and (missing or changed or not mirrored) else None
    stop = StopRequest()
    problems: list[str] = []
    if missing:
        try:
            problems = _train(missing, rounds, store, options, stop, mirroring, say)
        except KeyboardInterrupt:
            stop.signal = stop.signal or signal.SIGINT
        except BaseException:
            _finish_mirror(mirroring, InfrastructureError.exit_code, None, say)
            raise
    states = {cell.hash: store.cell(cell.hash).state() for cell in rounds.asked}
    for problem in _unfinished(rounds.asked, problems, store, stop):
        say(problem)
    code = _exit_code(list(states.values()), stop)
    rendered = _report(store, study.record, say) if options.report and not stop.signal else None
    links = _finish_mirror(mirroring, code, rendered, say)
    if links is None:
        links = (place.mirror() or {}).get("links", {}) if options.mlflow else {}
    return Outcome(exit_code=code, states=dict(Counter(states.values())), rendered=rendered, links=links)


def _train(
    missing: list[Cell],
    rounds: _Rounds,
    store: Store,
    options: Options,
    stop: StopRequest,
    mirroring: Mirroring | None,
    say: Say,
) -> list[str]:
    """Train cells, and then what their end decides; return what went wrong outside their own records."""
    study = rounds.plan.study
    packs: list[Pack] = []
    problems: list[str] = []
    with stop.installed():
        try:
            with _executor(options, study, store) as executor:
                while missing and not stop.requested:
                    new: list[Pack] = []
                    shares = _packed(missing, new, rounds.plan, store, executor, options)
                    packs += new
                    _say_start(new, shares, say)
                    manifest = store.study(study.record).manifest() or {}
                    problems += _run(executor, new, shares, study, store, manifest, options, stop, mirroring)
                    missing = [] if stop.requested else _decided(rounds, store, mirroring, say)
                return problems
        finally:
            # After the executor has gone: a worker it was about to lose may still have begun a pack.
            settle(packs, store)


def _decided(rounds: _Rounds, store: Store, mirroring: Mirroring | None, say: Say) -> list[Cell]:
    """What the cells that have ended by now ask for; put on record before it is trained."""
    before = rounds.plan
    if (before.tuning is None or before.tuning.complete) and (before.adaptive is None or before.adaptive.complete):
        return []
    rounds.again()
    for line in _news(before, rounds.plan):
        say(line)
    manifest = manifest_of(rounds.plan, store)
    store.study(rounds.plan.study.record).write_manifest(manifest)
    if mirroring is not None:
        mirroring.follow(manifest)
    return rounds.missing()


def _news(before: Plan, after: Plan) -> list[str]:
    """What was decided in between."""
    if before.adaptive is not None and after.adaptive is not None:
        return after.adaptive.since(before.adaptive)
    known = {arm.variant for arm in before.tuning.arms if arm.chosen is not None} if before.tuning else set()
    new = [arm for arm in after.tuning.arms if arm.chosen is not None] if after.tuning else []
    return [f"Tuned {chosen_text(arm, after.study)}." for arm in new if arm.variant not in known]


def _packed(
    missing: list[Cell], packs: list[Pack], plan: Plan, store: Store, executor: Executor, options: Options
) -> Slots:
    """Fill ``packs`` and write them to the store; return how the machine is shared out."""
    resources = plan.study.resources

    flops = [plan.figures.get((cell.variant, cell.task), {}).get("flops_per_env_step") for cell in missing]

    def cost(cell: Cell) -> float:
        """Operations of a cell where every trainer was described before, else its steps."""
        figures = plan.figures[cell.variant, cell.task] if all(flops) else {}
        return float(cell.identity["budget"]["env_steps"] * figures.get("flops_per_env_step", 1.0))

    asked = 1 if options.executor == "local" else options.jobs or resources.max_concurrent
    share = functools.partial(slots, executor.capacity(), gpus_per_pack=resources.gpus_per_pack, max_concurrent=asked)
    workers = share(packs=len(missing)).workers
    packs += make_packs(missing, store, workers=workers, seeds_per_pack=resources.seeds_per_pack, cost=cost)
    shares = share(packs=len(packs))
    write_packs(packs, store, shares, checkpoint_seconds=resources.checkpoint_seconds)
    return shares


def _run(
    executor: Executor,
    packs: list[Pack],
    shares: Slots,
    study: Study,
    store: Store,
    manifest: dict[str, Any],
    options: Options,
    stop: StopRequest,
    mirroring: Mirroring | None,
) -> list[str]:
    """Train packs under the eyes of the watch and the mirror."""
    # The stream as it is now: training inside this process redirects sys.stderr into a pack's log.
    progress = progress_on(sys.stderr)
    stop.on_first = lambda: _stop(packs, store, progress, stop)
    stop.on_second = lambda: kill_all(packs, store)
    if stop.requested:
        return []
    on_failure = stop.request if options.fail_fast else lambda: None
    watch = Watch(store, manifest, packs, progress, hang_seconds=study.resources.hang_seconds, on_failure=on_failure)
    if mirroring is not None:
        mirroring.say = progress.say
        if mirroring.ident is None:
            mirroring.start()
    with progress:
        watch.start()
        try:
            return executor.run(packs, shares, stop)
        finally:
            watch.finish()


def _executor(options: Options, study: Study, store: Store) -> Executor:
    retries = study.resources.retries
    if options.executor == "local":
        return SerialExecutor(store, retries=retries)
    from ablate.runner import RayExecutor

    return RayExecutor(store, study=study.record, retries=retries, address=options.address)


def _say_start(packs: Sequence[Pack], shares: Slots, say: Say) -> None:
    cells = sum(pack.missing for pack in packs)
    resumed = sum(pack.resumed for pack in packs)
    again = f", {resumed} of them from a checkpoint" if resumed else ""
    on = f"{shares.gpus:g} GPU" if shares.gpus else f"{shares.cpus} CPU core{'s' if shares.cpus > 1 else ''}"
    say(f"Training {cells} cells in {len(packs)} packs{again}; {shares.workers} at a time, {on} each.")


def _stop(packs: Sequence[Pack], store: Store, progress: Progress, stop: StopRequest) -> None:
    request_stop(packs, store)
    why = "Stopping" if stop.signal else "Stopping after a failure (--fail-fast)"
    progress.say(f"{why}: the packs write checkpoints and leave. Ctrl-C again kills them.")


def _science(manifest: dict[str, Any] | None) -> dict[str, Any] | None:
    """A manifest without the time it was written at."""
    return {key: value for key, value in manifest.items() if key != "created"} if manifest else None


def _unfinished(cells: Sequence[Cell], problems: list[str], store: Store, stop: StopRequest) -> list[str]:
    """Sentences about cells that neither finished nor failed, unless somebody asked to stop."""
    if stop.requested:
        return []
    found: dict[str, list[str]] = {}
    for cell in cells:
        if store.cell(cell.hash).state() in ("INTERRUPTED", "MISSING", "RUNNING"):
            status = store.cell(cell.hash).status() or {}
            found.setdefault(status.get("error") or "never started", []).append(f"{cell.arm}/s{cell.seed}")
    lines = [f"Not finished: {', '.join(names)}: {why}. Run again to resume." for why, names in found.items()]
    return [*lines, *problems] if lines else []


def _exit_code(states: Sequence[str], stop: StopRequest) -> int:
    if stop.signal is not None:
        return stop.exit_code
    if all(state == "DONE" for state in states):
        return 0
    if stop.requested or all(state in ("DONE", "FAILED") for state in states):
        return 1
    return 3


def _report(store: Store, study: str, say: Say) -> Rendered | None:
    """Render what is there; a report that cannot be rendered does not undo the training."""
    if not any(store.cell(entry["hash"]).state() == "DONE" for entry in (store.study(study).manifest() or {})["cells"]):
        say("No report: no cell is done yet.")
        return None
    started = time.monotonic()
    try:
        return render(store, study)
    except StoreError:
        raise
    except Exception as error:  # the cells are safe; `ablate report` shows the traceback
        say(f"No report: {type(error).__name__}: {error} (after {time.monotonic() - started:.0f} s).")
        return None


def _finish_mirror(
    mirroring: Mirroring | None, code: int, rendered: Rendered | None, say: Say
) -> dict[str, str] | None:
    if mirroring is None:
        return None
    mirroring.say = say
    status = {0: "FINISHED", 1: "FAILED"}.get(code, "KILLED")
    note = rendered.summary if rendered else "No report yet."
    return mirroring.finish(status, note, rendered.folder if rendered else None)
