"""Figure 1: the demo takes at most 10 minutes after installation and 4 GB of memory, and ends with
an average AP50 of at least 0.90.

Run with: .venv/bin/python benchmarks/demo_figures.py [FOLDER]     (a new folder; without it, a
temporary one)

Memory is the sum over all processes of the demo at one moment (proportional set size where the
system tells it), at its highest.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.labels import tables


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="demo-")).absolute()
    subprocess.run(["bash", ROOT / "train" / "set_up.sh"], check=True)
    started = time.monotonic()
    demo = subprocess.Popen(["bash", ROOT / "train" / "active_learning_demo.sh", folder])
    peak = 0
    while demo.poll() is None:
        peak = max(peak, memory(psutil.Process(demo.pid)))
        time.sleep(1)
    minutes = (time.monotonic() - started) / 60
    performance = tables.parse("performance", folder / "data" / "performance.csv")
    average = performance.loc[performance["Class Name"] == "Average", "AP"].iloc[0]
    figures = [
        ("minutes", minutes, minutes <= 10, "≤ 10"),
        ("GB of memory", peak / 1e9, peak <= 4e9, "≤ 4"),
        ("average AP50", average, average >= 0.9, "≥ 0.90"),
    ]
    print(f"\nThe demo on {psutil.cpu_count()} cores:")
    for name, value, reached, wanted in figures:
        print(f"    {name:14} {value:6.2f}   wanted {wanted}: {'reached' if reached else 'MISSED'}")
    return demo.returncode or int(not all(reached for _, _, reached, _ in figures))


def memory(process: psutil.Process) -> int:
    """Bytes that a process and all its children hold now."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        try:
            info = member.memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
    return total


if __name__ == "__main__":
    sys.exit(main())
