"""import_predictions.py: what a detector found elsewhere counts like a pretrained model's
predictions, or like our own model's. What cannot be meant is named, and never guessed.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers_programs import done, run
from helpers_state import StateProject
from helpers_tables import labels
from helpers_tools import shared_batch

from train.prediction.journal import PredictionJournal
from train.prediction.run import model_key, version
from utils.boxes.detections import Detections
from utils.config import load_config
from utils.errors import InputError
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.state import Change
from utils.labels.store import open_labels
from utils.labels.tables import blob_names, image_set

BIRD = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.4, 0.6]}
SEAL = {"category": "2", "conf": 0.75, "bbox": [0.6, 0.2, 0.3, 0.6]}


def import_predictions(*arguments) -> None:
    import import_predictions as program

    program.main([str(argument) for argument in arguments])


@pytest.fixture
def project(folder_store, tmp_path):
    return StateProject(folder_store, tmp_path, min_confidence="0.1")


def entry(name, *detections, **members) -> dict:
    return {"file": name, "detections": list(detections), **members}


def results(path: Path, *images, version="1.6", categories=None, **members) -> Path:
    """A results file of MegaDetector."""
    document = {
        "info": {"format_version": version, "detector": "md_v5a.0.0.pt"},
        "detection_categories": categories or {"1": "bird", "2": "seal"},
        "images": list(images),
        **members,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def found(project, table="init_totag") -> list[str]:
    """`image class xmin xmax ymin ymax box_confidence image_confidence`, sorted."""
    return sorted(project.rows(table))


def coco(folder: Path, listed: dict[int, str], *boxes, size=(200, 100)) -> tuple[Path, Path]:
    """(results, file of the images): boxes are (image id, category id, [x, y, w, h], score)."""
    images = [
        {"id": number, "file_name": name, "width": size[0], "height": size[1]}
        for number, name in listed.items()
    ]
    categories = [{"id": 3, "name": "bird"}, {"id": 5, "name": "seal"}]
    members = ("image_id", "category_id", "bbox", "score")
    (folder / "results.json").write_text(
        json.dumps([dict(zip(members, box, strict=True)) for box in boxes])
    )
    (folder / "instances.json").write_text(json.dumps({"images": images, "categories": categories}))
    return folder / "results.json", folder / "instances.json"


def test_megadetectors_results_enter_like_a_pretrained_models(store, tmp_path):
    project = StateProject(store, tmp_path, min_confidence="0.1")
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", BIRD, SEAL),
        entry("a/2.jpg"),
        entry("b/1.jpg", failure="image access failure", detections=None),
        entry("d/1.jpg", BIRD),
    )
    said = done("train/import_predictions.py", path, project.config).splitlines()
    assert said[-1].startswith("2 images, 2 boxes → init_totag_")
    assert any("1 images were not predicted" in line and "b/1.jpg" in line for line in said)
    assert any("1 images are tagged or handed out" in line for line in said)
    assert any(line.split()[:2] == ["1", "bird"] for line in said)
    assert found(project) == [
        "a/1.jpg 1 0.1 0.5 0.2 0.8 0.9 0.75",
        "a/1.jpg 2 0.6 0.9 0.2 0.8 0.75 0.75",
        "a/2.jpg NULL 0 0 0 0 0 0",
    ]
    state = project.labels.read()
    assert state.document["init_classes"] == {"1": "bird", "2": "seal"}
    assert project.names("init_predicted") == ["a/1.jpg", "a/2.jpg"]
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")


def test_imported_predictions_are_handed_out_by_a_class_map_of_names(store, tmp_path):
    project = StateProject(store, tmp_path, min_confidence="0.1", prelabel_confidence="0.1")
    categories = {"1": "animal", "2": "person"}
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", BIRD, SEAL),
        entry("a/2.jpg", BIRD),
        categories=categories,
    )
    done("train/import_predictions.py", path, project.config)
    class_map = {
        "classmap": [
            {"initclass": "animal", "map": "bird", "balance": "1"},
            {"initclass": "NULL", "map": "NULL", "balance": "0"},
        ],
        "unmapclass": ["person"],
        "default_class": "seal",
    }
    (tmp_path / "map.json").write_text(json.dumps(class_map))
    done("tag/download_vott_json.py", 3, project.config, tmp_path / "map.json")
    mine = tables.only(project.table("tagging"), {"a/1.jpg", "a/2.jpg"})
    assert sorted(zip(blob_names(mine), mine["class"], strict=True)) == [
        ("a/1.jpg", "bird"),
        ("a/2.jpg", "bird"),
    ]


def test_as_a_model_of_ours_they_choose_prelabel_and_are_measured(store, tmp_path):
    project = StateProject(store, tmp_path, min_confidence="0.1", prelabel_confidence="0.1")
    whole = {"category": "2", "conf": 0.8, "bbox": [0, 0, 1, 1]}
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", BIRD),
        entry("b/1.jpg"),
        entry("d/3.jpg", whole),  # the test image
        entry("d/1.jpg", BIRD),
    )
    said = done("train/import_predictions.py", path, project.config, "--as-model", "md-v5a")
    assert said.splitlines()[-1].startswith("2 images, 1 boxes by md-v5a → totag_")
    assert "2 images are tagged or handed out" in said and "average AP 1.00" in said
    assert found(project, "totag")[:3] == [
        "a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9",
        "a/2.jpg NULL 0 0 0 0 0 0",
        "b/1.jpg NULL 0 0 0 0 0 0",
    ]
    state = project.labels.read()
    assert set(project.table("predicted")["model"]) == set(state.predicted_by)
    assert list(state.predicted_by.values()) == ["md-v5a"]
    (evaluation,) = state.document["evaluations"]
    assert evaluation["model"] == "md-v5a" and evaluation["metrics"]["seal"]["AP"] == 1
    assert "0 rules broken" in done("tag/status.py", project.config, "--check")
    done("tag/download_vott_json.py", 4, project.config, "--strategy", "lowest_box")
    vott = json.loads((tmp_path / "Tag/Images.json").read_text(encoding="utf-8"))
    assert [region["tags"] for region in vott["frames"]["a__1.jpg"]] == [["bird"]]


def test_what_was_drawn_at_random_measures_imported_predictions_too(project, tmp_path, capsys):
    drawn = labels("d/1.jpg bird 0.1 0.5 0.1 0.5 0.9 0.9", "totag").assign(model="md")
    project.commit(drawn=tables.concat("drawn", drawn))
    import_predictions(
        results(tmp_path / "md.json", entry("a/1.jpg", BIRD)), project.config, "--as-model", "md"
    )
    assert "random share: AP" in capsys.readouterr().out


def test_names_of_other_base_folders_and_with_either_slash_are_found(project, tmp_path):
    path = results(
        tmp_path / "md.json",
        entry("C:\\photos\\a\\1.jpg", BIRD),
        entry("/data/survey/a/2.jpg", BIRD),
        entry(".\\b\\1.jpg", BIRD),
    )
    import_predictions(path, project.config)
    assert project.names("init_totag") == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]


def test_a_name_that_fits_several_images_is_named_and_the_base_folder_settles_it(
    project, tmp_path, capsys
):
    path = results(tmp_path / "md.json", entry("1.jpg", BIRD), entry("b/1.jpg", BIRD))
    import_predictions(path, project.config)
    assert project.names("init_totag") == ["b/1.jpg"]
    assert "1 names fit several images" in capsys.readouterr().out
    path = results(tmp_path / "md.json", entry("1.jpg", BIRD))
    import_predictions(path, project.config, "--base", "a/")
    assert project.names("init_totag") == ["a/1.jpg", "b/1.jpg"]


WRONG = {
    "a/1.jpg": ({**BIRD, "conf": 1.42}, "score 1.42"),
    "a/2.jpg": ({**BIRD, "bbox": [10, 20, 40, 60]}, "of the picture"),
    "b/1.jpg": ({**BIRD, "bbox": [0.5, 0.5, -0.2, 0.1]}, "below 0"),
}


def test_values_out_of_range_take_their_image_out_and_are_counted_and_named(
    project, tmp_path, capsys
):
    entries = [entry(name, SEAL, wrong) for name, (wrong, _) in WRONG.items()]
    path = results(tmp_path / "md.json", *entries, entry("d/1.jpg", BIRD))
    before = project.labels.read().document
    with pytest.raises(InputError, match="every one is tagged"):
        import_predictions(path, project.config)
    assert project.labels.read().document == before
    import_predictions(path, project.config, "--as-model", "md")
    output = capsys.readouterr().out
    (line,) = [line for line in output.splitlines() if "values that cannot be" in line]
    assert line.startswith(f"{path}: 3 images have values")
    assert all(f"{name} (" in line and said in line for name, (_, said) in WRONG.items())


@pytest.mark.parametrize(
    "detection, said",
    [
        ({**BIRD, "conf": None}, "no number"),
        ({**BIRD, "conf": True}, "no number"),
        ({**BIRD, "bbox": [0, 0, float("nan"), 1]}, "no number"),
        ({**BIRD, "bbox": [0, 0, "x", 1]}, "no number"),
        ({**BIRD, "bbox": [0, 0, 1]}, "not x, y, width, height"),
        ("bird", "not as MegaDetector"),
    ],
)
def test_what_is_no_detection_is_said(project, tmp_path, detection, said):
    path = results(tmp_path / "md.json", entry("a/1.jpg", detection))
    with pytest.raises(InputError, match=f"none of its 1 images can be used.*{said}"):
        import_predictions(path, project.config)


def test_repeated_and_unknown_images_are_counted_and_named(project, tmp_path, capsys):
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", BIRD),
        entry("x\\a\\1.jpg", SEAL),
        entry("a/2.jpg", BIRD),
        entry("a/2.jpg", BIRD),
        entry("z/7.jpg", BIRD),
        {"detections": []},
        entry("b/video.mp4", BIRD),
    )
    import_predictions(path, project.config)
    output = capsys.readouterr().out
    assert "1 images are there more than once, differently: a/1.jpg (also as x\\a\\1.jpg)" in output
    assert "2 images of the file are not in" in output and "z/7.jpg" in output
    assert "video" not in output
    assert project.names("init_totag") == ["a/2.jpg"], "the same twice is taken once"


def test_categories_are_told_by_name_and_what_is_not_listed_is_no_detection(project, tmp_path):
    first = results(
        tmp_path / "1.json", entry("a/1.jpg", BIRD), categories={"1": "animal", "2": "person"}
    )
    import_predictions(first, project.config)
    unlisted, empty = {**BIRD, "category": "9"}, {**BIRD, "category": "0"}
    second = results(
        tmp_path / "2.json",
        entry("a/2.jpg", {**BIRD, "category": "2"}, unlisted, empty),
        entry("b/1.jpg", unlisted),
        categories={"0": "empty", "2": "animal", "1": "vehicle"},
    )
    import_predictions(second, project.config)
    assert [row.split()[:2] for row in found(project)] == [
        ["a/1.jpg", "1"],
        ["a/2.jpg", "1"],
        ["b/1.jpg", "NULL"],
    ]
    assert project.labels.read().document["init_classes"]["1"] == "animal"


def test_a_classification_names_the_box_the_surest_first_or_not(project, tmp_path):
    classified = {**BIRD, "classifications": [["0", 0.2], ["7", 0.7], ["99", 0.9]]}
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", classified, SEAL),
        classification_categories={"0": "fox", "7": "gull"},
    )
    import_predictions(path, project.config)
    names = project.labels.read().document["init_classes"]
    assert [names[row.split()[1]] for row in found(project)] == ["seal", "gull"]


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5", 1.5, "1.6"])
def test_every_known_version_is_read(project, tmp_path, version):
    path = results(tmp_path / "md.json", entry("a/1.jpg", BIRD), version=version)
    import_predictions(path, project.config)
    assert project.names("init_totag") == ["a/1.jpg"]


def test_other_files_are_refused_by_name_in_one_line(project, tmp_path):
    microsofts = [{"file": "a/1.jpg", "detections": [{"category": "animal", "confidence": 0.9,
                                                      "bbox": [1, 2, 3, 4]}]}]  # fmt: skip
    of_version = {"info": {"format_version": "1.2"}, "detection_categories": {}, "images": []}
    for content, said in (
        (json.dumps(microsofts), "list of Microsoft's MegaDetector"),
        (json.dumps(of_version), "is of format 1.2; known are 1.3 to 1.6"),
        (json.dumps({**of_version, "info": {}}), "does not say its format_version"),
        (json.dumps({**of_version, "info": {"format_version": "1.6"}, "images": {}}), "not a list"),
        (json.dumps({"images": [], "annotations": []}), "COCO labels, not results"),
        (json.dumps([{"image_id": 1, "category_id": 1}]), "with --images instances.json"),
        ("[1, 2]", "no predictions that are known here"),
        ('{"images": [', "not readable as JSON"),
        ("", "not readable as JSON"),
    ):
        (tmp_path / "x.json").write_text(content)
        finished = run("train/import_predictions.py", tmp_path / "x.json", project.config)
        assert finished.returncode == 2 and said in finished.stderr, finished.stderr
        assert len(finished.stderr.splitlines()) == 1 and not finished.stdout
    assert project.labels.read().blob("init_totag") is None


def test_cocos_results_come_with_the_file_of_the_images(project, tmp_path, capsys):
    path, images = coco(
        tmp_path,
        {1: "a\\1.jpg", 2: "survey/a/2.jpg", 3: "b/1.jpg"},
        (1, 3, [20, 20, 80, 60], 0.9),
        (1, 5, [120, 20, 60, 60], 0.75),
        (3, 5, [120, 20, 600, 60], 0.75),
        (9, 5, [0, 0, 1, 1], 0.5),
    )
    import_predictions(path, project.config, "--images", images)
    assert found(project) == [
        "a/1.jpg 1 0.1 0.5 0.2 0.8 0.9 0.75",
        "a/1.jpg 2 0.6 0.9 0.2 0.8 0.75 0.75",
        "a/2.jpg NULL 0 0 0 0 0 0",
    ]
    output = capsys.readouterr().out
    assert "b/1.jpg (a box of seal reaches to 3.6 of the picture" in output
    assert "image_id 9" in output


def test_cocos_classes_and_sizes_must_be_listed(project, tmp_path):
    path, images = coco(tmp_path, {1: "a/1.jpg"}, (1, 4, [0, 0, 9, 9], 0.9))
    with pytest.raises(InputError, match="category_id 4, which is not listed"):
        import_predictions(path, project.config, "--images", images)
    path, images = coco(tmp_path, {1: "a/1.jpg"}, (1, 3, [0, 0, 9, 9], 0.9), size=(0, None))
    with pytest.raises(InputError, match="does not say its size"):
        import_predictions(path, project.config, "--images", images)
    images.write_text("[]")
    with pytest.raises(InputError, match="not the file of the images"):
        import_predictions(path, project.config, "--images", images)


def test_a_totag_csv_is_read_and_one_without_scores_is_not(project, tmp_path):
    text = "a/1.jpg bird 0.1 0.5 0.2 0.8 0.9 0.9\na/2.jpg NULL 0 0 0 0 0 0\nb/1.jpg NULL"
    path = project.csv(tmp_path / "x.csv", text, "totag")
    import_predictions(path, project.config)
    assert found(project) == ["a/1.jpg 1 0.1 0.5 0.2 0.8 0.9 0.9", "a/2.jpg NULL 0 0 0 0 0 0"]
    with pytest.raises(InputError, match="no column box_confidence"):
        import_predictions(project.csv(tmp_path / "y.csv", "a/1.jpg bird 0 1 0 1"), project.config)


def test_boxes_below_min_confidence_are_left_out_and_counted(project, tmp_path, capsys):
    weak = {**SEAL, "conf": 0.05}
    import_predictions(
        results(tmp_path / "md.json", entry("a/1.jpg", BIRD, weak), entry("a/2.jpg", weak)),
        project.config,
    )
    assert [row.split()[:2] for row in found(project)] == [["a/1.jpg", "1"], ["a/2.jpg", "NULL"]]
    assert "2 boxes are below min_confidence=0.1: left out" in capsys.readouterr().out


def test_as_a_model_classes_that_nobody_knows_are_named_and_renamed_ones_found(
    project, tmp_path, capsys
):
    done("tag/change_classes.py", project.config, "--rename", "bird=tern")
    path = results(
        tmp_path / "md.json",
        entry("a/1.jpg", BIRD, {**SEAL, "category": "3"}),
        categories={"1": "bird", "3": "vehicle"},
    )
    import_predictions(path, project.config, "--as-model", "md")
    assert "a/1.jpg tern 0.1 0.5 0.2 0.8 0.9 0.9" in found(project, "totag")
    assert "vehicle (1 boxes); left out" in capsys.readouterr().out
    path = results(tmp_path / "x.json", entry("a/1.jpg", BIRD), categories={"1": "animal"})
    with pytest.raises(InputError, match="its classes are animal, and none of them is in classes"):
        import_predictions(path, project.config, "--as-model", "md")


@pytest.mark.parametrize("name", ["", " ", "model_1700000000000.pb", "a\nb"])
def test_a_name_that_cannot_be_a_models_is_refused(project, tmp_path, name):
    with pytest.raises(InputError, match="--as-model"):
        import_predictions(tmp_path / "x.json", project.config, "--as-model", name)


def test_images_that_are_handed_out_meanwhile_stay_out(project, tmp_path):
    path = results(tmp_path / "md.json", entry("a/1.jpg", BIRD), entry("c/2.jpg", BIRD))
    import_predictions(path, project.config, "--as-model", "md")
    assert "c/2.jpg" not in project.names("totag") and "c/2.jpg" in project.names("tagging")


def test_a_project_without_images_is_one_line(folder_store, tmp_path):
    config = tmp_path / "config.ini"
    config.write_text(folder_store.config_text(), encoding="utf-8")
    with pytest.raises(InputError, match="begins with train/active_learning_initialize.sh"):
        import_predictions(results(tmp_path / "md.json", entry("a/1.jpg")), config)


def test_a_pretrained_models_own_run_keeps_the_numbers_that_imported_classes_have(
    folder_store, tmp_path
):
    (tmp_path / "graph.pb").write_bytes(b"a model that need not be loaded")
    (tmp_path / "names.json").write_text('{"1": "seal", "2": "bird"}')
    project = StateProject(
        folder_store,
        tmp_path,
        min_confidence="0.1",
        init_model_graph=tmp_path / "graph.pb",
        init_label_map=tmp_path / "names.json",
    )
    import_predictions(results(tmp_path / "md.json", entry("a/1.jpg", BIRD)), project.config)
    settings = load_config(project.config)
    images = project.table("images")
    with PredictionJournal(
        settings.data_dir / "init_predictions.journal",
        model_key(settings.init_model_graph, settings, Greys()),
    ) as journal:
        for blob, etag in zip(blob_names(images), images["etag"], strict=True):
            corners = np.array([[0.1, 0.1, 0.2, 0.2]] * 2)
            journal.add(
                blob,
                version(etag, 0.1),
                Detections(corners, np.array([2, 1]), np.array([0.9, 0.8])),
            )
    done("train/create_init_predictions.py", project.config)
    names = project.labels.read().document["init_classes"]
    assert names == {"1": "bird", "2": "seal"}
    assert {names[row.split()[1]] for row in found(project)} == {"bird", "seal"}
    scores = {row.split()[1]: row.split()[6] for row in found(project) if "a/2" in row}
    assert scores == {"1": "0.9", "2": "0.8"}


def test_the_real_file_of_megadetector_utils_arrives_as_the_truth(shared, folder_store, tmp_path):
    from helpers_tables import images as listed

    batch = shared_batch(shared, tmp_path)
    config = tmp_path / "config.ini"
    config.write_text(
        folder_store.config_text(
            user_folders="False", classes="RBC,WBC,Platelets", min_confidence="0.1"
        )
    )
    _, store = open_labels(load_config(config))
    frame = listed(*(sheet.name for sheet in batch.images.values()))
    frame["height"] = [sheet.height for sheet in batch.images.values()]
    frame["width"] = [sheet.width for sheet in batch.images.values()]
    unseen = labels("\n".join("x.jpg NULL" for _ in frame.index), "totag")
    unseen = unseen.assign(**{name: frame[name] for name in ("filename", "height", "width")})
    store.commit(lambda state: Change({"images": frame, "totag": unseen}), what="test")
    path = shared / "tools/megadetector/ours_1.6.json"
    import_predictions(path, config, "--as-model", "md")
    totag = store.table(store.read(), "totag")
    assert image_set(totag) == {sheet.name for sheet in batch.images.values()}
    for sheet in batch.images.values():
        rows = totag[blob_names(totag) == sheet.name].sort_values(["class", "xmin"])
        expected = sorted((box.tag, *box.sides) for box in sheet.boxes) or [("NULL", 0, 0, 0, 0)]
        columns = ["class", "xmin", "xmax", "ymin", "ymax"]
        for row, box in zip(rows[columns].values.tolist(), expected, strict=True):
            assert row[0] == box[0] and row[1:] == pytest.approx(box[1:], abs=2e-4)
    import_predictions(shared / "tools/megadetector/ours_1.6_classified.json", config)
    assert "neutrophil" in store.read().document["init_classes"].values()
