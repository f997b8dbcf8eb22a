"""Whether a shell script can be read to its end: bash, POSIX sh, dash and ksh, by one pass that keeps a stack.

Grammars guess at shell (a third of some valid scripts' bytes do not fit tree-sitter's), because what a character means
there depends on what is open around it. So this scanner follows bash's own reader (POSIX 2.3, 2.4, 2.10; bash's
parse.y): one regular expression for each thing that can be open skips all that is plain there and takes the next word
that is not. Reserved words count only where a command may begin. Bodies of here-documents and of backquotes are
skipped, as `bash -n` skips them.

An error is only what no shell of the family reads: a word that closes what is not open, a clause outside of `case`,
what is still open at the end. What is an error by the grammar alone (`foo (`, `if fi`) is left be, for zsh's sake.
"""

import re

# What is plain in a word: each beginning is tried once more at most, and an end that is missing ends the scan.
_BACKQUOTED = r"`(?:[^`\\]|\\.)*+`"
_PARAMETER = r"\$\{[#!]?+\w++(?:[:%#/^,+=?@-][^{}'\"`$\\\n]*+)?+\}"
_QUOTED = rf"""\\.?+|'[^']*+'|"(?:[^"\\$`]++|\\.|\$(?![({{])|{_PARAMETER}|{_BACKQUOTED})*+"|{_BACKQUOTED}"""
_DOLLAR = rf"{_PARAMETER}|\$'(?:[^'\\]|\\.)*+'|\$\[[^\]\n]{{0,200}}\]|\$(?![({{'])"
_OPEN = r"\"|\$\(\(|\$\(|\$\{"
_END = r"(?=[ \t\n;&|()<>]|\\\n|\Z)"
_SPACE = r"(?:[ \t\n]++|\\\n|#[^\n]*+)*+"
_BLANK = r"(?:(?:[ \t]|\\\n)++)"
_SPACE_IN_LINE = r"(?:[ \t]++|\\\n|#[^\n]*+)*+"
_BATS = r"""@test[ \t]++(?:"(?:[^"\\\n]|\\.){0,300}+"|'[^'\n]{0,300}+'|[^\n'"{]{0,300}+)[ \t]*+\{"""
_RESERVED = (
    r"if|then|elif|else|fi|for|select|while|until|do|done|case|esac|function|!|time|[{}]|\[\["
    rf"|coproc(?:[ \t]++\w++(?=[ \t]++[{{(]))?+|{_BATS}"
)


def _mode(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _commands(blank: str, reserved: str, after: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Where a command may begin, where one may in a line with here-documents still to come, and its arguments."""
    arguments = (
        rf"""(?:[^ \t\n;&|()<>'"`$\\]++|{blank}(?:#[^\n]*+)?+|{_QUOTED}|{_DOLLAR}|<<<|[<>]&|&>|>\||[<>](?![<(]))*+"""
        rf"({_OPEN}|<<|[<>]\(|[()]|\n|[;&|]++{after}|)"
    )
    begins = rf"(?:((?:{reserved}){_END}|\(\(?)|{arguments})"
    return _mode(_SPACE + begins), _mode(_SPACE_IN_LINE + begins), _mode(arguments)


# The last group is the word; where a command may begin, group 1 is a reserved word or bracket and group 2 the rest.
_SH = _commands(r"[ \t]++", _RESERVED, "")
_ZSH = _commands(rf"{_BLANK}(?!\}}{_END})", rf"{_RESERVED}|always|repeat", rf"|{_BLANK}\}}")  # `}` ends arguments
_STRING = _mode(rf"(?:[^\"\\$`]++|\\.|{_PARAMETER}|\$(?![({{])|{_BACKQUOTED})*+({_OPEN}|)")
_EXPANSION = _mode(rf"(?:[^}}'\"`$\\]++|{_QUOTED}|{_DOLLAR})*+({_OPEN}|\}}|)")
_EXPANSION_IN_STRING = _mode(rf"(?:[^}}\"`$\\]++|\\.|{_BACKQUOTED}|{_PARAMETER}|\$(?![({{]))*+({_OPEN}|\}}|)")
_ARITHMETIC = _mode(rf"(?:[^()'\"`$\\]++|{_QUOTED}|{_DOLLAR})*+({_OPEN}|[()]|)")
_LIST = _mode(rf"(?:[^ \t\n()'\"`$\\]++|[ \t\n]++(?:#[^\n]*+)?+|{_QUOTED}|{_DOLLAR})*+({_OPEN}|[()]|)")
_PATTERN = _mode(rf"(?:[^ \t\n|()'\"`$\\]++|\|{_BLANK}?+|{_BLANK}(?=[|)])|{_QUOTED}|{_DOLLAR})*+({_OPEN}|[()]|)")
_TEST = _mode(
    rf"(?:[^ \t\n'\"`$\\]++|[ \t\n]++(?!\]\]{_END})(?:#[^\n]*+)?+|{_QUOTED}|{_DOLLAR})*+({_OPEN}|[ \t\n]++\]\]|)"
)
_CASE = _mode(rf"(?:[^ \t\n;&|()<>'\"`$\\]++|[ \t\n]++(?!in[ \t\n(#\\])|{_QUOTED}|{_DOLLAR})*+({_OPEN}|[ \t\n]++in|)")
_CLAUSE = _mode(rf"{_SPACE}(esac{_END}|(?:\({_BLANK}?+)?+)")

_FOR = re.compile(r"[ \t]++\w++[ \t\n]*+(in\b)?+")
_FUNCTION = re.compile(r"(?:(?:[ \t]|\\\n)++(?!\{)[^ \t\n;&|()<>\\]++)*+[ \t]*+(?:\([ \t]*+\))?+")
_NO_PARAMETERS = re.compile(r"[ \t]*+\)")
_PATTERN_OPERATOR = re.compile(r"[#!]?+\w++(?:\[[^\]\n]{0,200}\])?+[#%/^,]")
_HERE = re.compile(r"(-?)[ \t]*+((?:[^ \t\n;&|()<>'\"`\\]|\\.|'[^']*+'|\"[^\"]*+\")++)", re.DOTALL)
_UNQUOTED = re.compile(r"\\(.)|['\"]", re.DOTALL)

_IS_ZSH = re.compile(r"#!.*\bzsh\b|#(?:compdef|autoload)\b")
_ZSH_NAMES = (".zsh", ".zsh-theme", "zshrc", "zshenv", "zprofile", "zlogin", "zlogout")
_INSIDE = {'"': _STRING, "${": _EXPANSION, "$((": _ARITHMETIC, "$(": None, "<(": None, ">(": None}
"""What opens in a word, and the mode in it; None for commands."""
_CLOSES = {"fi": ("then", "else"), "done": ("do",), "}": ("{",), "esac": ("case",)}
_TURNS = {"then": ("if",), "elif": ("then",), "else": ("then",), "do": ("for", "select", "while", "until", "repeat")}
_COMMANDS_IN = ("if", "for", "select", "while", "until", "repeat", "{", "(")
_OPENS = {"case": _CASE, "[[": _TEST, "((": _ARITHMETIC} | dict.fromkeys(_COMMANDS_IN)
"""What opens where a command may begin, and the mode in it; None for commands."""
_BEFORE_PARENTHESIS = frozenset({"(", "$(", "<(", ">("})


def error(path: str, text: str) -> str | None:
    """The first thing in a script that no shell can read, with its line; None if there is none. Linear in time."""
    text = text.replace("\r\n", "\n")
    command, line, argument = _ZSH if path.endswith(_ZSH_NAMES) or _IS_ZSH.match(text) else _SH
    place = 0
    mode = command
    # What is open: its word, the mode after its end, and where it began.
    stack: list[tuple[str, re.Pattern[str], int]] = []
    pending: list[tuple[str, bool]] = []  # here-documents whose bodies begin at the next line
    while True:
        found = (line if pending and mode is command else mode).match(text, place)
        assert found is not None  # every mode takes the empty word
        word, place = found[found.lastindex or 0], found.end()
        top = stack[-1][0] if stack else ""
        start = place - len(word)
        if found.lastindex == 1 and mode is command:
            if word in _CLOSES:
                if top not in _CLOSES[word]:
                    return _told(text, start, word, "closes nothing")
                stack.pop()
            elif word in _TURNS:
                if top not in _TURNS[word]:
                    return _told(text, start, word, "stands alone")
                stack[-1] = ("if" if word == "elif" else word, command, start)
            elif word == "{" and top in ("for", "select"):
                stack[-1] = (word, command, start)
            elif word in _OPENS:
                stack.append((word, command, start))
                mode = _OPENS[word] or command
                if word in ("for", "select") and (head := _FOR.match(text, place)):
                    place = head.end()
                    mode = argument if head[1] else command
            elif word.startswith("@test"):  # of bats
                stack.append(("{", command, start))
            elif word == "function" and (head := _FUNCTION.match(text, place)):
                place = head.end()
        elif mode is _CLAUSE:
            if word == "esac":
                mode = stack.pop()[1]
            else:
                stack.append(("a pattern", command, start))
                mode = _PATTERN
        elif not word:
            if place < len(text):
                return _told(text, place, repr(text[place]), "does not end" if text[place] in "'`$" else "is misplaced")
            return _told(text, stack[-1][2], top, "does not end") if stack else None
        elif word == "\n":
            for end, tabs in pending:
                place = _after_here_document(text, place, end, tabs)
            pending.clear()
            mode = command
        elif word == '"' and mode is _STRING:
            mode = stack.pop()[1]
        elif word in _INSIDE:
            stack.append((word, argument if mode is command else mode, start))
            inside = _INSIDE[word] or command
            if inside is _EXPANSION and mode in (_STRING, _EXPANSION_IN_STRING):
                inside = _EXPANSION if _PATTERN_OPERATOR.match(text, place) else _EXPANSION_IN_STRING
            mode = inside
        elif word[0] in ";&|":
            mode = command
            if word[0] == ";" and len(word) > 1:
                if top != "case":
                    return _told(text, start, word, "stands outside of a case")
                mode = _CLAUSE
        elif word == "(":
            if mode is command or mode is argument:
                if text[start - 1 : start] != "=" and (empty := _NO_PARAMETERS.match(text, place)):
                    place, mode = empty.end(), command  # the function's body follows
                else:
                    stack.append((word, argument, start))
                    mode = _LIST
            else:
                stack.append((word, mode, start))
                mode = _LIST if mode is _PATTERN else mode
        elif word == ")":
            if top in ("((", "$(("):
                if text.startswith(")", place):
                    place += 1
                    mode = stack.pop()[1]
                else:  # a subshell in a subshell after all
                    stack[-1] = ("(", *stack[-1][1:])
                    mode = command
            elif top in _BEFORE_PARENTHESIS or top == "a pattern":
                mode = stack.pop()[1]
            else:
                return _told(text, start, word, "closes nothing")
        elif word == "<<":
            mode = argument
            if head := _HERE.match(text, place):
                place = head.end()
                pending.append((_UNQUOTED.sub(r"\1", head[2]), bool(head[1])))
        elif word == "}" or word.endswith("]]"):
            mode = stack.pop()[1]
        elif word[-1] == "}":
            mode = stack.pop()[1] if top == "{" else argument
        else:  # the `in` of a case
            mode = _CLAUSE


def _after_here_document(text: str, place: int, end: str, tabs: bool) -> int:
    """The place after the line that is `end`, or the text's end: shells only warn if that line is missing."""
    while place < len(text):
        stop = text.find("\n", place)
        stop = len(text) if stop < 0 else stop
        line = text[place:stop]
        place = stop + 1
        if (line.lstrip("\t") if tabs else line) == end:
            break
    return min(place, len(text))


def _told(text: str, place: int, word: str, what: str) -> str:
    return f"line {text.count(chr(10), 0, place) + 1}: {word} {what}"
