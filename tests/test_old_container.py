"""A copy of ../shared/legacy, as the earlier generation left it, is taken over by the first program
that meets it and goes on.
"""

import json
import shutil
from pathlib import Path

from helpers_programs import done, state_tables

from utils.batch.batch import read_batch
from utils.labels.tables import image_set
from utils.reserved import NULL

BOARDS, CAMERAS = "board_images_png", "camera_images"
# what ../shared/legacy/vott is a batch of
OUT = {f"{BOARDS}/st{number}.png" for number in (1026, 1578, 1611, 1840)}
TAGGED = (
    f"IC_Cabritos_2018_R1_cam01_20150510_022358_SUNP0017.JPG,horse,-0.01,0.39,0.29,0.61,480,600,{CAMERAS}\n"
    f"IC_Mona_2018_cam1A_20150522_164552_IMG_0856.JPG,NULL,0,0,0,0,480,640,{CAMERAS}\n"
)
SIDES = (("x1", "width"), ("x2", "width"), ("y1", "height"), ("y2", "height"))


class OldProject:
    """Only totag, tagging, tagged (9 columns), init_totag and a model; with its config and an old
    batch.
    """

    def __init__(self, store, shared: Path, folder: Path):
        self.folder, self.labels = folder, store.labels
        legacy = shared / "legacy"
        for image in (legacy / "vott" / "images").iterdir():
            store.images.write(f"{BOARDS}/{image.name}", image)
        for image in (shared / "data" / "camera_traps").iterdir():
            store.images.write(f"{CAMERAS}/{image.name}", image)
        boards = (legacy / "csv" / "totag_source2.csv").read_text(encoding="utf-8").rstrip("\n")
        header = boards.splitlines()[0]
        cameras = (legacy / "csv" / "untagged_cow.csv").read_text(encoding="utf-8")
        unseen = {
            ",".join([row.split(",")[0], "NULL,0,0,0,0", *row.split(",")[6:9], "0,0"])
            for row in cameras.splitlines()[1:]
        }
        self.old = {
            "totag_1559000000.csv": "\n".join(
                [boards, *sorted(unseen), f"st1194.png,NULL,0,0,0,0,512,488,{BOARDS},0,0\n"]
            ),
            "tagging_1559000001.csv": boards + "\n",
            "tagged_1559000002.csv": header[: header.index(",box_confidence")] + "\n" + TAGGED,
            "init_totag_1559000000.csv": cameras,
        }
        for name, text in self.old.items():
            store.labels.write(name, text.encode())
        store.labels.write(
            "model_1559000003.pb",
            shared / "models" / "ssd_mobilenet_v1_coco" / "frozen_inference_graph.pb",
        )
        shutil.copy(legacy / "vott" / "Images_source.json", self.place("old batch"))
        shutil.copytree(legacy / "vott" / "images", self.place("old batch") / "Images_source")
        own = (
            "AZURE_STORAGE_",
            "image_container_name",
            "label_container_name",
            "filetype",
            "tagging_location",
            "data_dir=",
            "classes=",
            "download_location",
            "python_file_directory",
            "tf_models_location",
            "train_dir",
            "ideal_class_balance",
        )
        kept = [
            line
            for line in (legacy / "configs" / "config.ini").read_text(encoding="utf-8").splitlines()
            if not line.startswith(own)
        ]
        self.text = "\n".join(
            [
                *kept,
                store.settings,
                "filetype=*.*",
                "classes=knot,horse",
                f"data_dir={folder / 'data'}",
                f"download_location={folder / 'downloads'}",
                f"train_dir={folder / 'data' / 'training'}",
            ]
        )

    def place(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def config(self, tagging_location: str = "batch") -> Path:
        path = self.folder / "config.ini"
        path.write_text(
            f"{self.text}\ntagging_location={self.folder / tagging_location}\n", encoding="utf-8"
        )
        return path

    def check(self, tagged: set[str]) -> None:
        """Every image is somewhere, these ones are tagged, and what the earlier generation wrote is
        as it was.
        """
        totag, tagging, known, failed, images = state_tables(
            self.config(), "totag", "tagging", "tagged", "failed", "images"
        )
        assert image_set(known) == tagged and not len(failed)
        assert image_set(totag) | image_set(tagging) | tagged >= image_set(images)
        assert {name: self.labels.read(name)[0].decode() for name in self.old} == self.old


def boxes(frame) -> list[list]:
    """[class, xmin, xmax, ymin, ymax] of each box, to the third decimal."""
    drawn = frame[frame["class"] != NULL]
    return sorted(
        [name, *sides]
        for name, *sides in (
            drawn[["class", "xmin", "xmax", "ymin", "ymax"]].round(3).itertuples(index=False)
        )
    )


def test_a_container_of_the_earlier_generation_goes_through_a_cycle_with_nothing_lost(
    store, shared, tmp_path
):
    project = OldProject(store, shared, tmp_path)
    said = json.loads(done("tag/status.py", project.config(), "--json"))
    assert (
        said["to_tag"],
        said["out"][""]["images"],
        said["tagged"],
        said["boxes"],
        said["model"],
    ) == (9, 4, 2, {"horse": 1}, "model_1559000003.pb")
    before = {f"{CAMERAS}/{line.split(',')[0]}" for line in TAGGED.splitlines()}
    project.check(before)

    assert "4 images, 10 boxes → tagged_" in done(
        "tag/upload_vott_json.py", project.config("old batch")
    )  # as the old tool handed it out
    project.check(before | OUT)
    assert "15 images (15 new, 0 failed)" in done(
        "train/active_learning_initialize.sh", project.config()
    )
    assert "3 images, " in done("tag/download_vott_json.py", 3, project.config())
    batch = read_batch(tmp_path / "batch").blobs
    assert "3 images, 0 boxes → tagged_" in done(
        "tag/upload_vott_json.py", project.config(), "--all"
    )
    assert len(batch) == 3 and not batch & (before | OUT)
    project.check(before | OUT | batch)

    assert "2 of 9 reviewed images" in done(
        "train/repartition_test_set_script.sh", project.config()
    )
    assert "model_1559000003.pb → totag_" in done(
        "train/active_learning_predict_no_train.sh", project.config()
    )
    assert "was not kept" in done("train/active_learning_report.sh", project.config())
    assert "2 test images" in done("train/active_learning_eval.sh", project.config())
    assert "was not kept" not in done("train/active_learning_report.sh", project.config())
    assert "15 images checked, 0 rules broken" in done("tag/status.py", project.config(), "--check")
    project.check(before | OUT | batch)
    init_totag, tagged, totag = state_tables(project.config(), "init_totag", "tagged", "totag")
    assert len(init_totag) == len(project.old["init_totag_1559000000.csv"].splitlines()) - 1
    assert not totag["image_confidence"].isna().any() and len(image_set(totag)) == 15 - len(
        before | OUT | batch
    )
    source = json.loads(
        (shared / "legacy" / "vott" / "Images_source.json").read_text(encoding="utf-8")
    )
    regions = [region for frame in source["frames"].values() for region in frame]
    expected = [["horse", 0, 0.39, 0.29, 0.61]] + [
        ["knot", *(round(region[side] / region[whole], 3) for side, whole in SIDES)]
        for region in regions
    ]
    assert boxes(tagged) == sorted(expected)
