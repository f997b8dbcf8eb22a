"""Fill in at a place in a file: what `repoloom complete MODEL FILE:LINE:COLUMN` prints."""

from pathlib import Path

from repoloom.errors import UsageError, UserError
from repoloom.generate import Generator, Sampling
from repoloom.serve import prompts

MAX_TOKENS = 128
_FILE_MEGABYTES = 10
_CHARACTERS_A_TOKEN = 16
"""More than any window's average: text further than this from the place is not worth tokenizing."""


def complete_at(generator: Generator, file: Path, line: int, column: int, repo: Path | None) -> str:
    """The text that the model puts at a place, counted from 1 in lines and in characters.

    With code behind the place on its line it is the rest of that line; else it may be several lines, ended where the
    model ends them. Its prompt opens with the comment that names the file's path, as every file did in training: from
    `repo` on, or from the Git work tree that holds the file, or its bare name. A model without fill-in sentinels sees
    what stands before the place only. Raises UsageError for a place that is not there, UserError for an unreadable
    file.
    """
    prefix, suffix = _split(_read(file), line, column, file)
    reach = generator.model.config.context * _CHARACTERS_A_TOKEN
    opened = prompts.with_path(prefix, _shown(file, repo).as_posix(), None)
    prefix = opened if len(opened) <= reach else prefix[-reach:]
    suffix = suffix[:reach]
    within_line = bool(suffix.partition("\n")[0].strip())
    filled_in = generator.tokenizer.fim_begin is not None and bool(suffix)
    prompt = prompts.completion(generator.tokenizer, prefix, suffix if filled_in else None)
    stop = ("\n",) if within_line else () if filled_in else ("\n\n",)
    completion = generator.complete([prompt], Sampling(max_tokens=MAX_TOKENS, stop=stop))[0]
    text = completion.text
    if completion.finish == "length" and "\n" in text:  # cut short: a half line helps nobody
        text = text[: text.rindex("\n")]
    return text


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _FILE_MEGABYTES * 1_000_000:
            raise UserError(f"{file} is larger than {_FILE_MEGABYTES} MB: no source file that a model can complete")
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text") from None


def _split(text: str, line: int, column: int, file: Path) -> tuple[str, str]:
    """What stands before and after a place."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        raise UsageError(f"{file}:{line}:{column}: the file has {len(lines)} lines")
    width = len(lines[line - 1].removesuffix("\r"))
    if not 1 <= column <= width + 1:
        raise UsageError(f"{file}:{line}:{column}: the columns of line {line} are 1 to {width + 1}")
    place = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    return text[:place], text[place:]


def _shown(file: Path, repo: Path | None) -> Path:
    """The file's path as its repository knows it."""
    place = file.resolve()
    if repo is None:
        holders = (folder for folder in place.parents if (folder / ".git").exists())
        return place.relative_to(next(holders, place.parent))
    if not place.is_relative_to(repo.resolve()):
        raise UsageError(f"{file} does not lie in --repo {repo}")
    return place.relative_to(repo.resolve())
