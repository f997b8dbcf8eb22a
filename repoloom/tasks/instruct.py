"""How DeepSeek Coder asks an instruct model for a function, in any language, and reads the answer [R].

From Evaluation/HumanEval/eval_instruct.py and utils/utils.py: the model is to return the whole function in a fenced
block. Of the block counts what stands from the function's head to the last brace at its indentation, behind the lines
of the prompt above that head; the tests begin with the closing brace, but in PHP, TypeScript and JavaScript.
"""

from dataclasses import dataclass

from repoloom.tasks.answers import fenced, one_prompt
from repoloom.tasks.task import Task

NEW_TOKENS = 1024
SECONDS = 3.0

_QUESTION = (
    "Please continue to complete the function. You are not allowed to modify the given code and do the completion "
    "only. Please return all completed function in a codeblock. Here is the given code to do completion:\n"
    "```{}\n{}\n```"
)


@dataclass(frozen=True, slots=True)
class Style:
    """What a language's answers look like."""

    fence: str
    """The name after the backquotes."""
    main: str | None = None
    """What opens a main function, which is cut off with all behind it."""
    indent: int = 0
    """Spaces before the last brace of an answer without the function's head."""
    closes: bool = False
    """Whether the answer brings its closing brace."""


def question(task: Task, style: Style) -> tuple[str, ...]:
    """The user's message."""
    return one_prompt(_QUESTION.format(style.fence, task.prompt.strip()))


def function(task: Task, completion: str, style: Style) -> str:
    """The program without its tests. An answer without a fenced block is taken as it is, behind the prompt."""
    code = fenced(completion, style.fence)
    if code is None:
        return f"{task.prompt}\n{completion}"
    if style.main is not None:
        code = code.partition(style.main)[0]
    above, name = _head(task.prompt, style.fence)
    start = code.lower().find(name.lower())
    line = code[:start].rpartition("\n")[2]
    indent = " " * (len(line) - len(line.rstrip(" ")) if start >= 0 else style.indent)
    start = max(start, 0)
    end = code.rfind(f"\n{indent}}}")
    body = code[start : end if end >= 0 else len(code)]
    closing = f"\n{indent}}}" if style.closes else ""
    return f"{above}\n{body}{closing}\n"


def _head(prompt: str, fence: str) -> tuple[str, str]:
    """The prompt's lines above the function's head, and the head up to its brace, or in Python its parenthesis."""
    lines = [line for line in prompt.strip().split("\n") if line.strip()]
    if fence == "python":
        number = max(number for number, line in enumerate(lines) if line.startswith("def "))
        return "\n".join(lines[:number]), lines[number].partition("(")[0].strip()
    return "\n".join(lines[:-1]), lines[-1].partition("{")[0].strip()
