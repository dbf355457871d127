"""Packs on Ray Tune, as a scheduler only: one fresh Tuner per invocation, one trial per pack.

What each setting is for was measured (reference/platform.md): ``reuse_actors`` saves a second per pack; there is no
``metric`` because a trial without one would abort the study; nothing is ever restored, because our checkpoints and
status files say more than Tune's snapshots; retries serve infrastructure faults, since everything else ends inside
``run_pack``. Tune's loggers and callbacks are off: the driver reads the store.
"""

import contextlib
import datetime
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ablate.capture import captured
from ablate.durable import make_dir
from ablate.errors import InfrastructureError
from ablate.packing import Capacity, Pack, Slots
from ablate.signals import StopRequest
from ablate.store import Store

TEMP_ROOT = Path("/tmp")
"""Not ``TMPDIR``: the session folder holds Unix sockets, whose whole path must stay below 107 bytes."""
TEMP_PREFIX = "ablate-ray-"
"""Ray's session folders: ``<root>/ablate-ray-<pid>-<random>``; removed afterwards, or by ``ablate gc`` after a kill."""

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def train_pack(config: dict[str, Any]) -> None:
    """What a trial does; the configuration is an address, never the work itself."""
    from ablate.pack import run_pack

    home = Path(config["home"])
    run_pack(Store(home).pack(config["pack"]).path, home)


def _look(mark: str) -> dict[str, Any]:
    """What has to be the same on every node."""
    from ablate.cells import code_digest

    return {"sees the store": Path(mark).exists(), "code": code_digest(("ablate", "algorithms", "envs"))}


class RayExecutor:
    """Packs in worker processes of a local Ray session, or of an existing cluster."""

    def __init__(self, store: Store, *, study: str, retries: int, address: str | None = None) -> None:
        """Prepare; entering the context starts or joins Ray.

        Args:
            store: On a cluster every node must see it under the same path.
            study: For the experiment's name.
            retries: Per pack, after infrastructure faults.
            address: An existing cluster; None starts a session of our own and stops it afterwards.
        """
        self._store = store
        self._study = study
        self._retries = retries
        self._address = address
        self._temp: Path | None = None

    def __enter__(self) -> Self:
        os.environ.update({key: value for key, value in _ENVIRONMENT.items() if key not in os.environ})
        options: dict[str, Any] = {"address": self._address or "local"}
        if self._address is None:
            # Reachable from this machine only, so a token would protect nothing; without it $HOME may be read-only.
            os.environ.setdefault("RAY_AUTH_MODE", "disabled")
            self._temp = Path(tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-", dir=TEMP_ROOT))
            options |= {"_temp_dir": str(self._temp), "include_dashboard": False}
        import ray

        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
        except Exception as error:
            self._clean()
            raise InfrastructureError(f"Ray did not start: {error}") from error
        if self._address is not None:
            self.check_nodes()
        return self

    def __exit__(self, *exception: object) -> None:
        import ray

        ray.shutdown()
        self._clean()

    def capacity(self) -> Capacity:
        """CPUs and GPUs of the session or cluster."""
        import ray

        found = ray.cluster_resources()
        return Capacity(cpus=int(found.get("CPU", 1)), gpus=float(found.get("GPU", 0)))

    def check_nodes(self) -> int:
        """Prove that every node sees the store and runs this code.

        Returns:
            The number of nodes.

        Raises:
            InfrastructureError: Some node does not; the message names it.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        mark = make_dir(self._store.home) / f".seen-by-every-node.{uuid.uuid4().hex}"
        mark.touch()
        try:
            look = ray.remote(num_cpus=0)(_look)
            nodes = [node for node in ray.nodes() if node["Alive"]]
            seen = [
                look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                    str(mark)
                )
                for node in nodes
            ]
            here = _look(str(mark))
            for node, found in zip(nodes, ray.get(seen, timeout=60), strict=True):
                if found != here:
                    raise InfrastructureError(
                        f"node {node['NodeManagerAddress']} differs: it has {found}, the driver has {here}."
                    )
        finally:
            mark.unlink()
        return len(nodes)

    def run(self, packs: Sequence[Pack], shares: Slots, stop: StopRequest) -> list[str]:
        """Train packs in their order, as many at once as the shares allow."""
        from ray import tune

        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        # Ray keeps trainables by name, cluster-wide: a name of our own cannot run another study's code.
        name = f"{self._study}-{now}-{uuid.uuid4().hex[:6]}"
        storage = make_dir(self._store.home / "ray")
        trainable = tune.with_resources(train_pack, {"cpu": shares.cpus, "gpu": shares.gpus})
        tune.register_trainable(f"ablate_{name}", trainable)
        # After Ray's start, which installs a SIGTERM handler that would abort us.
        stop.install()
        tuner = tune.Tuner(
            f"ablate_{name}",
            param_space={"pack": tune.grid_search([pack.id for pack in packs]), "home": str(self._store.home)},
            tune_config=tune.TuneConfig(
                max_concurrent_trials=shares.workers, reuse_actors=True, trial_dirname_creator=_directory
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=str(storage),
                failure_config=tune.FailureConfig(max_failures=self._retries),
                stop=_stopper(stop, packs, self._store),
                callbacks=[],
                verbose=0,
            ),
        )
        try:
            with _quiet(make_dir(self._store.study(self._study).path) / "scheduler.log"):
                results = tuner.fit()
        except KeyboardInterrupt:
            raise
        except Exception as error:
            raise InfrastructureError(f"Ray Tune failed: {error}") from error
        finally:
            shutil.rmtree(storage / name, ignore_errors=True)
            with contextlib.suppress(OSError):
                storage.rmdir()
        return sorted({str(error).strip().splitlines()[-1] for error in results.errors})

    def _clean(self) -> None:
        if self._temp is not None:
            shutil.rmtree(self._temp, ignore_errors=True)


@contextlib.contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """Send what Ray and Tune print about workers that died into a file: the driver says it in its own words."""
    with captured(path, descriptors=False):
        handler = logging.FileHandler(path)
        logger = logging.getLogger("ray.tune")
        logger.addHandler(handler)
        before, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.propagate = before
            logger.removeHandler(handler)
            handler.close()


def _directory(trial: Any) -> str:
    return str(trial.config["pack"])


def _stopper(stop: StopRequest, packs: Sequence[Pack], store: Store) -> Any:
    """Ends the experiment once a stop was asked for and the last running pack has checkpointed.

    Packs that have not begun are thereby never started. Their number may be large, so they are not left to find their
    stop files one by one.
    """
    from ray import tune

    class WhenLeft(tune.Stopper):  # type: ignore[misc]
        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            return stop.requested and not any(store.cell(pack.cells[0].hash).is_locked() for pack in packs)

        def __reduce__(self) -> tuple[Any, ...]:
            # Tune pickles it into snapshots that we never restore; what it holds (a terminal) cannot be pickled.
            return tune.stopper.NoopStopper, ()

    return WhenLeft()
