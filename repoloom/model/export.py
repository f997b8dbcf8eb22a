"""A model folder in the form in which another program wants it."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from repoloom.errors import UsageError, UserError
from repoloom.model import gguf, huggingface
from repoloom.stage import out_of_space

FORMATS = ("huggingface", "gguf")


def export(model: Path, to: str, out: Path) -> None:
    """Write the model of a Hugging Face folder to `out`: a folder ("huggingface") or a file ("gguf").

    Raises UsageError for another format or an `out` that is the wrong kind of place, UserError for a bad model folder
    or where `out` cannot be written; then nothing is left there.
    """
    if to == "gguf":
        if out.is_dir():
            raise UsageError(f"--out {out} is a folder: name the GGUF file to write, such as {out / 'model.gguf'}")
        with _whole(out) as partial:
            gguf.save(model, partial)
    elif to == "huggingface":
        huggingface.load(model)  # a folder that does not load is not handed on
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out} is not an empty folder: choose another")
        with _whole(out) as partial:
            partial.mkdir()
            for name in huggingface.FILES:
                if (model / name).exists():
                    shutil.copyfile(model / name, partial / name)
    else:
        raise UsageError(f"--to {to}: expected one of {', '.join(FORMATS)}")


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A path beside `out`, renamed to it when the block ends without error, and removed when it does not."""
    partial = out.with_name(f".partial-{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        yield partial
        partial.replace(out)
    except OSError as error:
        full = partial.parent.is_dir() and out_of_space(error, partial.parent)
        reason = "no space left on its disk" if full else error.strerror or error
        raise UserError(f"cannot write {out}: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)


def _remove(partial: Path) -> None:
    """Whatever a killed export left."""
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)
