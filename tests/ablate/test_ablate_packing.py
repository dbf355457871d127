import pytest
from toy_packs import toy_cells

from ablate.errors import InfrastructureError
from ablate.packing import Capacity, Slots, make_packs, pack_id, slots, write_packs
from ablate.store import Store

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def sizes(packs):
    return sorted((pack.cells[0].variant, len(pack.cells)) for pack in packs)


def test_all_seeds_of_a_variant_are_one_pack(store):
    cells = [cell for name in "abc" for cell in toy_cells(range(8), variant=name, rate=ord(name) / 100)]
    assert sizes(make_packs(cells, store, workers=2)) == [("a", 8), ("b", 8), ("c", 8)]


def test_fewer_variants_than_workers_are_split_so_that_none_is_idle(store):
    cells = toy_cells(range(8))
    packs = make_packs(cells, store, workers=3)
    assert sizes(packs) == [("baseline", 2), ("baseline", 3), ("baseline", 3)]
    assert sorted(cell.seed for pack in packs for cell in pack.cells) == list(range(8))


def test_the_study_may_limit_the_seeds_of_a_pack(store):
    assert sizes(make_packs(toy_cells(range(8)), store, workers=1, seeds_per_pack=3)) == [
        ("baseline", 2),
        ("baseline", 3),
        ("baseline", 3),
    ]
    assert max(size for _, size in sizes(make_packs(toy_cells(range(40)), store, workers=1))) <= 16


def test_the_longest_pack_comes_first(store):
    cells = toy_cells(budget=100, variant="short") + toy_cells(budget=900, variant="long")
    assert [pack.cells[0].variant for pack in make_packs(cells, store, workers=1)] == ["long", "short"]


def test_a_cell_that_two_variants_share_is_trained_once(store):
    packs = make_packs(toy_cells(variant="a") + toy_cells(variant="b"), store, workers=1)
    assert sizes(packs) == [("a", 3)]


def test_the_address_of_a_pack_is_its_cells_in_order():
    assert pack_id(["a", "b"]) == pack_id(["a", "b"])
    assert len({pack_id(["a", "b"]), pack_id(["b", "a"]), pack_id(["ab"]), pack_id(["a"])}) == 4


def interrupted(store, cells, workers=1):
    packs = make_packs(cells, store, workers=workers)
    write_packs(packs, store, Slots(workers=1, cpus=3, gpus=0.0), checkpoint_seconds=1)
    for pack in packs:
        store.pack(pack.id).checkpoint_path.write_bytes(b".")
        for cell in pack.cells:
            store.cell(cell.hash).write_status({"state": "INTERRUPTED", "pack": pack.id})
    return packs


def test_an_interrupted_pack_keeps_its_composition_device_and_threads(store):
    cells = toy_cells(range(4))
    before = interrupted(store, cells, workers=2)
    again = make_packs(cells, store, workers=1)
    assert {pack.id for pack in again} == {pack.id for pack in before}
    assert all(pack.resumed for pack in again)
    write_packs(again, store, Slots(workers=1, cpus=1, gpus=0.0), checkpoint_seconds=1)
    assert store.pack(again[0].id).spec()["threads"] == 3
    assert store.pack(again[0].id).checkpoint_path.exists()


def test_a_finished_seed_stays_in_its_interrupted_pack_without_being_trained_again(store):
    cells = toy_cells(range(4))
    (before,) = interrupted(store, cells)
    store.cell(cells[2].hash).write_status({"state": "FAILED", "pack": before.id})
    (again,) = make_packs([cells[0], cells[1], cells[3]], store, workers=1)
    assert (again.id, again.missing) == (before.id, 3)


def test_part_of_an_interrupted_pack_begins_anew(store):
    cells = toy_cells(range(4))
    (before,) = interrupted(store, cells)
    (again,) = make_packs(cells[:2], store, workers=1)
    assert again.id != before.id
    assert not again.resumed


def test_a_checkpoint_of_forgotten_cells_is_deleted(store):
    cells = toy_cells(range(2))
    (before,) = interrupted(store, cells)
    for cell in cells:
        store.cell(cell.hash).forget()
    (again,) = make_packs(cells, store, workers=1)
    assert (again.id, again.resumed) == (before.id, False)
    write_packs([again], store, Slots(workers=1, cpus=1, gpus=0.0), checkpoint_seconds=1)
    assert not store.pack(again.id).checkpoint_path.exists()


@pytest.mark.parametrize(
    ("capacity", "packs", "gpus_per_pack", "max_concurrent", "expected"),
    [
        (Capacity(8, 0), 20, "auto", "auto", Slots(8, 1, 0.0)),
        (Capacity(8, 0), 3, "auto", "auto", Slots(3, 2, 0.0)),
        (Capacity(8, 0), 20, "auto", 2, Slots(2, 4, 0.0)),
        (Capacity(16, 2), 20, "auto", "auto", Slots(2, 8, 1.0)),
        (Capacity(16, 2), 20, 0.25, "auto", Slots(8, 2, 0.25)),
        (Capacity(16, 2), 20, 0, "auto", Slots(16, 1, 0)),
        (Capacity(1, 0), 5, "auto", 9, Slots(1, 1, 0.0)),
    ],
)
def test_the_machine_is_shared_out(capacity, packs, gpus_per_pack, max_concurrent, expected):
    found = slots(capacity, packs=packs, gpus_per_pack=gpus_per_pack, max_concurrent=max_concurrent)
    assert found == expected
    assert found.device == ("cuda" if found.gpus else "cpu")


def test_a_gpu_that_is_not_there_is_said_before_anything_waits_for_it():
    with pytest.raises(InfrastructureError, match="gpus_per_pack is 1, but there are 0 GPUs"):
        slots(Capacity(8, 0), packs=1, gpus_per_pack=1, max_concurrent="auto")
