"""Checkpoints by themselves: which one is taken when some are damaged. test_loop.py has what a run makes of them."""

import json
import shutil

import pytest
import torch

from repoloom import stage
from repoloom.train import checkpoint
from repoloom.train.trainer import Trainer
from tests.train.tiny import Walks, job


def fresh(seed=7):
    return Trainer(job(reset=lambda model: model.initialise(seed)), "float32", 8)


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoints of steps 1 to 3, of which two are kept, and the weights after each step."""
    trainer, weights = fresh(0), {}
    for step in (1, 2, 3):
        trainer.step(Walks()[step], 1e-2)
        checkpoint.save(tmp_path / "checkpoints", step, trainer.model, trainer.optimizer)
        weights[step] = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    return tmp_path / "checkpoints", weights


def load(folder):
    """The step of the checkpoint that is taken, and the weights that it gave to a model with others."""
    trainer = fresh()
    step = checkpoint.load(folder, trainer.model, trainer.optimizer)
    return step, list(trainer.model.parameters())


def equal(some, others):
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def largest(place):
    return max((file for file in place.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)


def flip(place):
    data = bytearray(largest(place).read_bytes())
    data[len(data) // 2] ^= 1
    largest(place).write_bytes(data)


DAMAGES = {
    "a bit flipped": flip,
    "cut short": lambda place: largest(place).write_bytes(largest(place).read_bytes()[:-1]),
    "a file lost": lambda place: largest(place).unlink(),
    "a file too many": lambda place: (place / "stranger").write_text("x"),
    "no digests": lambda place: (place / "digests.json").unlink(),
    "empty digests": lambda place: (place / "digests.json").write_text(""),
    "foreign digests": lambda place: (place / "digests.json").write_text(json.dumps([1])),
    "digests that are no text": lambda place: (place / "digests.json").write_bytes(b"\xff"),
}


def test_the_newest_of_the_two_that_are_kept_is_taken(saved):
    folder, weights = saved
    assert sorted(place.name for place in folder.iterdir()) == ["step-000000002", "step-000000003"]
    step, found = load(folder)
    assert step == 3 and equal(found, weights[3]) and not equal(found, weights[2])


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_one_gives_way_to_the_one_before(saved, damage, capsys):
    folder, weights = saved
    damage(folder / "step-000000003")
    step, found = load(folder)
    assert step == 2 and equal(found, weights[2])
    assert [place.name for place in folder.iterdir()] == ["step-000000002"], "what is damaged is gone for good"
    assert capsys.readouterr().err.count("is damaged") == 1


def test_where_all_are_damaged_or_none_is_there_nothing_is_touched(saved, tmp_path):
    folder, _ = saved
    for place in folder.iterdir():
        flip(place)
    before = list(fresh().model.parameters())
    for where in (folder, tmp_path / "absent"):
        step, found = load(where)
        assert step is None and equal(found, before)


def test_a_folder_that_was_being_written_is_no_checkpoint(saved):
    folder, weights = saved
    shutil.copytree(folder / "step-000000003", folder / ".partial-step-000000009")
    step, found = load(folder)
    assert step == 3 and equal(found, weights[3])
    trainer = fresh()
    checkpoint.save(folder, 4, trainer.model, trainer.optimizer)
    assert sorted(place.name for place in folder.iterdir()) == ["step-000000003", "step-000000004"], "it takes no room"


def test_a_step_that_is_saved_again_takes_the_place_of_the_first(saved):
    folder, weights = saved
    trainer = fresh()
    checkpoint.load(folder, trainer.model, trainer.optimizer)
    trainer.step(Walks()[4], 1e-2)
    checkpoint.save(folder, 3, trainer.model, trainer.optimizer)
    step, found = load(folder)
    assert step == 3 and equal(found, trainer.model.parameters()) and not equal(found, weights[3])
    assert sorted(place.name for place in folder.iterdir()) == ["step-000000002", "step-000000003"]


def test_a_full_disk_is_told_though_there_is_room_again(small_disk):
    model = torch.nn.Linear(1000, 1000)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    small_disk.fill(2_000_000)
    folder = small_disk.place / "checkpoints"
    with pytest.raises(BaseException, match="No space left") as error:
        checkpoint.save(folder, 1, model, optimizer)
    assert stage.out_of_space(error.value, folder)
    assert not list(folder.iterdir()) and shutil.disk_usage(folder).free > 1_500_000
    small_disk.empty()
    checkpoint.save(folder, 1, model, optimizer)
    assert checkpoint.load(folder, model, optimizer) == 1
