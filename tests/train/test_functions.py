import ast
import textwrap

import pytest

from repoloom.train.functions import documented


def source(text):
    return "# pkg/module.py\n" + textwrap.dedent(text)


def test_a_docstring_becomes_the_description_and_leaves_the_code():
    (found,) = documented(
        source('''
        import os

        @cached
        def area(width: float, height: float = 1.0,
                 *, scale=None) -> float:
            """Compute the area of a rectangle
            in square metres.

            Long explanation that nobody asked for.
            """
            if scale is None:
                scale = 1
            return width * height * scale
        ''')
    )
    assert found.name == "area"
    assert found.description == "Compute the area of a rectangle in square metres."
    assert found.signature == "def area(width: float, height: float=1.0, *, scale=None) -> float:"
    assert found.code == (
        "@cached\ndef area(width: float, height: float = 1.0,\n         *, scale=None) -> float:\n"
        "    if scale is None:\n        scale = 1\n    return width * height * scale"
    )


def test_a_comment_block_above_serves_where_there_is_no_docstring():
    (found,) = documented(
        source("""
        class Matrix:
            # Swap rows and columns
            # of this matrix.
            @property
            def transposed(self):
                columns = zip(*self.rows)
                return Matrix([list(column) for column in columns])
        """)
    )
    assert found.name == "Matrix.transposed"
    assert found.description == "Swap rows and columns of this matrix."
    assert found.code.startswith("@property\ndef transposed(self):\n    columns")


def test_every_response_is_a_program_and_no_docstring_is_left():
    import inspect

    modules = (ast, textwrap, __import__("argparse"), __import__("statistics"), __import__("fractions"))
    found = [function for module in modules for function in documented(source(inspect.getsource(module)))]
    assert len(found) > 40
    for function in found:
        (node,) = ast.parse(function.code).body
        assert ast.get_docstring(node) is None
        assert node.name == function.name.split(".")[-1]
        (head,) = ast.parse(function.signature + " pass").body
        assert ast.dump(head.args) == ast.dump(node.args)


BODY = "    c = a + b\n    d = c * 2\n    return [c, d, a, b, 1, 2, 3, 4]\n"
"""Of a length that a pair may have."""


def test_a_function_of_that_length_gives_a_pair():
    assert (
        len(documented("# path.py\nimport os\n# Compute something of great value to all.\ndef f(a, b):\n" + BODY)) == 1
    )


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n",
        "\0",
        "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        'def f(): "Compute something of great value to all."; return [1, 2, 3]',
        'def f():\n    """Compute something of great value to all."""\n    raise NotImplementedError\n',
        'def f(a, b):\n    """Short."""\n' + BODY,
        'def f(a, b):\n    """:param a: Compute something of great value to all."""\n' + BODY,
        'def test_f(a, b):\n    """Check something of great value to all."""\n' + BODY,
        "# Compute something of great value to all.\n\ndef f(a, b):\n" + BODY,
        "# ------------- ------------- ------------ -----\ndef f(a, b):\n" + BODY,
        "# Compute something of great value to all.\nvalue = 1\ndef f(a, b):\n" + BODY,
    ],
)
def test_what_teaches_nothing_or_does_not_parse_gives_no_pair(text):
    assert documented("# path.py\nimport os\n" + text) == []


def test_a_string_that_reaches_left_of_the_indentation_is_left_out():
    head = '# path.py\nclass A:\n    def usage(self):\n        """Print how this program has to be called."""\n'
    body = '        text = """\n{}usage: program [options]\n        """\n        print(text)\n        return text\n'
    assert documented(head + body.format("")) == []
    assert len(documented(head + body.format("        "))) == 1
