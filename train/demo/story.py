"""The story of the demo: the whole loop, told with the commands that a person types."""

import json
import subprocess
import sys
from pathlib import Path

from train.cycle.files import read_working
from train.demo import beside_truth, pictures
from train.demo.annotator import Annotator
from utils.batch.batch import read_batch
from utils.batch.showing import thresholds_of
from utils.boxes.prelabels import shown_boxes
from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.files import write_text
from utils.labels import tables
from utils.labels.store import open_labels
from utils.python_check import quoted
from utils.reserved import NULL
from utils.terminal import say

PHOTOS = 240
BATCH = 60
MARKER = "demo.json"
PICTURE = "predictions.png"
COMPARED = 6  # photographs in the picture
CONFIG = """# The demo's settings. The store is a folder; with Azure, the account stands here.
storage_url=store
image_container_name=images
label_container_name=labels
user_folders=True
filetype=*.jpg
classes=knot,crack

tagging_location=to_review
tagger_name=demo
# a batch: half knots, nearly a third cracks, the rest boards on which the model sees nothing
ideal_class_balance=0.5,0.3,0.2
# how images are chosen, as in a new config.ini
selection_strategy=hybrid
random_share=0.1
max_per_burst=2
prelabel_confidence=auto

data_dir=data
model_name=faster_rcnn_resnet18_fpn
fine_tune_checkpoint=scratch
warm_start=True
train_iterations=100
batch_size=4
min_tile_size=128
max_tile_size=192
test_percentage=0.3
min_confidence=0.05
"""
ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """The story of the demo; what is finished is noted in demo.json, so that an interrupted run
    goes on.
    """

    def __init__(self, folder: Path, cycles: int = 3, iterations: int | None = None):
        self.folder = folder
        self.cycles = cycles
        self.training = ["--iterations", str(iterations)] if iterations else []
        self.config_path = folder / "config.ini"
        self.to_review = folder / "to_review"
        marker = folder / MARKER
        if marker.exists():
            self.finished = json.loads(marker.read_text(encoding="utf-8"))["finished"]
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: there is something in it that is not the demo's; name a folder that is"
                " empty or does not exist"
            )
        else:
            self.finished = []
        self.photos = [pictures.draw(number) for number in range(PHOTOS)]
        self.annotator = Annotator(self.photos)

    def run(self) -> None:
        """Everything, from drawing to the last words."""
        self.once("draw", self.draw)
        self.once("initialize", lambda: self.script("train/active_learning_initialize.sh"))
        for cycle in range(1, self.cycles + 1):
            self.once(f"download {cycle}", self.download)
            self.once(f"review {cycle}", self.review)
            self.once(f"upload {cycle}", lambda: self.program("tag/upload_vott_json.py"))
            if cycle == 1:
                self.once("test set", lambda: self.script("train/repartition_test_set_script.sh"))
            self.once(
                f"train {cycle}",
                lambda: self.script("train/active_learning_train.sh", *self.training),
            )
            self.once(f"report {cycle}", lambda cycle=cycle: self.report(cycle))
        self.once("picture", self.picture)
        self.once("the end", self.last_words)

    def is_done(self, what: str) -> bool:
        return what in self.finished

    def once(self, what: str, action) -> None:
        """Do it unless an earlier run did, and note that it is done."""
        if not self.is_done(what):
            action()
            self.finished.append(what)
            write_text(self.folder / MARKER, json.dumps({"finished": self.finished}))

    def draw(self) -> None:
        for number, photo in enumerate(self.photos):
            pictures.save(photo, self.folder / "store" / "images" / photo.blob, number)
        (self.folder / "store" / "labels").mkdir(exist_ok=True)
        write_text(self.config_path, CONFIG)
        empty = sum(not photo.objects for photo in self.photos)
        say(
            f"Drew {PHOTOS} photos of boards in {self.folder / 'store' / 'images'}: {empty} without"
            " a fault, the others with knots and a few cracks"
        )

    def download(self) -> None:
        batch = read_batch(self.to_review)
        if (
            batch is None
            or not batch.fetched
            or all(item.uploaded for item in batch.images.values())
        ):
            self.program("tag/download_vott_json.py", str(BATCH))

    def review(self) -> None:
        work = self.annotator.review(self.to_review)
        say(
            "",
            f"The annotator looked at {work.images} images in {self.to_review / 'Images'}:"
            f" {work.kept} boxes were right, {work.drawn} were drawn, {work.removed} removed",
        )

    def report(self, cycle: int) -> None:
        """Print what was labelled and how good the model is, from the scripts' files."""
        config = load_config(self.config_path)
        tagged = tables.parse("tagged", config.tagged_output)
        performance = tables.parse("performance", config.data_dir / "performance.csv")
        boxes = tagged[tagged["class"] != NULL]
        say(
            "",
            f"Cycle {cycle} of {self.cycles}: {len(tables.image_set(tagged))} images and"
            f" {len(boxes)} boxes labelled",
        )
        for name, precision in zip(performance["Class Name"], performance["AP"], strict=True):
            say(f"    AP {name:8} {precision:.3f}")

    def picture(self) -> None:
        """Draw what the last model found in a few photos that it was never trained on, beside what
        is on them.
        """
        config = load_config(self.config_path)
        kept = read_working(config, "test")
        found = read_working(config, "test_predictions")
        _, labels = open_labels(config)
        found = shown_boxes(found, thresholds_of(config, labels.read()))
        photos = {photo.blob: photo for photo in self.photos}

        shown = []
        for image in beside_truth.choose(kept, COMPARED):
            photo, boxes = photos[image], beside_truth.boxes_of(found, image)
            shown.append(beside_truth.Shown("what is there", photo.picture, photo.objects))
            shown.append(beside_truth.Shown("what the model found", photo.picture, boxes))
        beside_truth.draw(shown, 4, self.folder / PICTURE, "Photos that were kept for measuring")

    def last_words(self) -> None:
        folder = _shown(self.folder)
        text = f"""
That was the whole loop. To look at:
    {folder}/{PICTURE}        what the model finds in photos that it was never trained on,
                                    beside what is there
    {folder}/data/report.html       the report of the last cycle: how good the model is, what it got
                                    wrong, and which photos come next
    {folder}/store/labels/          what a project publishes: tagged_….csv, totag_….csv,
                                    test_….csv, performance_….csv, model_….pb
    {folder}/to_review/             the last batch as VoTT opens it: Images.json and Images/
    {folder}/config.ini             the settings of this demo
    {ROOT / ".venv" / "bin" / "tensorboard"} --logdir {folder}/data/training
With your own images:
    1. copy {ROOT / "config.ini"}, and fill it in (config_description.md explains each key)
    2. bash {ROOT / "train" / "active_learning_initialize.sh"} your_config.ini
    3. python {ROOT / "tag" / "review.py"} your_config.ini 40
    4. bash {ROOT / "train" / "active_learning_train.sh"} your_config.ini, and again from 3
Be the annotator yourself, in your browser:
    python {_shown(ROOT / "tag" / "review.py")} {folder}/config.ini 10"""
        say(*text.split("\n"))

    def script(self, script: str, *options: str) -> None:
        self.command(["bash", str(ROOT / script), str(self.config_path), *options])

    def program(self, program: str, *arguments: str) -> None:
        self.command([sys.executable, str(ROOT / program), *arguments, str(self.config_path)])

    def command(self, words: list[str]) -> None:
        """Run one of the toolkit's commands as a person would; OutsideError when it fails."""
        shown = " ".join(quoted(_shown(word)) for word in words)
        say("", f"$ {shown}")
        code = subprocess.run(words).returncode
        if code:
            raise OutsideError(
                f"the demo stopped, because a command failed (exit {code}); run the demo again to"
                " go on from it"
            )


def _shown(path) -> str:
    """A path as a person would type it here."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
