"""Makes the pictures of the pages anew, from real runs. loop.svg beside it is drawn by hand.

Run with: .venv/bin/python images/make_pictures.py [DEMO]     (a folder in which the demo was run to
its end; without it, the demo is run in a temporary one, which takes about ten minutes)

review_page.png      what an annotator gets: a photo of a batch in the page, with the model's boxes
report.png           the top of the report of the demo's first cycle, and the first of its mistakes
predictions.png      the picture with which the demo ends
learning_curves.png  the averages of two simulations, from the tables in benchmarks/results
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers_page import WHY_NOT, Here, Window, chromium, installed

from train.simulation.learning_curves import mean_curve
from utils.formats import page
from utils.formats.page import Saved
from utils.review.session import Session

BATCH, REVIEWED = 40, 12  # images handed out for the picture, and how many of them are done in it
SECONDS = 6  # that each of them took
WINDOW = {"width": 1100, "height": 640}
REPORT, BELOW = {"width": 1100, "height": 318}, 455
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

    review_page(demo, HERE / "review_page.png")
    report(demo / "store" / "labels", HERE / "report.png")
    small(demo / "predictions.png", HERE / "predictions.png")
    learning_curves(HERE / "learning_curves.png")

    for picture in sorted(HERE.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


def review_page(demo: Path, target: Path) -> None:
    """Hand out a batch of the demo's project, show it in the page, move a box, and give it back."""
    if not installed():
        raise SystemExit(WHY_NOT)
    with tempfile.TemporaryDirectory() as place:
        settings = (demo / "config.ini").read_text(encoding="utf-8")
        settings = settings.replace("tagging_location=to_review", f"tagging_location={place}/batch")
        config = demo / "pictures.ini"
        config.write_text(settings, encoding="utf-8")
        try:
            with Here(config, BATCH) as here, chromium() as browser:
                shown = begun(here.server.desk.session)
                with Window(browser, here.url, viewport=WINDOW) as window:
                    window.click(*shown)
                    window.press("ArrowLeft")
                    window.saved()
                    window.page.screenshot(path=target)
            run("tag/abandon.py", str(config))
        finally:
            config.unlink()
    small(target, target)


def begun(session: Session) -> tuple[float, float]:
    """Review some photos, and go to the one with the most boxes, each class among them first; the
    middle of its last box in pixels.
    """
    sheets = session.handed_out.images

    def busy(key: str) -> tuple[int, int]:
        return len({box.tag for box in sheets[key].boxes}), len(sheets[key].boxes)

    shown = max(sorted(sheets), key=busy)
    for key in [key for key in sheets if key != shown][:REVIEWED]:
        session.save(key, 0, Saved(page.REVIEWED, boxes=sheets[key].boxes), seconds=SECONDS)
    session.look(shown, SECONDS)
    box, sheet = sheets[shown].boxes[-1], sheets[shown]
    return (box.xmin + box.xmax) / 2 * sheet.width, (box.ymin + box.ymax) / 2 * sheet.height


def report(labels: Path, target: Path) -> None:
    """The head of the first cycle's page, and under it where its mistakes begin."""
    state = json.loads((labels / "label_state.json").read_bytes())
    page = labels / state["cycles"][0]["report"]
    with chromium() as browser:
        tab = browser.new_page(viewport=REPORT, device_scale_factor=1)
        tab.goto(page.as_uri())
        tab.screenshot(path=target)
        with Image.open(target) as shot:
            top = shot.convert("RGB")
        tab.set_viewport_size({**REPORT, "height": BELOW})
        tab.locator("#mistakes").evaluate("part => part.scrollIntoView()")
        tab.screenshot(path=target)
        with Image.open(target) as shot:
            below = shot.convert("RGB")
    whole = Image.new("RGB", (top.width, top.height + below.height))
    whole.paste(top, (0, 0))
    whole.paste(below, (0, top.height))
    whole.save(target)
    small(target, target)


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
