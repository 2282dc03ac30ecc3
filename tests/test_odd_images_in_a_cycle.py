"""No single image ends a cycle: whatever lies in the container, every step goes on without it."""

import io

import compare_models
import create_predictions
import create_tf_records
import evaluate_model
import initialize
import numpy as np
import publish_cycle
import pytest
from helpers_cycle import RED, CycleProject
from PIL import Image

from train.network.records import read_records
from utils.labels.tables import image_set


def saved(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def odd_images() -> dict[str, bytes]:
    """One of each kind, all of them named as photos are."""
    picture = Image.fromarray(np.full((48, 64, 3), 90, np.uint8))
    whole = saved(picture, "JPEG", quality=95)
    frames = [picture, picture.rotate(90)]
    return {
        "nothing": b"",
        "text": b"<html>404</html>",
        "cut": whole[: len(whole) // 2],
        "without end": whole[:-2] + bytes(200),
        "head only": whole[:200],
        "damaged": whole[:400] + b"\xff\xd8\xff" * 40 + whole[500:],
        "four inks": saved(picture.convert("CMYK"), "JPEG"),
        "grey with alpha": saved(picture.convert("LA"), "PNG"),
        "palette": saved(picture.convert("P"), "PNG", transparency=0),
        "one pixel": saved(picture.resize((1, 1)), "PNG"),
        "a line": saved(picture.resize((4000, 1)), "PNG"),
        "moving": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "moving too": saved(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "web": saved(picture, "WEBP"),
        "two bits": saved(picture.convert("1"), "BMP"),
        "bad profile": saved(picture, "JPEG", icc_profile=b"\0" * 70_000),
        "large profile": saved(picture, "PNG", icc_profile=b"\0" * 1_250_000),
        "bad exif": saved(picture, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    }


def decode_all(project: CycleProject) -> None:
    """Read the records as training does: an image that TensorFlow cannot decode raises."""
    import tensorflow as tf
    from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

    shards = read_records(project.settings.tf_record_location).train.shards
    pictures = [
        TfExampleDecoder().decode(raw)["image"]
        for raw in tf.data.TFRecordDataset([str(path) for path in shards])
    ]
    assert len(pictures) >= 3 and all(picture.shape[2] == 3 for picture in pictures)


@pytest.fixture
def project(tmp_path):
    project = CycleProject(tmp_path, filetype="*", min_confidence=0.2, test_percentage=0.3)
    for number in range(8):
        project.photo(f"a/{number}.png", RED)
    folder = tmp_path / "store" / "images" / "odd"
    folder.mkdir()
    for name, content in odd_images().items():
        (folder / f"{name}.jpg").write_bytes(content)
    return project


def test_odd_images_that_are_labelled_and_that_are_not(project):
    initialize.main([str(project.config)])
    odd = sorted(f"odd/{name}.jpg" for name in odd_images())
    usable = image_set(project.table("images"))
    assert image_set(project.table("failed")) == set(odd) - usable
    assert "odd/large profile.jpg" in usable
    # somebody has labelled every second one, whatever it is
    project.tag(
        *((f"a/{number}.png", "red thing") for number in range(6)),
        *((name, "red thing" if place % 4 else "NULL") for place, name in enumerate(odd[::2])),
    )
    project.train()
    create_tf_records.main([str(project.config)])
    decode_all(project)
    for program in (create_predictions, evaluate_model, compare_models, publish_cycle):
        program.main([str(project.config)])
    (cycle,) = project.state().cycles
    assert cycle["metrics"]["red thing"]["AP"] is not None
    seen = image_set(project.table("totag")) | image_set(project.table("tagged"))
    assert usable <= seen | image_set(project.table("failed"))


def test_an_image_that_pillow_reads_and_tensorflow_does_not(tmp_path, shared):
    """A JPEG of which zeros follow where its end should be, from ../shared/cases."""
    project = CycleProject(tmp_path, filetype="*", min_confidence=0.2, test_percentage=0.3)
    for number in range(6):
        project.photo(f"a/{number}.png", RED)
    case = shared / "cases" / "01-jpeg-without-end" / "no_eoi_zero_padded.jpg"
    target = tmp_path / "store" / "images" / "b"
    target.mkdir()
    (target / "1.jpg").write_bytes(case.read_bytes())
    initialize.main([str(project.config)])
    names = [f"a/{number}.png" for number in range(6)]
    project.tag(*((name, "red thing") for name in [*names, "b/1.jpg"]))
    project.train()
    create_tf_records.main([str(project.config)])
    decode_all(project)
    for program in (create_predictions, evaluate_model, compare_models, publish_cycle):
        program.main([str(project.config)])
    assert len(project.state().cycles) == 1
