"""Makes the package `utils` of this repository importable, after a check that this Python can run
the programs of this folder.

Every Python from 2.7 on must be able to parse this file.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

# Arrow's own allocator keeps 30 to 50 MB that these programs do not need
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

from utils import python_check  # noqa: E402

python_check.check(ROOT, "tag/requirements.txt")
