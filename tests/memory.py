"""Where the tests' files are: in memory where there is room, for a disk that is shared with others may be slow.

A test kills processes and never the machine, and what a process has written outlives it there as on a disk. A TMPDIR of
one's own is respected: `make soak` names one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/dev/shm")  # noqa: S108 - every name in it is made by tempfile
ROOM: Final = 6 * 2**30
"""How much has to be free there, in bytes."""


def use() -> None:
    """Have temporary files made there, by this process and those it starts."""
    if "TMPDIR" in os.environ or not os.access(FOLDER, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(FOLDER).free >= ROOM:
        os.environ["TMPDIR"] = str(FOLDER)
        tempfile.tempdir = None
