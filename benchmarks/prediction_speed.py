"""How close create_predictions comes to what decoding and the model allow: images per second
against the bound 1 / (1/d + 1/m).

d is the rate of decoding and fitting alone, m that of the frozen graph alone on decoded tensors,
each with all cores. The program itself is run on a folder store; its own figure (from the first
image to the last) is what counts. With --earlier, also against the way of the earlier generation in
the same run: each photo decoded twice with OpenCV, resized to 1024 x 600, batches of 2; ours is
wanted twice as fast.

    python benchmarks/prediction_speed.py
        resnet50 at 640 pixels, untrained, on drawn photos
    python benchmarks/prediction_speed.py --model GRAPH.pb --photos FOLDER
        another model, other photos
    python benchmarks/prediction_speed.py --earlier --wanted 0.85 --images 200 --size 2048 1536 \
        --model ../shared/models/ssd_mobilenet_v1_coco/frozen_inference_graph.pb
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "train"):
    sys.path.insert(0, str(folder))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from PIL import Image

from train.prediction.bfloat16 import use_bfloat16
from train.prediction.frozen_detector import FrozenDetector
from train.prediction.pipeline import fitted, stacked_on_canvas
from utils.config import load_config
from utils.errors import run_program
from utils.labels import tables
from utils.labels.label_map import write_label_map

BATCH = 8
TIMES = 2  # as fast as the earlier way


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="a frozen graph (default: an untrained resnet50 at 640 pixels, light head)",
    )
    parser.add_argument("--photos", type=Path, help="a folder of JPEG photos (default: drawn ones)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(1280, 960),
        metavar=("WIDTH", "HEIGHT"),
        help="of drawn photos, in pixels",
    )
    parser.add_argument(
        "--earlier", action="store_true", help="measure the way of the earlier generation too"
    )
    parser.add_argument(
        "--wanted",
        type=float,
        default=0.9,
        help="at least this share of the bound (default %(default)s)",
    )
    parser.add_argument(
        "--images", type=int, default=96, help="how many images (default %(default)s)"
    )
    parser.add_argument(
        "--repeat",
        type=int,
        default=2,
        help="for each of the three the best of so many runs counts (default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        config = project(
            Path(folder), arguments.model, arguments.photos, arguments.images, arguments.size
        )
        files = sorted((config.path.parent / "store" / "images").iterdir())
        detector = FrozenDetector(
            config.inference_output_dir / "frozen_inference_graph.pb",
            use_bfloat16(config.bfloat16)[0],
        )
        d, m, program, earlier = 0.0, 0.0, 0.0, 0.0
        for _ in range(arguments.repeat):
            d = max(d, decoding_rate(detector, files, config.max_tile_size))
            m = max(m, model_rate(detector, files, config.max_tile_size))
            program = max(program, program_rate(config))
            if arguments.earlier:
                earlier = max(earlier, earlier_rate(detector, files))
    bound = 1 / (1 / d + 1 / m)
    print(
        f"decoding alone {d:.2f} images/s, model alone {m:.2f} images/s, bound {bound:.2f} images/s"
    )
    print(
        f"create_predictions {program:.2f} images/s = {program / bound:.2f} of the bound (wanted:"
        f" {arguments.wanted}), {arguments.images} images, {os.cpu_count()} cores"
    )
    if earlier:
        print(
            f"the earlier way {earlier:.2f} images/s: {program / earlier:.2f} times as fast"
            f" (wanted: {TIMES})"
        )
    return 0 if program >= arguments.wanted * bound and program >= TIMES * earlier else 1


def project(
    folder: Path,
    model: Path | None,
    photos: Path | None,
    count: int,
    size: tuple[int, int],
    different: int | None = None,
):
    """A folder store with the photos, and beside it the files that the steps before
    create_predictions leave behind; returns its config.

    Of the `count` drawn photos the first `different` ones (None: all) are drawn, the others are
    hard links to these.
    """
    store = folder / "store" / "images"
    store.mkdir(parents=True)
    (folder / "store" / "labels").mkdir()
    given = (
        sorted(path for path in photos.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
        if photos
        else []
    )
    for number in range(count):
        target = store / f"{number:05d}.jpg"
        if given:
            target.write_bytes(given[number % len(given)].read_bytes())
        elif different and number >= different:
            os.link(store / f"{number % different:05d}.jpg", target)
        else:
            Image.fromarray(drawn_photo(number, *size)).save(target, quality=92)
    (folder / "config.ini").write_text(
        f"storage_url={folder / 'store'}\nimage_container_name=images\n"
        "label_container_name=labels\nuser_folders=False\nfiletype=*.jpg\n"
        "classes=a,b\nmin_confidence=0.5\n"
        "min_tile_size=640\nmax_tile_size=640\ntest_percentage=0.2\n"
        f"tagging_location={folder / 'tag'}\n",
        encoding="utf-8",
    )
    config = load_config(folder / "config.ini")
    graph = config.inference_output_dir / "frozen_inference_graph.pb"
    graph.parent.mkdir(parents=True)
    if model:
        graph.write_bytes(model.read_bytes())
    else:
        export = (
            "import sys; sys.path[:0] = sys.argv[2:]; from prediction_speed import write_untrained;"
            " write_untrained(sys.argv[1])"
        )
        subprocess.run(
            [
                sys.executable,
                "-c",
                export,
                str(graph),
                str(ROOT / "benchmarks"),
                str(ROOT / "train"),
                str(ROOT),
            ],
            check=True,
        )
    write_label_map(graph.with_name("label_map.pbtxt"), {"a": 1, "b": 2})
    for step in ("initialize.py", "sync_images.py"):
        subprocess.run(
            [sys.executable, str(ROOT / "train" / step), str(config.path)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    config.test_output.write_bytes(tables.to_csv("test", tables.empty("test"), False))
    return config


def write_untrained(target: str) -> None:
    """Export a resnet50 detector at 640 pixels with random weights, as export_model.py would."""
    from train.network import export
    from train.network.detector import Settings, build_model, make_task

    settings = Settings("faster_rcnn_resnet50_fpn", (640, 640), {"a": 1, "b": 2})
    model = build_model(make_task(settings))
    Path(target).write_bytes(
        export.freeze(export.serving_function(model, settings), settings).SerializeToString()
    )


def drawn_photo(number: int, width: int, height: int) -> np.ndarray:
    """A picture that costs as much to decode as a photograph: smooth patches with some noise, uint8
    (height, width, 3).
    """
    random = np.random.default_rng(number)
    smooth = cv2.resize(
        random.uniform(40, 215, (24, 32, 3)), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def decoding_rate(detector: FrozenDetector, files: list[Path], largest_side: int) -> float:
    """Images a second of reading, decoding and fitting, with all cores."""
    begun = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = sum(
            1 for _ in pool.map(lambda file: fitted(detector, file, largest_side).shape, files)
        )
    return done / (time.monotonic() - begun)


def model_rate(detector: FrozenDetector, files: list[Path], largest_side: int) -> float:
    """Images a second of the graph on tensors that are decoded, in batches of equal size, with all
    cores.
    """
    pictures = [fitted(detector, file, largest_side) for file in files[:BATCH]]
    alike = [
        picture for picture in pictures if detector.canvas or picture.shape == pictures[0].shape
    ]
    batch, _ = stacked_on_canvas(alike, detector.canvas)
    detector.detect(batch)
    begun, done = time.monotonic(), 0
    while done < len(files):
        detector.detect(batch)
        done += len(batch)
    return done / (time.monotonic() - begun)


def earlier_rate(detector: FrozenDetector, files: list[Path]) -> float:
    """Images a second of the earlier generation's way, the model loaded."""

    def picture(file: Path) -> np.ndarray:
        cv2.imread(str(file))  # once for its size
        return cv2.resize(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), (1024, 600))

    begun = time.monotonic()
    for start in range(0, len(files), 2):
        detector.detect(np.stack([picture(file) for file in files[start : start + 2]]))
    return len(files) / (time.monotonic() - begun)


def program_rate(config) -> float:
    """Images a second that create_predictions.py says it reached, from nothing."""
    (config.data_dir / "predictions.journal").unlink(missing_ok=True)
    finished = subprocess.run(
        [sys.executable, str(ROOT / "train" / "create_predictions.py"), str(config.path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(re.search(r"([\d.]+) images/s", finished.stdout.splitlines()[-1])[1])


if __name__ == "__main__":
    run_program(main)
