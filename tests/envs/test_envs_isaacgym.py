"""Tasks ``isaacgym:..`` from the study's side, through a worker whose Isaac Gym is the stand-in."""

import os
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.cli import run
from ablate.faults import is_infrastructure
from algorithms.ppo.config import Lstm, Mlp, PPOConfig
from algorithms.ppo.trainer import PPOTrainer
from envs import registry
from envs.bridge.errors import BridgeError, InterpreterError, WorkerDiedError
from envs.isaacgym import env as near_side
from envs.isaacgym.options import IsaacGymOptions
from envs.isaacgym.tasks import TASKS
from envs.spec import UnknownEnvError
from envs.testing import check_episodes, check_shapes, play, random_actions

STANDIN = Path(__file__).parent / "isaacgym_standin"
SHORT = ("task.env.episodeLength=6", "task.env.maxConsecutiveSuccesses=3")


@pytest.fixture
def standin(monkeypatch):
    """Workers run this interpreter, with the stand-in in Isaac Gym's place."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STANDIN), os.environ.get("PYTHONPATH", "")]).rstrip(":"))
    monkeypatch.setenv("ABLATE_ISAACGYM_PYTHON", sys.executable)


def make(task, num_envs=3, seeds=(11,), **options):
    return registry.make(
        f"isaacgym:{task}", num_envs=num_envs, seeds=seeds, options=IsaacGymOptions(**{"overrides": SHORT, **options})
    )


def ppo(make_env, num_envs, network=None, **config):
    settings = {"num_steps": 8, "update_epochs": 1, "network": network or Mlp(hidden=(8,)), **config}
    return PPOTrainer(PPOConfig(**settings), make_env, num_envs=num_envs, seeds=(0,))


def test_a_task_keeps_the_contract_of_lazy_environments(standin):
    env = make("AllegroKukaReorientation", seeds=(11, 12))
    metrics = registry.find("isaacgym:AllegroKukaReorientation").metrics
    actions = random_actions(env, 24)
    first, played = play(env, actions)
    env.close()
    assert env.max_episode_steps == 3 * 5
    assert env.lazy_reset == "mask"
    check_shapes(env, first, played, metrics)
    check_episodes(env, first, played)
    assert not torch.equal(first[0], first[1])


def test_training_masks_stale_rows_evaluates_at_the_tolerance_reached_and_resumes(standin):
    overrides = (*SHORT, "task.env.successTolerance=0.8", "task.env.toleranceCurriculumInterval=1")
    built = []

    def make_env(num_envs, seeds):
        built.append(make("AllegroKukaReorientation", num_envs, seeds, overrides=overrides))
        return built[-1]

    trainer = ppo(make_env, 16, network=Lstm(hidden_size=4, hidden=(8,)))
    try:
        *_, row = trainer.iterations(6 * 8 * 16)
        counted = trainer.layout.counted(trainer._rollout.rows)
        ended = trainer._rollout.dones
        assert ended[..., :-1].any()
        assert torch.equal(counted[..., 1:], ~ended[..., :-1])
        assert np.isfinite(row["loss/policy"]).all()
        assert 0 < row["episode/success_tolerance"][0] <= 0.8
        reached = built[0].curriculum()["success_tolerance"].item()
        assert reached < 0.8  # random play is enough at this tolerance
        figures = trainer.evaluate(4)
        assert figures["eval/success_tolerance"][0] == pytest.approx(reached, abs=1e-6)
        assert figures["eval/length"][0] <= built[0].max_episode_steps
        saved = trainer.state_dict()
    finally:
        trainer.close()
    resumed = ppo(make_env, 16, network=Lstm(hidden_size=4, hidden=(8,)))
    try:
        resumed.load_state_dict(saved)
        assert built[-1].curriculum()["success_tolerance"].item() == pytest.approx(reached)
        *_, row = resumed.iterations(trainer.env_steps + 8 * 16)
        # Every episode of the life before is cut in the first step; the one after it starts from a stale observation.
        assert resumed._rollout.truncated[..., 0].all()
        assert not resumed.layout.counted(resumed._rollout.rows)[..., 1].any()
        assert np.isfinite(row["loss/policy"]).all()
    finally:
        resumed.close()


OLD_PYTHON = os.environ.get("ABLATE_TEST_OLD_PYTHON")


@pytest.mark.skipif(not OLD_PYTHON, reason="set ABLATE_TEST_OLD_PYTHON to a Python 3.7 or 3.8 with torch and PyYAML")
def test_an_interpreter_of_isaac_gym_s_time_runs_it(standin, monkeypatch):
    monkeypatch.setenv("ABLATE_ISAACGYM_PYTHON", OLD_PYTHON)
    env = make("ShadowHand", states=True)
    assert env._envs[0].facts.python.startswith(("3.7.", "3.8."))
    first, played = play(env, random_actions(env, 12))
    env.close()
    check_shapes(env, first, played, registry.find("isaacgym:ShadowHand").metrics)
    check_episodes(env, first, played)


def test_privileged_states_are_the_critic_s(standin):
    trainer = ppo(
        lambda num_envs, seeds: make("ShadowHand", num_envs, seeds, states=True, stale="train"), 4, trunk="separate"
    )
    try:
        assert trainer.env.critic_observation_space.shape == (13,)
        assert trainer.env.lazy_reset == "train"
        assert not trainer.layout.masks_stale
        (row,) = trainer.iterations(8 * 4)
        assert np.isfinite(row["loss/value"]).all()
    finally:
        trainer.close()


def test_states_of_a_task_that_has_none_are_refused_before_anything_starts(standin):
    with pytest.raises(ValueError, match="`states`: isaacgym:AllegroKukaThrow has no privileged states"):
        make("AllegroKukaThrow", states=True)


def test_without_an_interpreter_the_way_to_name_one_is_said(monkeypatch):
    monkeypatch.delenv("ABLATE_ISAACGYM_PYTHON", raising=False)
    with pytest.raises(InterpreterError, match=r"set \$ABLATE_ISAACGYM_PYTHON, or the option `python`"):
        make("ShadowHand")


def test_an_interpreter_without_isaac_gym_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setenv("ABLATE_ISAACGYM_PYTHON", sys.executable)
    with pytest.raises(BridgeError, match=r"isaacgym:ShadowHand.*No module named 'isaacgym'"):
        make("ShadowHand")


def test_the_known_crash_is_explained_on_the_gpus_it_happens_on(standin, monkeypatch):
    monkeypatch.setenv("ISAACGYM_STANDIN_CRASHES", "1")
    monkeypatch.setattr(near_side, "_is_hopper", lambda device: True)
    with pytest.raises(BridgeError, match=r"SIGSEGV.* known to crash .*Using GPU PhysX") as raised:
        make("ShadowHand")
    assert not is_infrastructure(raised.value)  # it would come again


def test_a_crash_on_another_gpu_is_tried_again(standin, monkeypatch):
    def died(*_):
        raise WorkerDiedError("`isaacgym:ShadowHand`: the worker was killed by SIGSEGV during its start.")

    monkeypatch.setattr(near_side.BridgeEnv, "_request", died)
    with pytest.raises(WorkerDiedError) as raised:
        make("ShadowHand")
    assert "known" not in str(raised.value)
    assert is_infrastructure(raised.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AllegroKukaRegrasp", "`isaacgym:AllegroKukaRegrasping`"),
        ("allegrohand", "`isaacgym:AllegroHand`"),
        ("AllegroKukaTwoArms", "`isaacgym:AllegroKukaTwoArmsReorientation`"),
    ],
)
def test_an_unknown_task_gets_the_nearest_name(name, hint):
    with pytest.raises(UnknownEnvError, match=f"Did you mean {hint}"):
        registry.find(f"isaacgym:{name}")


STUDY = textwrap.dedent("""\
    schema: ablate/v1
    study: gym
    question: Why?
    baseline: {algorithm: sapg, preset: paper_allegro_kuka, config: {num_policies: 6}}
    tasks:
    - env: isaacgym:AllegroKukaRegrasping
      num_envs: 24576
      options: {stale: train, overrides: [task.env.forceScale=0.0]}
    budget: {env_steps: 20_000_000_000}
    seeds: {count: 5}
    metrics: {primary: {name: eval/successes}}
    ablations:
      NoAggregate: {component: aggregation, action: REMOVE}
    """)


@pytest.mark.parametrize("task", TASKS)
def test_a_study_validates_without_an_interpreter(task, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ABLATE_ISAACGYM_PYTHON", raising=False)
    (tmp_path / "gym.yaml").write_text(STUDY.replace("AllegroKukaRegrasping", task))
    assert run(["validate", str(tmp_path / "gym.yaml")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("AllegroKukaRegrasping", "AllegroKukaRegraspin", "Did you mean `isaacgym:AllegroKukaRegrasping`?"),
        ("task.env.forceScale=0.0", "num_envs=4", "`num_envs` of the study's task says it"),
        ("task.env.forceScale=0.0", "+task.env.numEnvs=4", "`num_envs` of the study's task says it"),
        ("task.env.forceScale=0.0", "forceScale", "`forceScale` is no override of Hydra's grammar"),
        ("stale: train", "stale: leave", "stale"),
        ("eval/successes", "eval/sucesses", "Did you mean `eval/successes`?"),
    ],
)
def test_a_wrong_line_is_found_by_validate(tmp_path, capsys, old, new, sentence):
    (tmp_path / "gym.yaml").write_text(STUDY.replace(old, new))
    assert run(["validate", str(tmp_path / "gym.yaml")]) == 2
    assert sentence in capsys.readouterr().err
