"""A repository's dependency graph over the order that its files got: an arc diagram.

The files stand in their order on one line, every import is an arc between the two. Where the order holds, all arcs lie
on one side; an import that a cycle leaves pointing forward crosses to the other. A layered drawing was tried
first: real packages are deep and narrow, and its long edges ran through the nodes between.
"""

from collections.abc import Sequence

from markupsafe import Markup

from repoloom.report.svg import chart, shorten, tag, text


def layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of every file: one more than the deepest file that it uses. An edge (user, used) counts only where the
    used file comes earlier in the order.
    """
    layer = [0] * count
    for user, used in sorted(edges):
        if used < user:
            layer[user] = max(layer[user], layer[used] + 1)
    return layer


def graph(files: Sequence[str], edges: Sequence[tuple[int, int]], width: float, label: str) -> Markup:
    """Draw the files (in their order) and the edges (user, used) as positions in `files`.

    Where there is room the line runs across, and names stand in a list beside the drawing; on a narrow page it runs
    down, each name beside its file. A file's dot grows with the number of files that use it.
    """
    users = [0] * len(files)
    for _, used in edges:
        users[used] += 1
    sizes = [2.6 + 5.4 * (count / max(1, *users)) ** 0.5 for count in users]
    draw = _down if width < 500 else _across
    return draw(files, edges, sizes, width, label)


def _across(
    files: Sequence[str], edges: Sequence[tuple[int, int]], sizes: Sequence[float], width: float, label: str
) -> Markup:
    step = (width - 40) / max(len(files) - 1, 1)
    forward = max((user - used for user, used in edges if used < user), default=1)
    back = max((used - user for user, used in edges if used > user), default=0)
    unit = min(250.0 / forward, 34.0)
    line = forward * unit + 14
    below = min(back * unit * 0.8, 120.0)
    parts = []
    for user, used in edges:
        lift = -unit if used < user else below / back
        start, end = 20 + used * step, 20 + user * step
        peak = line + abs(user - used) * lift * 4 / 3
        path = f"M{start:.1f} {line:.1f}C{start:.1f} {peak:.1f} {end:.1f} {peak:.1f} {end:.1f} {line:.1f}"
        parts.append(_edge(files, user, used, path))
    for number, path in enumerate(files):
        x = 20 + number * step
        parts.append(
            tag("circle", tag("title", f"{number + 1}. {path}"), cx=x, cy=line, r=sizes[number], class_="node")
        )
        parts.append(text(x, line + below + 24, str(number + 1), "number", "middle"))
    return chart(width, line + below + 32, label, *parts)


def _down(
    files: Sequence[str], edges: Sequence[tuple[int, int]], sizes: Sequence[float], width: float, label: str
) -> Markup:
    step, line = 21.0, width * 0.34
    longest = max((abs(user - used) for user, used in edges), default=1)
    unit = (line - 12) / longest
    parts = []
    for user, used in edges:
        start, end = 14 + used * step, 14 + user * step
        peak = line - abs(user - used) * unit * 4 / 3
        path = f"M{line:.1f} {start:.1f}C{peak:.1f} {start:.1f} {peak:.1f} {end:.1f} {line:.1f} {end:.1f}"
        parts.append(_edge(files, user, used, path))
    for number, path in enumerate(files):
        y = 14 + number * step
        parts.append(
            tag("circle", tag("title", f"{number + 1}. {path}"), cx=line, cy=y, r=sizes[number], class_="node")
        )
        parts.append(text(line + 30, y + 4, str(number + 1), "number", "end"))
        parts.append(text(line + 37, y + 4, shorten(path, width - line - 38, 11), "file"))
    return chart(width, 10 + len(files) * step, label, *parts)


def _edge(files: Sequence[str], user: int, used: int, path: str) -> Markup:
    title = tag("title", f"{files[user]} uses {files[used]}")
    return tag("path", title, d=path, class_="edge" if used < user else "edge back")
