"""Prompts and what of an answer counts, as they were published: fixed texts that were read off the sources."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from repoloom.tasks import Task, load, variant

FENCE = "```"


def by_name(benchmark: str, name: str) -> Task:
    return next(task for task in load(benchmark) if task.task_id == name)


def test_humaneval_as_base_models_were_scored() -> None:
    task, way = by_name("humaneval", "HumanEval/53"), variant("humaneval", "deepseek")
    assert way.prompts(task) == (task.prompt.strip(),)
    assert (way.stop, way.new_tokens, way.seconds, way.chat) == (
        ("\ndef", "\nclass", "\nif", "\n#", "\nprint"),
        500,
        10.0,
        False,
    )
    answer = way.answer(task, "    return x + y\n\nprint(add(1, 2))\n")
    assert answer == "    return x + y\n"
    program = way.program(task, answer)
    assert program.endswith(f"{task.prompt}\n    return x + y\n\n")
    assert program.startswith("import math\nimport re\n")
    assert "numpy" not in program
    assert "import numpy as np" in way.program(task, "    return np.add(x, y)")


def test_humaneval_as_instruct_models_were_scored() -> None:
    task, way = by_name("humaneval", "HumanEval/0"), variant("humaneval", "instruct")
    assert way.prompts(task)[0] == (
        "Please continue to complete the function. You are not allowed to modify the given code and do the completion "
        "only. Please return all completed function in a codeblock. Here is the given code to do completion:\n"
        f"{FENCE}python\n{task.prompt.strip()}\n{FENCE}"
    )
    assert (way.new_tokens, way.seconds, way.chat) == (1024, 3.0, True)
    said = f"Here:\n{FENCE}Python\nimport os\n\ndef Has_close_elements(a, b):\n    return {{}}\n{FENCE}\nbye {FENCE}"
    assert way.answer(task, said) == "from typing import List\nDef Has".replace("Def", "def") + (
        "_close_elements(a, b):\n    return {}\n\n"
    )
    assert way.answer(task, "no block") == task.prompt + "\nno block"


def test_samples_made_elsewhere_are_joined_as_the_package_joins_them() -> None:
    task, way = by_name("humaneval", "HumanEval/53"), variant("humaneval", samples=True)
    assert way.program(task, way.answer(task, "    pass\n\ndef other(): 1")) == task.prompt + (
        "    pass\n\ndef other(): 1"
    )


def test_mbpp_has_three_shots_which_go_from_the_end() -> None:
    task, way = by_name("mbpp", "11"), variant("mbpp")
    prompts = way.prompts(task)
    assert len(prompts) == 4
    assert prompts[-1].startswith(
        "You are an expert Python programmer, and here is your task: Write a python function "
    )
    assert prompts[-1].endswith('remove_Occ("PHP","P") == "H"\n[BEGIN]')
    assert prompts[0].count("[BEGIN]\n") == prompts[0].count("\n[DONE]\n") == 3
    for longer, shorter in itertools.pairwise(prompts):
        assert longer.endswith(prompts[-1])
        assert longer.startswith(shorter.removesuffix(prompts[-1]))
    assert "similar elements from the given two tuple lists" in prompts[2], "the first example is task 2"
    assert "\t" not in prompts[0]
    assert "\r" not in prompts[0]
    assert way.answer(task, "\ndef f():\n    pass\n[DONE]\nYou are") == "def f():\n    pass"


def test_mbpp_as_instruct_models_were_scored() -> None:
    task, way = by_name("mbpp", "11"), variant("mbpp", "instruct")
    (prompt,) = way.prompts(task)
    assert prompt.startswith("Please refer the given examples and generate a python function for my problem.\n")
    assert prompt.count("- Example ") == 3
    assert "\n\n>>> Code:\n```python\n" in prompt
    assert prompt.endswith('assert remove_Occ("PHP","P") == "H"\n')
    assert way.answer(task, f"Sure:\n{FENCE}python\nx = 1\n{FENCE}") == "x = 1\n"
    assert way.answer(task, "x = 1") == "x = 1"


def test_gsm8k_by_programs() -> None:
    task = by_name("gsm8k-pal", "gsm8k/0")
    blocks, pal = variant("gsm8k-pal"), variant("gsm8k-pal", "pal")
    (prompt,) = blocks.prompts(task)
    assert prompt.startswith("Let's use python to solve math problems.\n\nQuestion: Olivia has $23.")
    assert prompt.count(f"\n{FENCE}\n\n----------------\n\nQuestion: ") == 3
    assert prompt.endswith("at the farmers' market?\n")
    (eight,) = pal.prompts(task)
    assert eight.startswith("Q: Olivia has $23.")
    assert eight.count("\n\n# solution in Python:\n\n\n") == 9
    assert eight.endswith("at the farmers' market?\n\n# solution in Python:\n\n\n")
    said = f"\n{FENCE}python\ndef solution():\n    return 18\n{FENCE}\n\n----------------\n\nQuestion: x"
    assert blocks.answer(task, said) == "def solution():\n    return 18\n"
    assert blocks.answer(task, "def solution():\n    return 18\n") == ""
    plain = variant("gsm8k-pal", samples=True)
    assert plain.answer(task, "def solution():\n    return 18\n") == "def solution():\n    return 18\n"


LEETCODE = {
    "task_id": "weekly-1",
    "prompt": '"""\nAdd.\n"""\nclass Solution:\n    def add(self, a: int, b: int) -> int:\n        ',
    "prompt_sft": "Add.",
    "test": "\nmy_solution = Solution()\n\nassert my_solution.add(**{'a': 1, 'b': 2}) == 3\n",
}
CLASS = "class Solution:\n    def add(self, a, b):\n        return a + b"


@pytest.mark.parametrize(
    "said", [f"Outline.\n{FENCE}python\n{CLASS}\n{FENCE}\nDone.", f"[PYTHON]\n{CLASS}\n[/PYTHON]", CLASS]
)
def test_leetcode_answers_are_blocks_or_programs(said: str) -> None:
    from repoloom.tasks import leetcode

    task = leetcode.task(LEETCODE)
    for name in ("deepseek", "outline", "completion"):
        assert variant("leetcode", name).answer(task, said).strip() == CLASS
    assert variant("leetcode", "outline").prompts(task)[0].endswith("step-by-step outline and then write the code.")
    assert variant("leetcode").answer(task, "return a + b\nprint(3)").endswith("-> int:\n        return a + b")


DS1000 = {
    "prompt": "Problem:\nAdd one.\nBEGIN SOLUTION\n<code>\n",
    "reference_code": "result = x + 1",
    "metadata": {"problem_id": 7, "library": "Numpy"},
    "code_context": """
def exec_test(result, ans):
    return result == ans
exec_context = "x = test_input\\n[insert]\\n"
def test_execution(solution):
    code = exec_context.replace("[insert]", solution)
    env = {"test_input": 2}
    exec(code, env)
    assert exec_test(env["result"], 3)
""",
}


def test_ds1000_runs_the_answer_in_its_context() -> None:
    from repoloom.tasks import ds1000

    task, way = ds1000.task(DS1000), variant("ds1000")
    for said in ("result = x + 1\n</code>\nx", f"{FENCE}python\nresult = x + 1\n{FENCE}\nx", "<code>result = x + 1"):
        answer = way.answer(task, said)
        assert answer.strip() == "result = x + 1"
        exec(way.program(task, answer) + task.test, {})  # written above
        with pytest.raises(AssertionError):
            exec(way.program(task, answer) + task.controls[0], {})
    with pytest.raises(AssertionError):
        exec(way.program(task, "result = x") + task.test, {})


CPP = {
    "name": "HumanEval_53_add",
    "prompt": "#include<assert.h>\n// Add.\nlong add(long x, long y) {\n",
    "tests": "}\nint main() {\n    auto candidate = add;\n    assert(candidate((0), (1)) == (1));\n}\n",
    "stop_tokens": ["\n}"],
}
TYPESCRIPT = {
    "name": "HumanEval_53_add",
    "prompt": "//Add.\nfunction add(x: number, y: number): number {\n",
    "tests": "const assert = require('node:assert');\nassert.deepEqual(candidate(0, 1),1);\n",
    "stop_tokens": ["\nfunction "],
}


def translated(folder: Path, benchmark: str, row: dict[str, Any]) -> Task:
    path = folder / "row.jsonl"
    path.write_text(json.dumps(row))
    return load(benchmark, path)[0]


def test_cpp_as_it_was_scored(tmp_path: Path) -> None:
    """The tests bring the brace that the stop text takes, in both variants."""
    task = translated(tmp_path, "humaneval-cpp", CPP)
    base, instruct = variant("humaneval-cpp"), variant("humaneval-cpp", "instruct")
    assert base.prompts(task) == (CPP["prompt"][:-1],)
    assert variant("humaneval-cpp", samples=True).prompts(task) == (CPP["prompt"],)
    answer = base.answer(task, "    return x + y;\n}\nint other() {}\n}")
    assert answer == "    return x + y;"
    program = base.program(task, answer) + task.test
    assert program.startswith("#include<stdlib.h>\n")
    assert program.endswith(f"{CPP['prompt']}\n    return x + y;\n{CPP['tests']}")
    function = "long add(long x, long y) {\n    return x + y;\n}\n"
    said = f"{FENCE}cpp\n#include<map>\n{function}int main() {{ add(1, 2); }}\n{FENCE}"
    assert instruct.answer(task, said) == (
        "#include<assert.h>\n// Add.\nlong add(long x, long y) {\n    return x + y;\n"
    )
    assert instruct.prompts(task)[0].endswith(f"{FENCE}cpp\n{CPP['prompt'].strip()}\n{FENCE}")


def test_typescript_as_it_was_scored(tmp_path: Path) -> None:
    task = translated(tmp_path, "humaneval-ts", TYPESCRIPT)
    base, instruct = variant("humaneval-ts"), variant("humaneval-ts", "instruct")
    assert base.answer(task, "  return x + y;\n}\nconsole.log(add(1, 2))") == "  return x + y;\n}"
    said = f"{FENCE}TypeScript\nfunction add(x: number, y: number): number {{\n  return x + y;\n}}\nadd(1, 2);\n{FENCE}"
    assert instruct.answer(task, said) == "//Add.\nfunction add(x: number, y: number): number {\n  return x + y;\n}\n"


def test_php_is_opened_and_closed(tmp_path: Path) -> None:
    row = {**CPP, "prompt": "<?php\nfunction add($x, $y) {\n", "tests": "if (candidate(0, 1) !== 1) { throw 1; }"}
    task = translated(tmp_path, "humaneval-php", row)
    program = variant("humaneval-php").program(task, "    return 1;\n}") + task.test
    assert program == f"{row['prompt']}\n    return 1;\n}}\n{row['tests']}?>"
    assert variant("humaneval-php", "instruct").program(task, "x").startswith("<?php\nx")
