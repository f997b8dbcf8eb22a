import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from repoloom.curate.screen import reason, syntax
from repoloom.curate.shell import error
from repoloom.languages import detect

BASH = shutil.which("bash")


def bash_reads(text: str, mode: str = "--norc") -> bool:
    """By bash's parser alone: nothing runs, and no environment names a file to read first."""
    assert BASH is not None
    command = [BASH, mode, "-O", "extglob", "-n"]
    return subprocess.run(command, input=text.encode(), capture_output=True, env={}).returncode == 0


VALID = [
    "if a; then b; elif c; then d; else e; fi\n",
    "while a\ndo b; done < f; until a; do b; done 2>&1 | c\n",
    "for x in a b; do c; done; for x do c; done; for ((i = 0; i < 3; i++)); do c; done; for x\nin a; do c; done\n",
    "for x; do echo done fi esac } \\) | cat; done\n",
    "for x in a; { b; }\n",
    "select x in a; do b; done\n",
    "case $x in a) b ;; (c|d) e ;& [\\)]) f ;;& *) ;; esac\n",
    "case $x in\n# it's a comment\n a | 'b)' ) if c; then d; fi ;;\nesac\n",
    "case x in in) a ;; esac\n",
    "x=$(case $y in a) echo ')' ;; esac)\n",
    "f() { a; }\nf () ( a )\nfunction f { a; }\nfunction f() { a; }\nf()\n{\n  a\n}\n",
    "{ a; } && { { b; }; }\n(a; (b); ( (c) ) )\n",
    "! a; time b | c; coproc d { e; }\n",
    "a=(1 2 # it's\n 'x)' $(b) [3]=4)\nb+=() c=; declare -a d=(1)\n",
    "echo {a,b} { } if then fi x} $} a#b '' # it's \"\n",
    'echo "a $(b "c $(d \'e\')" f) `g "h"` ${i:-"j"} $((k * (l + 1)))"\n',
    "echo ${x:-'}'} \"${x%'}'}\" ${x:-}} ${#x} ${x#\\}} ${x//\\\"/} ${!x} ${x[1]}\n",
    "echo $'it\\'s' $\"b $(c)\" \\' \\\" \\` \\\n  'd\ne'\n",
    'echo `a \\`b\\` "`\n',
    "((a << 2, b = (c + 1) * 2)); echo $((a << 2)) $[a << 2]\n",
    "((a; b) | c); x=$((a; b) | c)\n",
    "[[ a && ( b || ! $c =~ ^(d|e)\\[$ ) && f < g # it's\n ]] && h\n",
    "if [[ a ]] then b; fi; if (a) then { b; } fi\n",
    "shopt -s extglob\ncase $x in @(a|b)) c ;; esac; echo !(a|*.b) ?(c)\n",
    "cat <<A <<-'B c' <<\\D && if e; then f; fi\n$( ` ' \" ${ (\nA\n\tif\n\tB c\n'\nD\n",
    "x=$(cat <<A\nit's (\nA\n)\ncat <<A | while read b; do\nif\nA\nc; done\n",
    "cat <<A\nno end (\n",
    'cat <<< "a $b" <(c) > >(d) &> e >| f 2>&1 <&-\n',
    "a | \\\n  b &\nc && # it's\n d ||\ne; f & g\n",
    "echo a \\",
    "",
    "#!/bin/sh\r\nif a; then\r\n  b\r\nfi\r\n",
]
BROKEN = [
    ("if a; then b\n", 1),
    ("\nif a; then b; done\n", 2),
    ("a; fi\n", 1),
    ("if a; b; fi\n", 1),
    ("if a; then b; else c; else d; fi\n", 1),
    ("while a; b; done\n", 1),
    ("for x in a b; c; done\n", 1),
    ("for x in a; do\n  b\n", 1),
    ("f() {\n  echo }\n", 1),
    ("f()\n  a\n}\n", 3),
    ("f() { a; }; }\n", 1),
    ("case $x in a) b ;;\n", 2),
    ("case $x in a) b ;;\n\ncase $y in c) d ;; esac\n", 3),
    ("case $x in a) b ;; esac esac\n", 1),
    ("case $x; in a) b ;; esac\n", 1),
    ("a ;; b\n", 1),
    ("(a\n", 1),
    ("a)\n", 1),
    ("x=(a b\n", 1),
    ("x=$(a\nb\n", 1),
    ("echo 'a\n", 1),
    ("echo `a\n", 1),
    ('echo\necho "a $(b)\n', 2),
    ('echo "$(b "c)"\n', 1),
    ("echo ${a\nb\n", 1),
    ("((a + 1)\n", 1),
    ("[[ a\n", 1),
    ("if a; then\n  cat <<A\nfi\nA\n", 1),
    ("(if a; then b)\n", 1),
    ("{ a; )\n", 1),
]


@pytest.mark.parametrize("text", VALID)
def test_what_bash_reads_has_no_error(text: str) -> None:
    assert error("a.sh", text) is None
    if BASH and "\r" not in text:
        assert bash_reads(text)


@pytest.mark.parametrize(("text", "line"), BROKEN)
def test_what_no_shell_reads_is_told_with_its_line(text: str, line: int) -> None:
    told = error("a.sh", text)
    assert told is not None and told.startswith(f"line {line}: ")
    assert syntax("shell", "a.sh", text) == (1.0, 0.0)
    assert reason("shell", "a.sh", text) == told
    if BASH:
        assert not bash_reads(text)


def test_a_quote_in_an_expansion_in_a_string_is_plain_as_posix_has_it() -> None:
    text = 'echo "${x:-it\'s}"\n'
    assert error("a.sh", text) is None
    if BASH:
        assert bash_reads(text, "--posix")


ZSH = "f() { [[ a ]] && { g $1 }; return 1 }\nrepeat 2; do f; done\n{ f } always { g }\n() { h }\nfunction a b { c }\n"


def test_zsh_closes_braces_after_arguments_and_sh_does_not() -> None:
    for path, head in (("a.zsh", ""), ("bin/a", "#!/usr/bin/env zsh\n"), ("_a", "#compdef a\n")):
        assert error(path, head + ZSH) is None
        assert error(path, head + ZSH + "f() { a\n") is not None
    assert error("a.sh", ZSH) is not None


def test_a_test_of_bats_opens_a_block() -> None:
    text = "@test \"it's {\" {\n  run a\n}\n@test 'b' { c; }\n"
    assert error("a.bats", text) is None
    assert error("a.bats", text.replace("}\n@", "@")) is not None


def scripts(most: int) -> list[tuple[str, str]]:
    """Shell scripts that are installed here and that bash reads."""
    if BASH is None:
        pytest.skip("bash is not installed")
    found: list[tuple[str, str]] = []
    for path in sorted(Path(BASH).parent.iterdir()):
        if len(found) < most and path.is_file() and not path.is_symlink() and os.path.getsize(path) < 100_000:
            text = path.read_bytes().decode("utf-8", "replace")
            known = detect(str(path), text[:4096]) if "\0" not in text else None
            if known and known.id == "shell" and bash_reads(text):
                found.append((str(path), text))
    if len(found) < 10:
        pytest.skip("too few scripts here")
    return found


def test_every_installed_script_that_bash_reads_passes() -> None:
    files = scripts(100)
    assert [(path, told) for path, text in files if (told := error(path, text))] == []


def test_errors_planted_in_installed_scripts_are_seen_as_bash_sees_them() -> None:
    rng = random.Random(0)
    refused = seen = 0
    for path, text in scripts(60):
        ends = [match.span(1) for match in re.finditer(r"(?m)^[ \t]*(\{|\}|fi|done|esac|then|do|case)\b", text)]
        copies = [text[:start] + text[end:] for start, end in rng.sample(ends, min(4, len(ends)))]
        lines = text.splitlines(keepends=True)
        copies += ["".join(lines[: rng.randrange(len(lines))]) for _ in range(3)]
        for broken in copies:
            if bash_reads(broken):
                assert error(path, broken) is None, broken
            else:
                refused += 1
                seen += error(path, broken) is not None
    assert refused > 50 and seen >= 0.95 * refused


HOSTILE = [
    "(",
    "((",
    "$(",
    "$((",
    "'",
    '"',
    "`",
    "${",
    '"$(',
    '"${',
    "${x[",
    '"${x[',
    "$[",
    "$'",
    "\\",
    "\\\n",
    "((a)",
    "#",
    " #",
]
HOSTILE += [
    "<<a ",
    "<<a\n",
    "<<-a\n\t",
    "case a in ",
    "case ",
    "if ",
    "[[ ",
    " ]]",
    "a=(",
    "f()",
    "<(",
    "{ ",
    " }",
    "$(@test ",
    '"`',
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_comes_to_an_end(piece: str) -> None:
    """A third of a second here; what is quadratic, or recurses, would not end."""
    text = piece * (400_000 // len(piece))
    error("a.sh", text)
    error("a.zsh", text + "\n'\"`)}")
