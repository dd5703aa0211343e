"""What a command printed, as a picture."""

import re

from rich.console import Console

COLUMNS = 80
"""Of a picture's screen; what is printed beyond them is cut off."""

FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace'
"""Whatever of these the reader's machine has. The library's own template would load one from a stranger's server."""

TEMPLATE = (
    """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: FONTS; font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold }}
{styles}
</style>
{chrome}
<g class="{unique_id}-matrix" transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
{matrix}
</g>
</svg>
"""
).replace("FONTS", FONTS)


def recorder() -> Console:
    """A screen that prints as any other, and remembers it for `picture`."""
    return Console(highlight=False, record=True, width=COLUMNS)


def picture(console: Console, title: str, name: str) -> str:
    """What was printed on a recorder, as SVG: the same for the same lines. `name` begins the ids in it."""
    svg = console.export_svg(title=title, unique_id=name, code_format=TEMPLATE)
    # The library draws the end of a line as a text of its own, and clips every line, the last by a path that it forgets
    # to define; the template defines none, since a line has been cut to the screen's width before it is drawn.
    drawn = re.sub(r'<text [^>]*>\n</text>| clip-path="url\(#[\w-]+-line-\d+\)"', "", svg)
    # A text in a line of the file, so that what changed can be read.
    drawn = drawn.replace("</text><text", "</text>\n<text")
    return "".join(f"{row.strip()}\n" for row in drawn.splitlines() if row.strip())
