"""The two ways in which a command fails for its user. Anything else that escapes is a bug of ours, with a traceback."""


class UserError(Exception):
    """The work failed: one line that says what was wrong and what to do. Exit code 1."""

    exit_code = 1


class UsageError(UserError):
    """The arguments or the recipe are wrong; the line names the key. Exit code 2."""

    exit_code = 2
