"""An export is whole or not there."""

from pathlib import Path

import pytest

from repoloom.errors import UserError
from repoloom.model.export import FORMATS, export
from tests.conftest import SmallDisk


@pytest.mark.parametrize("kind", FORMATS)
def test_on_a_full_disk_it_is_one_line_and_leaves_nothing(folder: Path, kind: str, small_disk: SmallDisk) -> None:
    out = small_disk.place / "deep" / "out"
    for left in (0, 20_000, 300_000):
        small_disk.fill(left)
        with pytest.raises(UserError) as error:
            export(folder, kind, out)
        assert str(error.value) == f"cannot write {out}: no space left on its disk"
        assert not out.parent.exists() or not [*out.parent.iterdir()]
    small_disk.empty()
    export(folder, kind, out)
    assert [entry.name for entry in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", FORMATS)
def test_where_nothing_can_be_written_is_one_line(folder: Path, kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"^cannot write .*/file/out: "):
        export(folder, kind, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_killed_export_left_is_in_nobodys_way(folder: Path, kind: str, tmp_path: Path) -> None:
    (tmp_path / ".partial-out").mkdir()
    (tmp_path / ".partial-out" / "config.json").write_text("{")
    export(folder, kind, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
