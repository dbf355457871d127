import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


dockerfile = load("dockerfile")


@pytest.fixture(params=["cpu", "cuda"])
def steps(request):
    return dockerfile.build_steps(DOCKER / "Dockerfile", request.param)


def test_every_copied_path_exists(steps):
    sources = [name for step in steps[1] if step.word == "COPY" for name in step.copied()[0]]
    assert {"ablate", "algorithms", "envs", "reports", "studies"} <= set(sources)
    assert all((REPOSITORY / name).exists() for name in sources)


def test_torch_is_installed_first_and_as_constrained(steps):
    installs = [step.text for step in steps[1] if step.word == "RUN" and "pip install" in step.text]
    pinned = re.search(r"torch==([\d.]+)", installs[0])[1]
    assert f"torch=={pinned}" in (REPOSITORY / "constraints.txt").read_text().split()
    assert "--constraint constraints.txt" in installs[1]


def test_the_image_runs_ablate_as_a_user_of_its_own(steps):
    words = [step.word for step in steps[1]]
    assert [step.text for step in steps[1] if step.word == "USER"] == ["ablate"]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN")
    assert next(step.words() for step in steps[1] if step.word == "ENTRYPOINT") == ["ablate"]


def test_every_image_is_pinned_by_a_tag_with_digits(steps):
    images = [one["image"] for one in yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"].values()]
    assert all(re.search(r":\d", image) or image == "${ABLATE_IMAGE:-ablate:cpu}" for image in [steps[0], *images])


def test_continuation_lines_are_joined_and_comments_dropped():
    text = "# first\nRUN one && \\\n    # between\n    two\nCOPY a b\n"
    assert dockerfile.logical_lines(text) == [(2, "RUN one && two"), (5, "COPY a b")]


@pytest.mark.parametrize("line", ["ADD a b", "COPY --from=x a b", "ENV NAME value", "FROM"])
def test_what_the_replay_cannot_repeat_is_refused(tmp_path, line):
    path = tmp_path / "Dockerfile"
    path.write_text(f"FROM debian:12.11-slim AS base\n{line}\n")
    with pytest.raises(ValueError, match="understood"):
        for step in dockerfile.build_steps(path, "base")[1]:
            {"COPY": step.copied, "ENV": step.pairs}[step.word]()


def test_the_driver_has_no_slots_and_joins_the_head():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert services["driver"]["profiles"] == ["driver"]
    assert "--num-cpus=0" in services["driver"]["entrypoint"][2]
    assert "--address=ray-head:6379" in services["driver"]["entrypoint"][2]
    assert "--port=6379" in services["ray-head"]["command"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("initdb") is None, reason="PostgreSQL's programs are not installed")
def test_a_study_runs_through_the_services_of_the_compose_file():
    done = subprocess.run([sys.executable, DOCKER / "services_check.py"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all services did their part" in done.stdout
