"""File systems of their own, where the tests may mount some."""

from __future__ import annotations

import subprocess


def without_mounts(*arguments: str) -> str | None:
    """Why nothing could be mounted; None where it was."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or "mount failed" if done.returncode else None
