"""Labelled images become TFRecords that tf-models-official reads; what is wrong with the labels is
said before.
"""

import io
import json
from pathlib import Path

import create_tf_records
import numpy as np
import pytest
import update_label_map
from helpers_project import Project
from helpers_tables import labels
from PIL import Image, ImageOps

from train.network import labelled_images
from utils.errors import InputError
from utils.labels import tables
from utils.labels.label_map import label_map_text, read_label_map, read_retired
from utils.labels.state import Change

ROOT = Path(__file__).resolve().parent.parent


BOXES = "bird .1 .3 .2 .6"


def picture(width=200, height=100, mark=(0, 0, 20, 10)):
    """A dark picture with a white rectangle (left, top, right, bottom) and a little texture."""
    pixels = np.random.default_rng(0).integers(0, 60, (height, width, 3), np.uint8)
    left, top, right, bottom = mark
    pixels[top:bottom, left:right] = 255
    return Image.fromarray(pixels)


def saved(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


class RecordsProject(Project):
    """Images and labels, and a cycle's files as sync_images leaves them."""

    def __init__(self, store, folder: Path, **settings):
        chosen = {
            "classes": "bird,seal",
            "filetype": "*",
            "min_tile_size": "128",
            "max_tile_size": "192",
            "validation_percentage": "0",
        }
        super().__init__(store, folder, **{**chosen, **settings})
        self.files: dict[str, bytes] = {}

    def labelled(
        self, text: str, test: str = "", failed: tuple = (), gone: tuple = (), **files: bytes
    ) -> None:
        """Labels as helpers_tables.labels reads them; images not given in `files` (name with . as
        _) are drawn.
        """
        tagged = labels(text)
        names = [name for name in sorted(tables.image_set(tagged)) if name not in gone]
        images = []
        for name in names:
            data = files.get(name.replace(".", "_"), None) or saved(picture())
            self.files[name] = data
            self.store.images.write(name, data)
            height, width = picture_size(data)
            if name not in failed:
                images.append((*tables.split_name(name), height, width, len(data), str(hash(data))))
        folder, filename, height, width, size, etag = (
            zip(*images, strict=True) if images else [()] * 6
        )
        table = tables.make(
            "images",
            filename=filename,
            folder=folder,
            height=height,
            width=width,
            bytes=size,
            etag=etag,
        )
        bad = tables.make("failed", filename=list(failed), reason="broken", etag="1")
        self.settings.data_dir.mkdir(exist_ok=True)
        for name, frame, path in (
            ("tagged", tagged, self.settings.tagged_output),
            ("images", table, self.settings.data_dir / "images.csv"),
            ("failed", bad, self.settings.data_dir / "failed.csv"),
            ("test", tables.only(tagged, test.split()), self.settings.test_output),
        ):
            path.write_bytes(tables.to_csv(name, frame, True))

    def records(self) -> dict:
        create_tf_records.main([str(self.config)])
        return json.loads((self.settings.data_dir / "records.json").read_text())

    def examples(self, part: str = "train") -> dict[str, dict]:
        """What tf-models-official's decoder reads, and the fields that it ignores, by image."""
        import tensorflow as tf
        from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

        from train.network import records

        found = {}
        shards = getattr(records.read_records(self.settings.tf_record_location), part).shards
        for raw in tf.data.TFRecordDataset([str(path) for path in shards]):
            values = {key: value.numpy() for key, value in TfExampleDecoder().decode(raw).items()}
            feature = tf.train.Example.FromString(raw.numpy()).features.feature
            values["bytes"] = feature["image/encoded"].bytes_list.value[0]
            values["format"] = feature["image/format"].bytes_list.value[0].decode()
            values["names"] = [
                text.decode() for text in feature["image/object/class/text"].bytes_list.value
            ]
            found[feature["image/filename"].bytes_list.value[0].decode()] = values
        return found


def picture_size(data: bytes) -> tuple[int, int]:
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).size[::-1]
    except OSError:
        return 100, 200


@pytest.fixture
def project(folder_store, tmp_path):
    return lambda **settings: RecordsProject(folder_store, tmp_path, **settings)


def refused(project: RecordsProject) -> str:
    with pytest.raises(InputError) as error:
        project.records()
    assert not (project.settings.data_dir / "records.json").exists()
    return str(error.value)


def test_without_labels_nothing_can_be_trained(project):
    it = project()
    it.labelled("")
    assert "no labels yet" in refused(it)


def test_without_any_box_nothing_can_be_trained(project):
    it = project()
    it.labelled("a.jpg NULL\nb.jpg NULL")
    assert "no box of any class in the 2 labelled images" in refused(it)


def test_labels_of_images_that_are_all_gone_cannot_be_used(project):
    it = project()
    it.labelled(f"a.jpg {BOXES}\nb.jpg {BOXES}", gone=("a.jpg", "b.jpg"))
    assert "none of the 2 labelled images can be used" in refused(it)


def test_boxes_only_in_the_test_set_cannot_be_trained_on(project):
    it = project()
    it.labelled(f"a.jpg {BOXES}\nb.jpg NULL", test="a.jpg")
    assert "all boxes are in images of the test set" in refused(it)


def test_classes_that_the_config_does_not_know_are_named_with_where_they_are(project):
    it = project()
    it.labelled(
        f"a.jpg {BOXES}\nb.jpg Bird .1 .2 .1 .2\nc.jpg Bird .1 .2 .1 .2\nc.jpg fish .1 .2 .1 .2"
    )
    message = refused(it)
    assert "'Bird' (2 boxes, for example in b.jpg; a misspelt bird?)" in message
    assert "'fish' (1 box, for example in c.jpg)" in message


def test_the_decoder_of_tf_models_reads_what_people_drew(project):
    it = project()
    it.labelled("a/x.jpg bird .1 .3 .2 .6\na/x.jpg seal .5 1 .5 1\nb/x.jpg seal 0 .5 0 .5")
    it.records()
    found = it.examples()
    assert set(found) == {"a/x.jpg", "b/x.jpg"}
    example = found["a/x.jpg"]
    np.testing.assert_allclose(
        example["groundtruth_boxes"], [[0.2, 0.1, 0.6, 0.3], [0.5, 0.5, 1, 1]], atol=1e-6
    )
    assert list(example["groundtruth_classes"]) == [1, 2] and example["names"] == ["bird", "seal"]
    np.testing.assert_allclose(
        example["groundtruth_area"], [0.2 * 200 * 0.4 * 100, 5000], rtol=1e-5
    )
    assert not example["groundtruth_is_crowd"].any()
    assert (example["height"], example["width"]) == (100, 200) and example["image"].shape == (
        100,
        200,
        3,
    )
    assert {value["source_id"] for value in found.values()} == {b"1", b"2"}


def test_plain_jpeg_and_png_go_in_as_their_own_bytes(project):
    it = project()
    grey, png = saved(picture().convert("L")), saved(picture(), "PNG")
    it.labelled(f"a.jpg {BOXES}\nb.png {BOXES}", a_jpg=grey, b_png=png)
    it.records()
    assert it.examples()["a.jpg"]["bytes"] == grey and it.examples()["a.jpg"]["format"] == "jpeg"
    assert it.examples()["b.png"]["bytes"] == png and it.examples()["b.png"]["format"] == "png"


def test_a_turned_photograph_goes_in_upright(project):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: what it stored must be turned clockwise
    it = project()
    it.labelled(f"a.jpg {BOXES}", a_jpg=saved(picture(mark=(0, 50, 100, 100)), exif=exif))
    it.records()
    image = it.examples()["a.jpg"]["image"]
    assert image.shape == (200, 100, 3)
    assert (
        image[20:80, 5:45].mean() > 200
        and image[20:80, 60:95].mean() < 60
        and image[120:180, 5:45].mean() < 60
    )


@pytest.mark.parametrize(
    "name, data",
    [
        ("a.png", saved(picture().convert("RGBA"), "PNG")),
        ("a.bmp", saved(picture(), "BMP")),
        ("a.bmp", saved(picture().quantize(16), "BMP")),
        (
            "a.png",
            saved(
                Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 257), "PNG"
            ),
        ),
    ],
)
def test_other_formats_are_encoded_again_without_loss(project, name, data):
    from utils.images.decoding import decode

    it = project()
    it.labelled(f"{name} {BOXES}", **{name.replace(".", "_"): data})
    it.records()
    example = it.examples()[name]
    assert example["format"] == "png"
    np.testing.assert_array_equal(example["image"], decode(data))


def test_an_image_far_larger_than_the_canvas_is_stored_at_twice_its_fitted_size(project):
    it = project()
    it.labelled(
        f"a.jpg {BOXES}\nb.jpg {BOXES}",
        a_jpg=saved(picture(1600, 800, mark=(0, 0, 800, 400))),
        b_jpg=saved(picture(400, 200)),
    )
    it.records()
    found = it.examples()
    assert found["a.jpg"]["image"].shape == (192, 384, 3) and (
        found["a.jpg"]["height"],
        found["a.jpg"]["width"],
    ) == (192, 384)
    assert (
        found["a.jpg"]["image"][10:90, 10:180].mean() > 200
        and found["a.jpg"]["image"][110:, 200:].mean() < 60
    )
    assert found["b.jpg"]["bytes"] == it.files["b.jpg"]


def test_images_with_more_boxes_than_the_model_finds_are_counted_and_the_number_that_fits_is_said(
    project, capsys
):
    it = project()
    full = "\n".join(f"a.jpg bird .{n:03d} .{n + 2:03d} .1 .3" for n in range(100, 230))
    it.labelled(f"{full}\nb.jpg {BOXES}")
    document = it.records()
    assert document["most_boxes"] == 130
    assert (
        "warning: 1 images have more than max_detections=100 boxes, up to 130 (in a.jpg); the model"
        " finds no more than that in an image. Set max_detections=150, and train again"
    ) in capsys.readouterr().err
    assert it.examples()["a.jpg"]["groundtruth_boxes"].shape == (130, 4)
    it.labelled(f"b.jpg {BOXES}")
    it.records()
    assert "max_detections" not in capsys.readouterr().err


def test_empty_images_are_written_as_negatives(project):
    it = project()
    it.labelled(
        f"a.jpg {BOXES}\nb.jpg NULL",
    )
    document = it.records()
    assert (
        document["train"]["images"] == 2
        and document["train"]["empty"] == 1
        and document["train"]["boxes"] == 1
    )
    assert it.examples()["b.jpg"]["groundtruth_boxes"].shape == (0, 4)


def test_boxes_are_put_in_order_and_inside_the_image_and_those_without_area_left_out(project):
    it = project()
    it.labelled(
        "a.jpg bird .3 .1 -.2 .6\na.jpg bird .5 .5 .1 .2\na.jpg bird 1.1 1.4 .1 .2\nb.jpg seal .2"
        " .2 .1 .1"
    )
    document = it.records()
    np.testing.assert_allclose(
        it.examples()["a.jpg"]["groundtruth_boxes"], [[0, 0.1, 0.6, 0.3]], atol=1e-6
    )
    assert document["skipped"]["boxes_without_area"] == 3
    assert it.examples()["b.jpg"]["groundtruth_boxes"].shape == (0, 4)


def test_a_file_that_pillow_reads_and_tensorflow_does_not_goes_in_encoded_again(project):
    from utils.images.decoding import decode

    it = project()
    without_end = saved(picture())[:-2] + bytes(200)  # a camera whose battery died
    it.labelled(f"a.jpg {BOXES}\nb.jpg {BOXES}", b_jpg=without_end)
    document = it.records()
    assert document["train"]["images"] == 2 and document["skipped"]["undecodable"] == {}
    found = it.examples()
    assert found["a.jpg"]["bytes"] == it.files["a.jpg"]
    assert found["b.jpg"]["bytes"] != without_end and found["b.jpg"]["format"] == "jpeg"
    assert np.abs(found["b.jpg"]["image"].astype(int) - decode(without_end)).mean() < 2


def test_an_image_that_the_disk_does_not_give_is_skipped_and_said(project, monkeypatch, capsys):
    from pathlib import Path

    it = project()
    it.labelled(f"a.jpg {BOXES}\nb.jpg {BOXES}")
    whole = Path.read_bytes

    def read_bytes(path):
        if path.name == "b.jpg":
            raise OSError(5, "Input/output error")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    reason = "this machine cannot read it now (Input/output error)"
    assert it.records()["skipped"]["undecodable"] == {"b.jpg": reason}
    assert "b.jpg" in capsys.readouterr().err and list(it.examples()) == ["a.jpg"]


def test_images_that_are_gone_or_broken_are_skipped_and_said(project, capsys):
    it = project()
    truncated = saved(picture())[:900]
    it.labelled(
        f"a.jpg {BOXES}\nb.jpg {BOXES}\nc.jpg {BOXES}\nd.jpg {BOXES}",
        failed=("b.jpg",),
        gone=("c.jpg",),
        d_jpg=truncated,
    )
    document = it.records()
    assert list(it.examples()) == ["a.jpg"] and document["train"]["images"] == 1
    assert (
        document["skipped"]["gone"],
        document["skipped"]["failed"],
        list(document["skipped"]["undecodable"]),
    ) == (1, 1, ["d.jpg"])
    printed = capsys.readouterr()
    assert (
        "warning: d.jpg: " in printed.err
        and "1 labelled images are not in the image container any more" in printed.out
    )


def test_images_that_were_turned_after_they_were_labelled_are_named(project, capsys):
    it = project()
    it.labelled(
        f"a.jpg {BOXES}\nb.jpg {BOXES}\nc.jpg NULL\nd.jpg NULL",
        a_jpg=saved(picture(200, 100)),
        b_jpg=saved(picture(100, 200)),
        c_jpg=saved(picture(300, 200)),
        d_jpg=saved(picture(400, 200)),
    )
    it.records()
    assert (
        "warning: 2 images have another shape now than when they were labelled (b.jpg, c.jpg)"
        in capsys.readouterr().err
    )


def test_with_no_decodable_image_nothing_can_be_trained(project):
    it = project()
    it.labelled(f"a.jpg {BOXES}", a_jpg=saved(picture())[:900])
    assert "can be decoded" in refused(it)


def test_test_images_are_never_in_the_records_and_parts_do_not_overlap(project):
    it = project(validation_percentage="0.2")
    names = [f"{number}.jpg" for number in range(40)]
    it.labelled("\n".join(f"{name} {BOXES}" for name in names), test="3.jpg 7.jpg")
    document = it.records()
    train, validation = set(it.examples()), set(it.examples("validation"))
    assert (
        train | validation == set(names) - {"3.jpg", "7.jpg"}
        and not train & validation
        and validation
    )
    assert document["test"]["images"] == 2 and document["test"]["shards"] == {}
    assert tables.image_set(tables.parse("tagged", it.settings.validation_output)) == validation


def test_images_and_boxes_per_class_are_printed_and_scarce_classes_warned_of(project, capsys):
    it = project(classes="bird,seal,whale", validation_percentage="0.2")
    birds = "\n".join(f"{number}.jpg {BOXES}\n{number}.jpg {BOXES}" for number in range(30))
    it.labelled(f"{birds}\na.jpg seal .1 .2 .1 .2\nb.jpg NULL", test="0.jpg")
    document = it.records()
    printed = capsys.readouterr()
    row = next(line.split() for line in printed.out.splitlines() if line.startswith("bird"))
    assert [int(cell) for cell in row[1:]] == [
        document["train"]["images_of_class"]["bird"],
        document["train"]["boxes_of_class"]["bird"],
        document["validation"]["images_of_class"]["bird"],
        document["validation"]["boxes_of_class"]["bird"],
        1,
        2,
    ]
    assert "class 'whale': nobody has drawn a box of it yet" in printed.err
    assert "class 'seal': only 1 box" in printed.err and "'bird'" not in printed.err
    assert document["validation_usable"] is False and "the last one will be exported" in printed.out


def test_validation_is_usable_with_enough_images_and_every_class_in_it():
    part = {"images": 10, "boxes_of_class": {"bird": 3, "seal": 0}}
    counts = {"train": part, "validation": part, "test": part}
    assert labelled_images.unusable_validation(counts) == ""
    assert "fewer than 20" in labelled_images.unusable_validation(
        {**counts, "train": {**part, "images": 0}, "test": {**part, "images": 0}}
    )
    bare = {"images": 10, "boxes_of_class": {"bird": 0, "seal": 0}}
    assert "no box of bird" in labelled_images.unusable_validation({**counts, "validation": bare})


def test_unchanged_labels_keep_their_records_and_changed_ones_change_the_digest(project):
    it = project()
    text = f"a.jpg {BOXES}\nb.jpg {BOXES}"
    it.labelled(text)
    first = it.records()
    shard = it.settings.data_dir / next(iter(first["train"]["shards"]))
    written = shard.stat().st_mtime_ns
    assert it.records() == first and shard.stat().st_mtime_ns == written
    it.labelled(text.replace("a.jpg bird .1", "a.jpg bird .11"))
    assert it.records()["digest"] != first["digest"]
    it.labelled(text, a_jpg=saved(picture(mark=(0, 0, 30, 30))))
    assert it.records()["digest"] != first["digest"]


def test_a_lost_shard_is_noticed_and_written_again(project):
    from train.network import records

    it = project()
    it.labelled(f"a.jpg {BOXES}")
    first = it.records()
    (it.settings.data_dir / next(iter(first["train"]["shards"]))).unlink()
    with pytest.raises(InputError, match="is not the file"):
        records.read_records(it.settings.tf_record_location)
    assert it.records() == first and list(it.examples()) == ["a.jpg"]


def test_many_images_are_spread_over_shards_in_a_seeded_order(project, monkeypatch):
    from train.network import records

    monkeypatch.setattr(records, "_SHARD_BYTES", 3 * len(saved(picture())))
    names = [f"{number:02}.jpg" for number in range(20)]
    it = project()
    it.labelled("\n".join(f"{name} {BOXES}" for name in names))
    document = it.records()
    assert list(document["train"]["shards"]) == [
        f"stamps_train-{number:05}-of-00007.record" for number in range(7)
    ]
    order = list(it.examples())
    assert sorted(order) == names and order != names
    assert document["validation"]["shards"] == {} and not list(it.settings.data_dir.glob("*.part"))
    monkeypatch.setattr(records, "_SHARD_BYTES", 2**20)
    it.labelled("\n".join(f"{name} {BOXES}" for name in names[:10]))
    it.records()
    assert [file.name for file in it.settings.data_dir.glob("*.record")] == [
        "stamps_train-00000-of-00001.record"
    ]


def test_ids_follow_the_live_label_map_and_the_state_says_what_is_renamed_or_dropped(project):
    it = project(classes="bird,crow")
    blob = it.labels.publish_file(
        "label_map", ".pbtxt", label_map_text({"seal": 1, "Bird": 2}).encode()
    )
    it.labels.commit(
        lambda state: Change(
            members={
                "live": {"label_map": blob},
                "classes": {"renamed": {"Bird": "bird"}, "dropped": ["seal"]},
            }
        ),
        what="test",
    )
    it.labelled(
        "a.jpg Bird .1 .2 .1 .2\nb.jpg bird .1 .2 .1 .2\nc.jpg seal .1 .2 .1 .2\nd.jpg crow .1 .2"
        " .1 .2"
    )
    document = it.records()
    assert document["classes"] == {"bird": 2, "crow": 3}
    assert {name: list(value["groundtruth_classes"]) for name, value in it.examples().items()} == {
        "a.jpg": [2],
        "b.jpg": [2],
        "c.jpg": [],
        "d.jpg": [3],
    }
    assert read_label_map(it.settings.label_map_path) == {"bird": 2, "crow": 3}
    assert read_retired(it.settings.label_map_path) == {"seal": 1}


def test_a_class_taken_out_of_the_config_is_dropped_and_taken_up_again_by_the_commands_named(
    project, capsys
):
    it = project(classes="bird")
    blob = it.labels.publish_file(
        "label_map", ".pbtxt", label_map_text({"bird": 1, "seal": 2}).encode()
    )
    it.labels.commit(
        lambda state: Change(
            members={
                "live": {"label_map": blob},
                "classes": {"renamed": {"Seal": "seal"}, "dropped": []},
            }
        ),
        what="test",
    )
    it.labelled(f"a.jpg {BOXES}\na.jpg seal .1 .2 .1 .2\nb.jpg Seal .1 .2 .1 .2\nb.jpg NULL")
    said = f"bash train/active_learning_update_label_map.sh {it.config}"
    assert refused(it).endswith(f"if you have taken them out of classes=, record that: {said}")
    update_label_map.main([str(it.config)])
    capsys.readouterr()
    assert it.records()["skipped"]["boxes_of_dropped_classes"] == {"seal": 2}
    printed = capsys.readouterr()
    assert (
        "2 boxes of the dropped class 'seal': left out" in printed.out
        and "recorded as dropped" not in printed.err
    )

    it = project(classes="bird,Seal")
    assert it.records()["classes"] == {"bird": 1}
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if "recorded as dropped" in line
    )
    assert line.startswith("warning: class 'Seal' stands in classes= ") and line.endswith(said)
    update_label_map.main([str(it.config)])
    document = it.records()
    assert (document["classes"], document["skipped"]["boxes_of_dropped_classes"]) == (
        {"bird": 1, "seal": 2},
        {},
    )
    assert "dropped" not in capsys.readouterr().err


def test_tiles_in_which_objects_look_much_larger_than_in_training_are_warned_of(project, capsys):
    large, small = saved(picture(800, 400)), saved(picture())
    it = project(tile="True")
    text = f"a.jpg {BOXES}\nb.jpg {BOXES}\nc.jpg {BOXES}"
    it.labelled(text, a_jpg=large, b_jpg=large, c_jpg=small)
    it.records()
    assert (
        "tile=True: objects are 2.8 times as large in the tiles that are predicted as in the whole"
        " images" in capsys.readouterr().err
    )
    it.labelled(text, a_jpg=large, b_jpg=small, c_jpg=small)
    it.records()
    assert "tile" not in capsys.readouterr().err
    it = project()
    it.labelled(text, a_jpg=large, b_jpg=large, c_jpg=large)
    it.records()
    assert "tile" not in capsys.readouterr().err


def test_the_records_can_be_read_back_by_training(project):
    from train.network import records

    it = project()
    it.labelled(f"a.jpg {BOXES}\na.jpg seal .1 .2 .1 .2\nb.jpg {BOXES}")
    it.records()
    read = records.read_records(it.settings.tf_record_location)
    assert read.canvas == (128, 192) and read.classes == {"bird": 1, "seal": 2}
    assert read.train.images_of_class == {1: 2, 2: 1} and read.train.boxes_of_class == {1: 2, 2: 1}
    assert len(read.train.shards) == 1 and read.train.shards[0].is_file() and read.test.shards == ()


def test_real_turned_photographs_are_stored_upright(project, shared):
    turned = []
    for path in sorted((shared / "data" / "pigeons").rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            with Image.open(path) as image:
                if image.getexif().get(0x0112, 1) != 1:
                    turned.append(path)
    photos = {f"{number}.jpg": path.read_bytes() for number, path in enumerate(turned[:6])}
    assert photos
    it = project(classes="pigeon")
    files = {name.replace(".", "_"): data for name, data in photos.items()}
    it.labelled("\n".join(f"{name} pigeon .1 .5 .1 .5" for name in photos), **files)
    it.records()
    found = it.examples()
    assert set(found) == set(photos)
    for name, data in photos.items():
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        stored = Image.fromarray(found[name]["image"])
        assert stored.width / stored.height == pytest.approx(
            upright.width / upright.height, rel=0.02
        )
        difference = np.asarray(stored.resize((64, 64)), float) - np.asarray(
            upright.resize((64, 64), reducing_gap=3), float
        )
        assert np.abs(difference).mean() < 6


def interrupted():
    raise KeyboardInterrupt


def test_a_run_that_broke_off_leaves_nothing_that_training_would_take_for_whole(
    project, monkeypatch
):
    from train.network import records

    it = project()
    it.labelled(f"a.jpg {BOXES}\nb.jpg {BOXES}")
    first = it.records()
    it.labelled(f"a.jpg {BOXES}\nb.jpg {BOXES}\nc.jpg {BOXES}")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(records, "_serialized", lambda *_: interrupted())
        it.records()
    with pytest.raises(InputError, match="there are no records yet"):
        records.read_records(it.settings.tf_record_location)
    assert it.records()["digest"] != first["digest"] and len(it.examples()) == 3
