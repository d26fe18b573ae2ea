"""Thumbnails of lives: on every task the first official lifetime with frozen weights beside the best rule's.

They are files, made by `draw_lives`, since a full-size life takes minutes and a site is written in seconds. A picture
says itself which rules it shows, and stays true when another rule becomes the best.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from markupsafe import Markup

from .entry import task_slug

FOLDER = Path(__file__).parent / "lives"


def picture_of(task_id: str) -> Markup:
    """A task's thumbnail with its caption, for its page; empty where none was made."""
    path = FOLDER / f"{task_slug(task_id)}.png"
    if not path.is_file():
        return Markup("")
    from PIL import Image

    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        words, (width, height) = str(image.info.get("Description", "")), image.size
    return Markup(
        '<figure class="life"><img alt="{}" width="{}" height="{}" style="max-width:100%;height:auto" '
        'src="data:image/png;base64,{}"><figcaption class="small muted">{}</figcaption></figure>'
    ).format(words, width, height, base64.b64encode(content).decode(), words)
