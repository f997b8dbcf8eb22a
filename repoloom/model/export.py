"""A model folder in the form in which another program wants it."""

import shutil
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.model import gguf, huggingface

FORMATS = ("huggingface", "gguf")


def export(model: Path, to: str, out: Path) -> None:
    """Write the model of a Hugging Face folder to `out`: a folder ("huggingface") or a file ("gguf").

    Raises UsageError for another format or an `out` that is the wrong kind of place, UserError for a bad model folder.
    """
    if to == "gguf":
        if out.is_dir():
            raise UsageError(f"--out {out} is a folder: name the GGUF file to write, such as {out / 'model.gguf'}")
        gguf.save(model, out)
    elif to == "huggingface":
        huggingface.load(model)  # a folder that does not load is not handed on
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out} is not an empty folder: choose another")
        out.mkdir(parents=True, exist_ok=True)
        for name in huggingface.FILES:
            if (model / name).exists():
                shutil.copyfile(model / name, out / name)
    else:
        raise UsageError(f"--to {to}: expected one of {', '.join(FORMATS)}")
