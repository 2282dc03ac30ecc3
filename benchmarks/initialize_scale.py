"""Figure 5: memory and time of initialize.py on many images (hard links to one photograph): < 1 GB
for 100 000, time linear in the number.

python benchmarks/initialize_scale.py [NUMBER …]      default: 25000 50000 100000
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PER_FOLDER = 5_000
PER_ORIGINAL = 10_000  # file systems limit the links to one file


def main(counts: list[int]) -> None:
    measured = []
    for count in counts:
        with tempfile.TemporaryDirectory(dir=ROOT.parent) as name:
            seconds, memory, said = measure(Path(name), count)
        measured.append((count, seconds, memory))
        print(
            f"{count} images: {seconds:.1f} s of processor, {1e6 * seconds / count:.0f} µs an"
            f" image, {memory / 1e6:.0f} MB at most; {said}",
            flush=True,
        )
    (first, first_seconds, _), (last, last_seconds, last_memory) = measured[0], measured[-1]
    print(
        f"{last / first:.1f} times the images took {last_seconds / first_seconds:.1f} times the"
        f" time; memory {last_memory / 1e9:.2f} GB (to reach for 100 000: < 1 GB)"
    )


def measure(folder: Path, count: int) -> tuple[float, int, str]:
    """Seconds of processor (whatever else the machine does), bytes of memory at most, last line of
    initialize.py on `count` images.
    """
    make_images(folder / "store" / "images", count)
    (folder / "store" / "labels").mkdir()
    config = folder / "config.ini"
    config.write_text(
        "storage_url=store\nimage_container_name=images\nlabel_container_name=labels\nuser_folders=True\nfiletype=*.jpg\n"
        "classes=bird\n"
    )
    process = subprocess.Popen(
        [sys.executable, ROOT / "train" / "initialize.py", config],
        stdout=subprocess.PIPE,
        text=True,
    )
    watched, memory, seconds = psutil.Process(process.pid), 0, 0.0
    while process.poll() is None:
        try:
            memory = max(memory, watched.memory_info().rss)
            seconds = sum(watched.cpu_times()[:2]) or seconds
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"initialize.py ended with {process.returncode}")
    return seconds, memory, out.splitlines()[-1]


def make_images(folder: Path, count: int, size: tuple[int, int] = (800, 600)) -> None:
    """`count` names for a few photographs of this width and height, in folders of 5000."""
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    original = None
    for number in range(count):
        path = folder / f"camera{number // PER_FOLDER:03d}" / f"IMG_{number:06d}.JPG"
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        if number % PER_ORIGINAL == 0:
            Image.fromarray(picture).resize(size).save(path, exif=_exif())
            original = path
        else:
            os.link(original, path)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:00"
    return exif


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [25_000, 50_000, 100_000])
