"""Batches of the earlier generation, which have no batch.json, are uploaded by what their VoTT
files say.
"""

import json
import shutil

from helpers_batch import BatchProject, region
from helpers_tables import images, labels

from utils.labels import tables
from utils.labels.state import Change
from utils.labels.store import LabelStore


def test_a_batch_without_our_marker_is_uploaded_by_its_keys(folder_store, shared, tmp_path):
    totag = tables.parse("totag", shared / "legacy" / "csv" / "totag_source2.csv")
    project = BatchProject(
        folder_store, tmp_path, "1.jpg NULL", filetype="*.png", classes="knot,defect"
    )
    out = tables.concat("tagging", totag.assign(tagger="", reserved_at="2026-01-01T00:00:00Z"))
    project.labels.commit(lambda state: Change({"tagging": out}), what="seeding")
    project.place.mkdir()
    shutil.copy(shared / "legacy" / "vott" / "Images_source.json", project.place)
    shutil.copytree(shared / "legacy" / "vott" / "images", project.place / "Images_source")
    assert project.last(project.run("upload")).startswith("4 images, 10 boxes → tagged_")
    assert project.names("tagged") == [
        f"board_images_png/st{n}.png" for n in (1026, 1578, 1611, 1840)
    ]
    assert project.last(project.run("upload")).startswith(
        "0 images, 0 boxes"
    ) and "holds files" in project.run("download", 1, code=2)


def test_a_file_name_of_several_folders_is_told_by_the_name_of_the_vott_file(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, "9.jpg NULL")
    out = labels("a/north/1.jpg NULL 0 0 0 0 0 0\nb/south/1.jpg NULL 0 0 0 0 0 0", "tagging")
    project.labels.commit(lambda state: Change({"tagging": out}), what="seeding")
    project.place.mkdir()
    content = json.dumps({"frames": {"1.jpg": [region("bird", 0, 20, 0, 10)]}, "inputTags": "bird"})
    (project.place / "Images.json").write_text(content)
    assert "1.jpg: several images of that name handed out" in project.run("upload", code=1)
    (project.place / "Images.json").rename(project.place / "south.json")
    project.run("upload")
    assert project.boxes() == ["b/south/1.jpg bird 0 0.1 0 0.1"]


def test_an_image_without_a_size_stays_reserved_and_is_named_and_the_others_go_through(
    folder_store, tmp_path
):
    project = BatchProject(folder_store, tmp_path, "9.jpg NULL")
    out = labels(
        "1.jpg NULL 0 0 0 0 0 0\n2.jpg NULL 0 0 0 0 0 0\n3.jpg NULL 0 0 0 0 0 0", "tagging"
    )
    nowhere = out.assign(
        **{side: out[side].where(out["filename"] == "1.jpg", 0) for side in ("height", "width")}
    )
    project.labels.commit(
        lambda state: Change({"tagging": nowhere, "images": images("3.jpg", "9.jpg")}),
        what="seeding",
    )
    project.place.mkdir()
    frames = {f"{number}.jpg": [region("bird", 0, 20, 0, 10)] for number in (1, 2, 3)}
    (project.place / "Images.json").write_text(json.dumps({"frames": frames, "inputTags": "bird"}))
    said = project.run("upload")
    assert f"{project.place / 'Images.json'}: 2.jpg: its size is known nowhere" in said
    assert project.names("tagged") == ["1.jpg", "3.jpg"] and project.names("tagging") == ["2.jpg"]
    assert set(project.table("tagged")["width"]) == {200} and set(
        project.table("tagged")["height"]
    ) == {100}


def earlier_batch(project, tagging, frames):
    """A VoTT folder without batch.json, and what is handed out by now."""
    project.labels.commit(
        lambda state: Change({"tagging": labels(tagging, "tagging")}), what="seed"
    )
    project.place.mkdir()
    boxes = {name: [region("bird", 0, 20, 0, 10)] for name in frames}
    (project.place / "Images.json").write_text(json.dumps({"frames": boxes, "inputTags": "bird"}))


OUT = "{image} bird 0 1 0 1 1 1 {tagger} 2026-01-01T00:00:00Z"


def test_without_our_marker_only_images_of_this_tagger_or_of_nobody_are_labelled(store, tmp_path):
    project = BatchProject(store, tmp_path, "9.jpg NULL")
    tagging = "\n".join(
        OUT.format(image=f"{number}.jpg", tagger=tagger)
        for number, tagger in enumerate(("anna", "ben", "ben"), 1)
    )
    tagging += "\n4.jpg bird 0 1 0 1 1 1"  # since the take-over
    earlier_batch(project, tagging, [f"{number}.jpg" for number in (1, 2, 4)])
    said = project.run("upload")
    assert f"{project.place / 'Images.json'}: 2.jpg: 2.jpg is out to ben; left out" in said
    assert project.last(said).startswith("2 images, 2 boxes")
    assert project.names("tagged") == ["1.jpg", "4.jpg"]
    assert project.names("tagging") == ["2.jpg", "3.jpg"]


def test_an_image_that_somebody_gets_at_that_moment_is_left_out(
    folder_store, tmp_path, monkeypatch
):
    project = BatchProject(folder_store, tmp_path, "9.jpg NULL")
    earlier_batch(project, "1.jpg bird 0 1 0 1 1 1\n2.jpg bird 0 1 0 1 1 1", ["1.jpg", "2.jpg"])
    commit = LabelStore.commit

    def after_ben(labels_, change, **options):
        rows = OUT.format(image="1.jpg", tagger="ben") + "\n2.jpg bird 0 1 0 1 1 1"
        commit(project.labels, lambda state: Change({"tagging": labels(rows, "tagging")}), what="")
        return commit(labels_, change, **options)

    monkeypatch.setattr(LabelStore, "commit", after_ben)
    assert "1.jpg is out to ben; left out" in project.run("upload")
    assert project.names("tagged") == ["2.jpg"] and project.names("tagging") == ["1.jpg"]


def test_two_keys_of_one_image_are_left_out_by_name(folder_store, tmp_path):
    project = BatchProject(folder_store, tmp_path, "9.jpg NULL")
    earlier_batch(
        project, "1.jpg bird 0 1 0 1 1 1\n2.jpg bird 0 1 0 1 1 1", ["1.jpg", "1.JPG", "2.jpg"]
    )
    assert "Images/1.JPG and Images/1.jpg are both 1.jpg; it is left out" in project.run("upload")
    assert project.names("tagged") == ["2.jpg"] and project.names("tagging") == ["1.jpg"]
