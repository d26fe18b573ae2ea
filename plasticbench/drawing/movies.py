"""Pictures that move: GIF by Pillow, MP4 by ffmpeg where there is one."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from plasticbench.errors import PlasticbenchError

FRAMES_PER_S = 12
_HELD_S = 2.0  # the last picture


def gif(frames: Iterable[np.ndarray]) -> bytes:
    """Of frames (height, width, 3) uint8 of one size; the last one stays for a while."""
    from PIL import Image

    first, *others = [Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames]
    shown_ms = [1000 // FRAMES_PER_S] * len(others) + [round(1000 * _HELD_S)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=shown_ms, loop=0)
    return file.getvalue()


def mp4(frames: Iterable[np.ndarray]) -> bytes:
    """The same as H.264. Raises PlasticbenchError where there is no ffmpeg, or where it fails."""
    program = ffmpeg()
    shown = list(frames)
    shown += [shown[-1]] * round(_HELD_S * FRAMES_PER_S)
    height, width = shown[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "life.mp4"
        command = [
            program, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
            "-r", str(FRAMES_PER_S), "-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt", "yuv420p", str(file),
        ]  # fmt: skip
        done = subprocess.run(
            command, input=b"".join(frame.tobytes() for frame in shown), capture_output=True, check=False
        )
        if done.returncode or not file.exists():
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise PlasticbenchError(f"mp4: ffmpeg failed ({told[0]:.120}); write a GIF instead (--gif FILE)")
        return file.read_bytes()


def ffmpeg() -> str:
    """The program: on the path, or the one that the package imageio-ffmpeg brings."""
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            from imageio_ffmpeg import get_ffmpeg_exe

            found = get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            raise PlasticbenchError(
                "mp4: there is no ffmpeg here; write a GIF (--gif FILE), install ffmpeg, or pip install imageio-ffmpeg"
            ) from None
    return found
