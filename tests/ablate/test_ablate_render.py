import imageio.v3 as iio
import numpy as np
import pytest

from ablate import tracking
from ablate.cli import run
from ablate.filming import Film, best_cells, film_checkpoint
from ablate.store import Store
from envs.sim.camera import Camera, NoRendererError
from envs.sim.model import Model, Scene
from envs.sim.require import draw_off_screen

TASK = "locomotion/cheetah_dir"
STUDY = f"""
schema: ablate/v1
study: runner
question: Does it run?
baseline:
  algorithm: sapg
  config: {{num_policies: 2, network: {{kind: mlp, hidden: [8]}}, num_steps: 8, update_epochs: 1, leader_block: last}}
tasks: [{{env: {TASK}, num_envs: 4}}]
budget: {{env_steps: 64}}
evaluation: {{points: 1, episodes: 1}}
seeds: {{count: 2}}
metrics: {{primary: {{name: eval/return, summary: final, goal: max, margin: 10%}}}}
ablations:
  NoAggregate: {{part: followers, component: aggregation, action: REMOVE}}
"""
SMALL = ("--width", "64", "--height", "64", "--seconds", "1")

pytestmark = [
    # Of MLflow and its dependencies, about themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _opengl():
    draw_off_screen()
    try:
        Camera(Model(Scene("<mujoco/>")).mj, width=16, height=16).close()
    except NoRendererError as error:
        pytest.skip(str(error))


@pytest.fixture
def finished(mlflow_home):
    (mlflow_home.parent / "runner.yaml").write_text(STUDY)
    assert run(["run", "runner.yaml", "--executor", "local", "--no-report"]) == 0
    return Store(mlflow_home)


def test_a_task_is_filmed_the_same_way_twice(home, capsys):
    place = home.parent
    assert run(["render", TASK, *SMALL]) == 0
    assert capsys.readouterr().out.split() == ["locomotion_cheetah_dir.png", "locomotion_cheetah_dir.gif"]
    sheet, film = place / "locomotion_cheetah_dir.png", place / "locomotion_cheetah_dir.gif"
    assert iio.imread(sheet).shape == (3 * 64, 4 * 64, 3)
    frames = iio.imread(film)
    assert frames.shape[:3] == (20, 64, 64) and frames.std() > 5
    assert (frames[0] != frames[-1]).any()
    written = sheet.read_bytes(), film.read_bytes()
    assert run(["render", TASK, *SMALL, "-o", "again"]) == 0
    assert written == tuple((place / "again" / one.name).read_bytes() for one in (sheet, film))
    assert run(["render", TASK, *SMALL, "--seed", "1", "-o", "other"]) == 0
    assert (place / "other" / film.name).read_bytes() != written[1]


def test_a_study_shows_its_best_cell_on_the_run_page(finished, capsys):
    best = best_cells(finished.study("runner").manifest(), finished)
    ends = {cell.hash: cell.rows()[-1]["eval/return"] for cell in finished.cells}
    assert [cell.hash for cell in best] == [max(ends, key=ends.get)]
    assert run(["render", "runner", "--dry-run", *SMALL]) == 0 and not best[0].artifacts.exists()
    capsys.readouterr()
    assert run(["render", "runner", *SMALL]) == 0
    assert f"{TASK}, cell {best[0].hash}: return {ends[best[0].hash]:.4g}" in capsys.readouterr().out
    client = tracking._import_mlflow().MlflowClient(tracking_uri=tracking.tracking_uri(finished.home))
    experiment = client.get_experiment_by_name("ablate/runner")
    found = client.search_runs([experiment.experiment_id], f"tags.`ablate.cell` = '{best[0].hash}'")
    assert {one.path for one in client.list_artifacts(found[0].info.run_id)} == {"film.png", "film.gif"}

    check_films_of_checkpoints(finished, capsys)


def check_films_of_checkpoints(finished, capsys):
    """What is filmed is the policy that was evaluated; part of the test above because the run takes seconds."""
    cell, *others = finished.cells
    film = Film(width=64, height=64, seconds=0.5)
    measured = film_checkpoint(cell, finished, film)
    assert measured["eval/return"] == cell.rows()[-1]["eval/return"]
    assert len(film.frames) == 10 and film.frame_seconds == pytest.approx(0.05)
    other = Film(width=64, height=64, seconds=0.5)
    film_checkpoint(others[0], finished, other)
    assert any((one != two).any() for one, two in zip(film.frames, other.frames, strict=True))
    assert run(["render", "--checkpoint", cell.hash[:8], *SMALL, "-o", "out"]) == 0
    assert sorted(one.name for one in (finished.home.parent / "out").iterdir()) == [
        f"locomotion_cheetah_dir_{cell.hash}.gif",
        f"locomotion_cheetah_dir_{cell.hash}.png",
    ]
    finished.pack(cell.status()["pack"]).checkpoint_path.unlink()
    assert run(["render", "--checkpoint", cell.hash]) == 3
    assert "no checkpoint that can be read" in capsys.readouterr().err


def test_a_sheet_holds_the_first_and_the_last_frame():
    film = Film(width=2, height=1, seconds=1)
    film.frames = [np.full((1, 2, 3), value, np.uint8) for value in range(40)]
    sheet = film.sheet()
    assert sheet.shape == (3, 8, 3) and sheet[0, 0, 0] == 0 and sheet[2, 7, 0] == 39


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["maze/open"], "PointMaze draws no pictures; simulated tasks"),
        (["locomotion/cheetah"], "Did you mean `locomotion/cheetah_"),
        ([TASK, "episodez=1"], "episodez"),
        ([TASK, "~episodes"], "`~episodes` is no option; write OPTION=VALUE."),
        ([], "name a TASK, a STUDY or a --checkpoint"),
        ([TASK, "--checkpoint", "abc"], "the cell says which task"),
        (["--checkpoint", "abc"], "no cell in"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_what_cannot_be_filmed_is_said_in_a_sentence(home, capsys, arguments, sentence):
    assert run(["render", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error
