"""Pictures of the viewer in each of its states, and the page that shows them:

    .venv/bin/python -m tests.viewer.pictures           # all, a few minutes
    .venv/bin/python -m tests.viewer.pictures -k proof  # those whose names have it

They are of the demo's history, in Chromium, in the time zone Europe/Berlin; each in 256 colours that come nearest
to its own: no eye sees it, and it takes less than half of the room.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.viewer.hosting import Site
from tests.viewer.states import STATES, State, opened

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = DOCS / "images"
PAGE = DOCS / "viewer-gallery.md"

WIDE, PHONE = (1280, 800), (360, 740)
DARK = ("rows", "incident", "changes", "suggestions", "proof", "proof-altered")
SMALL = ("rows", "incident", "facets", "search-help", "range", "proof", "menu")
"""Of what there are pictures in dark, and on a phone."""
FIRST = "incident"
"""What docs/viewer.md and the README begin with."""


def pictures(state: State) -> Iterator[tuple[str, str, tuple[int, int], int]]:
    """Of one state: the file's name, the theme, the size, and pixels of the picture in each of it."""
    if not state.is_narrow:
        yield f"{state.name}.png", "light", WIDE, 1
    if state.name in DARK:
        yield f"{state.name}-dark.png", "dark", WIDE, 1
    if state.name in SMALL:
        yield f"{state.name}-phone.png", "light", PHONE, 2


ALL = [pytest.param(state, *one, id=one[0]) for state in STATES for one in pictures(state)]


FEW_COLOURS = """async (picture) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
  const {width, height} = image;
  const canvas = new OffscreenCanvas(width, height).getContext('2d');
  canvas.drawImage(image, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const split = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
  const often = [...counts].sort((a, b) => b[1] - a[1]).map(([pixel]) => split(pixel));
  const far = (one, other) => one.reduce((sum, value, n) => sum + (value - other[n]) ** 2, 0);
  let palette;
  for (let least = 0; !palette || palette.length > 256; least = 2 * least + 1) {
    palette = [];
    for (const colour of often) {
      if (palette.length <= 256 && palette.every((one) => far(one, colour) >= least)) palette.push(colour);
    }
  }
  const nearest = new Map();
  for (const pixel of counts.keys()) {
    const all = palette.map((colour) => far(colour, split(pixel)));
    nearest.set(pixel, all.indexOf(Math.min(...all)));
  }
  const indices = Uint8Array.from(pixels, (pixel) => nearest.get(pixel));
  return {width, height, palette: palette.flat(), indices: indices.toBase64()};
}"""


def small(page: Page, picture: bytes) -> bytes:
    """The PNG with a palette (section 11.2.2 of the specification)."""
    read = page.evaluate(FEW_COLOURS, b64encode(picture).decode())
    width, height, indices = read["width"], read["height"], b64decode(read["indices"])
    rows = b"".join(b"\0" + indices[start : start + width] for start in range(0, len(indices), width))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = {b"IHDR": head, b"PLTE": bytes(read["palette"]), b"IDAT": zlib.compress(rows, 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in chunks.items())


@pytest.mark.parametrize(("state", "name", "theme", "size", "scale"), ALL)
def test_picture(
    browser: Browser, site: Site, state: State, name: str, theme: str, size: tuple[int, int], scale: int
) -> None:
    look: dict[str, Any] = {"locale": "en-GB", "reduced_motion": "reduce", "device_scale_factor": scale}
    look |= {"has_touch": size == PHONE, "is_mobile": size == PHONE}
    context = browser.new_context(**look)
    log = opened(site, context, state, size, theme)
    log.page.wait_for_timeout(500)  # what is under way comes to its end, such as proofs of what is in sight
    picture = small(context.new_page(), log.page.screenshot())
    (IMAGES / "viewer").mkdir(parents=True, exist_ok=True)
    (IMAGES / "viewer" / name).write_bytes(picture)
    if state.name == FIRST and scale == 1:
        (IMAGES / f"viewer-{theme}.png").write_bytes(picture)
    context.close()


def gallery() -> str:
    """The page that shows them."""
    lines = [
        "# What the viewer looks like",
        "",
        "In each of its states, with the demo's history. `.venv/bin/python -m tests.viewer.pictures` takes the",
        "pictures and writes this page. [The viewer](viewer.md) says how to embed it.",
    ]
    for state in STATES:
        links = [f"![{state.words}](images/viewer/{name})" for name, *_ in pictures(state)]
        lines += ["", f"## {state.words}", "", *links]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    # In a process of its own: pytest wants to load first what was loaded here already.
    failed = subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, *sys.argv[1:]]).returncode
    PAGE.write_text(gallery())
    sys.exit(failed)
