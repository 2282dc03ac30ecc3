"""How long a person with many photos waits for the first one: from `python tag/start.py PHOTOS`
until a real browser shows it, and until all are taken in meanwhile (hard links to a few
photographs). To reach: 10 s for 100 000.

    python benchmarks/start_scale.py [NUMBER [WIDTH HEIGHT]]    default: 100000 800 600
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers_page import WHY_NOT, Program, Window, chromium, installed
from initialize_scale import make_images

from utils.config import load_config
from utils.labels import tables
from utils.labels.store import open_labels

WANTED = 10  # s


def main(count: int, size: tuple[int, int]) -> int:
    if not installed():
        raise SystemExit(WHY_NOT)
    with tempfile.TemporaryDirectory(dir=ROOT.parent) as name, chromium() as browser:
        photos = Path(name) / "photos"
        make_images(photos, count, size)
        files = taken(["find", photos, "-type", "f"])
        begun = time.monotonic()
        with Program(photos, "--classes", "deer", program="tag/start.py") as program:
            address = time.monotonic() - begun
            with Window(browser, program.url):
                shown = time.monotonic() - begun
                print(f"{count} photos: address after {address:.1f} s, photo {shown:.1f} s")
                all_of = wait_for_all(program, begun)
        known = images_of(photos.with_name("photos-project") / "config.ini")
    print(
        f"all {known} are taken in after {all_of:.0f} s (find lists them in {files:.1f} s); the"
        f" first was shown after {shown:.1f} s (to reach: {WANTED})"
    )
    return int(shown > WANTED or known != count)


def taken(command: list) -> float:
    """Seconds that a command takes."""
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def wait_for_all(program: Program, begun: float) -> float:
    """Seconds until the program says that all photos are taken in; it is ended then."""
    killer = threading.Timer(900, program.process.kill)
    killer.start()
    for line in program.process.stdout:
        if line.startswith("all photos are taken in"):
            break
    seconds = time.monotonic() - begun
    killer.cancel()
    program.end()
    return seconds


def images_of(config: Path) -> int:
    _, labels = open_labels(load_config(config))
    return len(tables.image_set(labels.table(labels.read(), "images")))


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.exit(main(numbers[0] if numbers else 100_000, tuple(numbers[1:3]) or (800, 600)))
