"""Where a process that has loaded TensorFlow may be forked."""

import sys
from pathlib import Path


def may_fork() -> bool:
    """On Linux, as long as nothing was calculated; not where there is a GPU of NVIDIA, whose driver
    may not follow.
    """
    return sys.platform == "linux" and not Path("/proc/driver/nvidia").exists()
