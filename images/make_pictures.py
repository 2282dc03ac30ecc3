"""Makes the pictures of the pages anew, from real runs. loop.svg beside it is drawn by hand.

Run with: .venv/bin/python images/make_pictures.py [DEMO]     (a folder in which the demo was run to
its end; without it, the demo is run in a temporary one, which takes about ten minutes)

prelabels.png        what an annotator gets: photos of a batch that is handed out, with its boxes
predictions.png      the picture with which the demo ends
learning_curves.png  the averages of two simulations, from the tables in benchmarks/results
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from train.demo import beside_truth
from train.simulation.learning_curves import mean_curve

BATCH = 40  # images handed out for the picture
SHOWN = 3
# The table, and what its panel is called.
SETS = {
    "animals": "animals: two photos in five are empty",
    "drawn": "drawn boards: nine in ten are empty",
}
COLORS = {"hybrid": "#d9480f", "random": "#1971c2", "lowest_box": "#868e96"}


def main() -> None:
    if len(sys.argv) > 1:
        demo = Path(sys.argv[1]).absolute()
    else:
        demo = Path(tempfile.mkdtemp(prefix="demo-"))
        subprocess.run(["bash", ROOT / "train" / "active_learning_demo.sh", demo], check=True)

    prelabels(demo, HERE / "prelabels.png")
    small(demo / "predictions.png", HERE / "predictions.png")
    learning_curves(HERE / "learning_curves.png")

    for picture in sorted(HERE.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


def prelabels(demo: Path, target: Path) -> None:
    """Hand out a batch of the demo's project, draw what its VoTT file shows, and give it back."""
    with tempfile.TemporaryDirectory() as place:
        settings = (demo / "config.ini").read_text(encoding="utf-8")
        settings = settings.replace("tagging_location=to_review", f"tagging_location={place}/batch")
        config = demo / "pictures.ini"
        config.write_text(settings, encoding="utf-8")
        try:
            run("tag/download_vott_json.py", str(BATCH), str(config))
            shown = photos_of(Path(place) / "batch")
            run("tag/abandon.py", str(config))
        finally:
            config.unlink()
        beside_truth.draw(shown, SHOWN, target)
    small(target, target)


def photos_of(batch: Path) -> list[beside_truth.Shown]:
    """The photos of a batch that carry the most boxes, each class among them first."""
    frames = json.loads((batch / "Images.json").read_text(encoding="utf-8"))["frames"]

    def busy(name: str) -> tuple[int, int]:
        return len({region["tags"][0] for region in frames[name]}), len(frames[name])

    shown = []
    for name in sorted(sorted(frames), key=busy, reverse=True)[:SHOWN]:
        boxes = tuple(
            (region["tags"][0], tuple(region[side] for side in ("x1", "y1", "x2", "y2")))
            for region in frames[name]
        )
        pixels = np.asarray(Image.open(batch / "Images" / name).convert("RGB"))
        shown.append(beside_truth.Shown(name, pixels, boxes))
    return shown


def learning_curves(target: Path) -> None:
    """One panel for each set: the average of all classes over the images that were labelled."""
    figure = Figure((9.6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(SETS))
    for panel, (name, title) in zip(panels, SETS.items(), strict=True):
        results = pd.read_csv(ROOT / "benchmarks" / "results" / f"learning_curves_{name}.csv")
        for strategy, color in COLORS.items():
            curve = mean_curve(results, strategy)
            panel.plot(curve["images"], curve["ap50"], marker="o", color=color, label=strategy)
            panel.fill_between(
                curve["images"], curve["low"], curve["high"], color=color, alpha=0.12, linewidth=0
            )
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("labelled images")
        panel.set_ylim(0, 1.02)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("average precision (AP at IoU 0.5)")
    panels[0].legend(loc="lower right")
    figure.savefig(target, format="png", dpi=100)
    small(target, target)


def small(source: Path, target: Path) -> None:
    """The same picture in 256 colours, a third of the size."""
    Image.open(source).convert("RGB").quantize(256).save(target, optimize=True)


def run(program: str, *arguments: str) -> None:
    subprocess.run([sys.executable, str(ROOT / program), *arguments], check=True)


if __name__ == "__main__":
    main()
