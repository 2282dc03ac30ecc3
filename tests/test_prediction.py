"""From image files to detections: models of each kind, upright, fitted, in order, and bad files as
data.
"""

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from helpers_colour_graph import write_frozen_graph, write_saved_model
from PIL import Image

from train.evaluation.average_precision import measure
from train.prediction.frozen_detector import FrozenDetector
from train.prediction.pipeline import predict, resized
from train.prediction.tiled import predict_tiled
from utils.boxes.detections import totag_rows
from utils.errors import InputError, Unreadable, one_line
from utils.images.decoding import BadImage, read_header
from utils.labels import tables

RED, GREEN = (230, 20, 20), (20, 220, 20)


def photo(path, height, width, *rectangles, orientation=1):
    """Write a grey photo with rectangles ((xmin, ymin, xmax, ymax) in fractions of the stored
    picture, colour).
    """
    picture = np.full((height, width, 3), 128, np.uint8)
    for (xmin, ymin, xmax, ymax), colour in rectangles:
        picture[
            round(ymin * height) : round(ymax * height), round(xmin * width) : round(xmax * width)
        ] = colour
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95, exif=exif)
    return path


def run(detector, paths, batch_size=3, largest_side=1000, **options):
    images = [(path.name, path) for path in paths]
    return dict(
        predict(detector, images, batch_size=batch_size, largest_side=largest_side, **options)
    )


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return FrozenDetector(
        write_frozen_graph(tmp_path_factory.mktemp("graph") / "frozen_inference_graph.pb")
    )


@pytest.fixture(scope="module")
def canvas_graph(tmp_path_factory):
    return FrozenDetector(
        write_frozen_graph(tmp_path_factory.mktemp("graph") / "model_1.pb", canvas=(128, 192))
    )


def test_no_images_give_nothing(graph):
    assert run(graph, []) == {}


def test_an_image_in_which_the_model_finds_nothing_is_normal(graph, tmp_path):
    found = run(graph, [photo(tmp_path / "empty.png", 60, 80)])
    assert len(found["empty.png"]) == 0


def test_a_batch_of_mixed_sizes_gives_every_image_its_boxes_in_order(graph, tmp_path):
    sizes = [(60, 80), (80, 60), (60, 80), (50, 50), (80, 60), (60, 80), (40, 120)]
    paths = [
        photo(tmp_path / f"{place}.png", *size, ((0.25, 0.5, 0.75, 1), RED))
        for place, size in enumerate(sizes)
    ]
    found = run(graph, paths, batch_size=4)
    assert list(found) == [path.name for path in paths]
    for detections in found.values():
        np.testing.assert_allclose(detections.boxes, [[0.25, 0.5, 0.75, 1]], atol=0.02)
        assert detections.classes.tolist() == [1]
        assert detections.scores.tolist() == [pytest.approx(0.9)]


@pytest.mark.parametrize(
    "height, width", [(128, 192), (64, 96), (600, 900), (300, 200), (50, 400), (129, 191)]
)
def test_boxes_on_the_canvas_are_fractions_of_the_image(canvas_graph, tmp_path, height, width):
    assert canvas_graph.canvas == (128, 192)
    path = photo(
        tmp_path / "a.png", height, width, ((0.5, 0.25, 1, 0.75), RED), ((0, 0, 0.25, 0.25), GREEN)
    )
    detections = run(canvas_graph, [path])["a.png"]
    assert detections.classes.tolist() == [1, 2]
    # pixels of the shorter side: one more or less is what resizing may cost
    fitted = min(128 / height, 192 / width) * min(height, width)
    np.testing.assert_allclose(
        detections.boxes, [[0.5, 0.25, 1, 0.75], [0, 0, 0.25, 0.25]], atol=1.5 / fitted
    )


def test_boxes_refer_to_the_upright_image(graph, canvas_graph, tmp_path):
    # Orientation 6: the stored picture is turned clockwise to be seen, so its upper left quarter is
    # seen at the upper right.
    path = photo(tmp_path / "a.jpg", 60, 80, ((0, 0, 0.5, 0.5), RED), orientation=6)
    for detector in (graph, canvas_graph):
        np.testing.assert_allclose(
            run(detector, [path])["a.jpg"].boxes, [[0.5, 0, 1, 0.5]], atol=0.03
        )


def test_what_cannot_be_decoded_is_a_result_and_the_others_go_on(graph, tmp_path):
    good = photo(tmp_path / "good.jpg", 60, 80, ((0.25, 0.5, 0.75, 1), RED))
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:700])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    found = run(
        graph,
        [
            tmp_path / "cut.jpg",
            tmp_path / "text.jpg",
            tmp_path / "gone.jpg",
            good,
            tmp_path / "empty.jpg",
        ],
        batch_size=2,
    )
    assert list(found) == ["cut.jpg", "text.jpg", "gone.jpg", "good.jpg", "empty.jpg"]
    assert [type(found[name]) for name in ("cut.jpg", "text.jpg", "empty.jpg")] == [BadImage] * 3
    assert isinstance(found["gone.jpg"], Unreadable)
    assert len(found["good.jpg"]) == 1


def test_only_a_few_images_are_open_at_a_time(graph, tmp_path):
    path = photo(tmp_path / "a.png", 60, 80)
    asked = []
    images = ((asked.append(number) or str(number), path) for number in range(200))
    results = predict(graph, images, batch_size=4, largest_side=99, workers=2)
    next(results)
    assert len(asked) < 20
    assert sum(1 for _ in results) == 199


def test_a_large_image_is_not_fed_larger_than_the_largest_side(graph, tmp_path):
    path = photo(tmp_path / "a.jpg", 1500, 2000, ((0.25, 0.5, 0.75, 1), RED))
    fed = []

    class Watched:
        canvas = inner_size = None

        def detect(self, images, shown):
            fed.append(images.shape)
            return graph.detect(images, shown)

    found = run(Watched(), [path], largest_side=500)
    assert fed == [(1, 375, 500, 3)]
    np.testing.assert_allclose(found["a.jpg"].boxes, [[0.25, 0.5, 0.75, 1]], atol=0.005)


@pytest.mark.parametrize("which", ["graph", "canvas_graph"])
def test_a_large_image_in_tiles_gives_each_object_once_and_bad_files_as_results(
    which, request, tmp_path
):
    detector = request.getfixturevalue(which)
    # pixels 150-210, across the tile border at 200
    path = photo(tmp_path / "a.png", 400, 600, ((0.25, 0.3, 0.35, 0.4), RED))
    (tmp_path / "text.png").write_text("no picture")
    found = dict(
        predict_tiled(
            detector,
            [("a", path), ("text", tmp_path / "text.png"), ("gone", tmp_path / "gone.png")],
            side=200,
            batch_size=4,
        )
    )
    np.testing.assert_allclose(found["a"].boxes, [[0.25, 0.3, 0.35, 0.4]], atol=0.01)
    assert isinstance(found["text"], BadImage) and isinstance(found["gone"], Unreadable)


@pytest.mark.parametrize(
    "size, target",
    [
        ((90, 120), (180, 240)),
        ((240, 320), (96, 128)),
        ((100, 100), (100, 100)),
        ((7, 300), (1, 64)),
    ],
)
def test_images_are_resized_as_in_training(size, target):
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    picture = cv2.GaussianBlur(noise, (5, 5), 0)
    expected = np.round(tf.image.resize(picture, target, antialias=True).numpy())
    assert np.abs(resized(picture, *target).astype(float) - expected).max() <= 1


def test_a_saved_model_that_takes_one_image_at_a_time_serves_batches(tmp_path):
    folder = write_saved_model(tmp_path / "model" / "saved_model")
    paths = [
        photo(tmp_path / f"{place}.png", 60, 80, ((0.25, 0, 0.5, 0.5), colour))
        for place, colour in enumerate((RED, GREEN, RED))
    ]
    for path in (folder, folder.parent, folder / "saved_model.pb"):
        detector = FrozenDetector(path)
        assert detector.one_by_one and detector.canvas is None
        found = run(detector, paths)
        assert [detections.classes.tolist() for detections in found.values()] == [[1], [2], [1]]
        for detections in found.values():
            np.testing.assert_allclose(detections.boxes, [[0.25, 0, 0.5, 0.5]], atol=0.02)


def test_a_model_that_takes_images_of_one_size_only_gets_that(tmp_path):
    detector = FrozenDetector(
        write_saved_model(tmp_path / "saved_model", batch=None, size=(128, 192))
    )
    assert detector.canvas == (128, 192)
    found = run(detector, [photo(tmp_path / "a.png", 300, 300, ((0.5, 0.25, 1, 0.75), RED))])
    np.testing.assert_allclose(found["a.png"].boxes, [[0.5, 0.25, 1, 0.75]], atol=0.02)


@pytest.mark.parametrize("normalised", [False, True])
def test_an_export_of_tf_models_official_gives_fractions_of_the_image(tmp_path, normalised):
    """Its boxes come in two forms: pixels of the resized image, and fractions."""
    from official.core import exp_factory, export_base
    from official.vision.serving.detection import DetectionModule

    params = exp_factory.get_exp_config("retinanet_resnetfpn_coco")
    model = params.task.model
    model.num_classes, model.input_size, model.min_level, model.max_level = 3, [128, 192, 3], 5, 6
    model.backbone.resnet.model_id, model.decoder.fpn.num_filters = 18, 16
    model.head.num_convs, model.head.num_filters = 1, 16
    (
        model.detection_generator.pre_nms_score_threshold,
        model.detection_generator.max_num_detections,
    ) = (
        0.0,
        5,
    )
    params.task.export_config.output_normalized_coordinates = normalised
    tf.keras.utils.set_random_seed(0)
    module = DetectionModule(
        params=params,
        batch_size=1,
        input_image_size=[128, 192],
        input_type="image_tensor",
        num_channels=3,
    )
    export_base.export(
        module, ["image_tensor"], str(tmp_path), checkpoint=tf.train.Checkpoint(), timestamped=False
    )

    height, width = 100, 120  # fitted into 128 x 154
    picture = np.random.default_rng(0).integers(0, 255, (1, height, width, 3)).astype(np.uint8)
    detector = FrozenDetector(tmp_path)
    raw = {
        name: value.numpy()[0]
        for name, value in detector._model.signatures["serving_default"](
            tf.constant(picture)
        ).items()
    }
    extent = 1 if normalised else np.array([128, 154, 128, 154])
    expected = np.clip(raw["detection_boxes"] / extent, 0, 1)[:, [1, 0, 3, 2]]
    expected = expected[(expected[:, :2] < expected[:, 2:]).all(axis=1)]
    (found,) = detector.detect(picture)
    assert len(expected) == len(found) > 0 and detector.one_by_one
    np.testing.assert_allclose(found.boxes, expected, atol=1e-4)
    assert set(found.classes.tolist()) <= {1, 2}


@pytest.mark.parametrize("inside_a_function", [False, True])
@pytest.mark.parametrize(
    "operation, does",
    [
        ("WriteFile", lambda folder: tf.io.write_file(f"{folder}/owned", "x")),
        ("ReadFile", lambda folder: tf.io.read_file(f"{folder}/secret")),
        ("PyFunc", lambda folder: tf.numpy_function(lambda: 0, [], tf.int64)),
        ("PrintV2", lambda folder: tf.print("\x1b[2J")),
        (
            "SaveV2",
            lambda folder: tf.raw_ops.SaveV2(
                prefix=f"{folder}/owned", tensor_names=["x"], shape_and_slices=[""], tensors=[1.0]
            ),
        ),
    ],
)
def test_a_model_that_would_do_more_than_detect_is_not_run(
    tmp_path, operation, does, inside_a_function
):
    file = write_frozen_graph(tmp_path / "model.pb")
    definition = tf.compat.v1.GraphDef.FromString(file.read_bytes())
    with tf.Graph().as_default() as graph:
        if inside_a_function:
            tf.function(lambda: (does(tmp_path), 1)[1]).get_concrete_function().add_to_graph()
        else:
            does(tmp_path)
    more = graph.as_graph_def()
    definition.node.extend(more.node)
    definition.library.CopyFrom(more.library)
    file.write_bytes(definition.SerializeToString())
    with pytest.raises(InputError, match=f"does more than detect.*{operation}"):
        FrozenDetector(file)
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"", "an empty file"),
        (b"hello", "a file of 5 bytes that is no TensorFlow graph"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML or XML text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "gzip archive; unpack it first"),
        (bytes(range(256)) * 20, "no TensorFlow graph"),
    ],
)
def test_a_file_that_is_no_model_is_one_line_that_says_what_was_found(tmp_path, content, complaint):
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        FrozenDetector(path)
    line = one_line(error.value)
    assert (
        line.startswith(f"{path}: ")
        and complaint in line
        and "expected a frozen detection graph" in line
    )


def test_a_graph_whose_first_bytes_look_like_a_tag_is_loaded(graph, tmp_path):
    definition = tf.compat.v1.GraphDef.FromString(graph.path.read_bytes())
    first = tf.compat.v1.NodeDef(name="n" * 52, op="NoOp")
    changed = tmp_path / "graph.pb"
    changed.write_bytes(tf.compat.v1.GraphDef(node=[first, *definition.node]).SerializeToString())
    assert changed.read_bytes().startswith(b"\n<")
    FrozenDetector(changed)


def test_a_graph_without_the_outputs_names_the_missing_ones(tmp_path):
    path = write_frozen_graph(tmp_path / "graph.pb", without=("num_detections", "detection_scores"))
    with pytest.raises(
        InputError,
        match="without detection_scores, num_detections; expected a frozen detection graph",
    ):
        FrozenDetector(path)


def test_a_folder_without_a_model_and_a_path_without_anything_are_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="a folder with notes.txt in it"):
        FrozenDetector(tmp_path)
    with pytest.raises(InputError, match="no such model"):
        FrozenDetector(tmp_path / "graph.pb")


def test_a_photo_is_decoded_as_small_as_the_zoo_model_allows(shared, tmp_path):
    detector = FrozenDetector(shared / "models" / "ssd_mobilenet_v1_coco")
    assert detector.inner_size == (300, 300) and detector.canvas is None
    fed = []

    class Watched:
        canvas, inner_size = None, detector.inner_size

        def detect(self, images, shown):
            fed.append(images.shape[1:3])
            return detector.detect(images, shown)

    sizes = [(1536, 2048), (1152, 2048), (310, 700), (250, 400)]
    run(
        Watched(),
        [photo(tmp_path / f"{height}.jpg", height, width) for height, width in sizes],
        batch_size=1,
        largest_side=1024,
    )
    assert fed == [(384, 512), (576, 1024), (310, 700), (250, 400)]


def test_bfloat16_finds_the_same(tmp_path):
    paths = [
        photo(tmp_path / f"{place}.png", 60, 80, ((0.25, 0, 0.5, 0.5), colour))
        for place, colour in enumerate((RED, GREEN))
    ]
    for model in (
        write_frozen_graph(tmp_path / "graph.pb"),
        write_saved_model(tmp_path / "model" / "saved_model"),
    ):
        found = run(FrozenDetector(model, bfloat16=True), paths)
        assert [detections.classes.tolist() for detections in found.values()] == [[1], [2]]
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False})


def test_a_zoo_model_finds_nearly_the_same_in_bfloat16(shared):
    paths = [
        shared / "data/pigeons/images" / f"trainimages ({number}).jpg" for number in (1, 14, 40)
    ]
    exact, rough = (
        run(FrozenDetector(shared / "models" / "ssd_mobilenet_v1_coco", half), paths)
        for half in (False, True)
    )
    for name, detections in exact.items():
        np.testing.assert_allclose(rough[name].scores[:1], detections.scores[:1], atol=0.05)
        np.testing.assert_allclose(rough[name].boxes[:1], detections.boxes[:1], atol=0.05)


def test_a_zoo_model_finds_pigeons_as_birds(shared):
    """Pigeons taken as bird (COCO id 16): found 0.853 (VOC) and 0.849 (COCO); 0.830 and 0.824
    without EXIF orientation.
    """
    truth = pigeons(shared / "data" / "pigeons")
    detector = FrozenDetector(shared / "models" / "ssd_mobilenet_v1_coco")
    sizes = truth.drop_duplicates("filename").set_index("filename")[["height", "width"]]
    found = [
        (name, *sizes.loc[name], detections)
        for name, detections in run(
            detector, [shared / "data/pigeons/images" / name for name in sizes.index], batch_size=8
        ).items()
    ]
    performance = measure(truth, totag_rows(found, {16: "bird"}), ["bird"])
    assert performance["AP"][1] >= 0.85
    assert performance["coco_ap50"][1] >= 0.84


def pigeons(folder):
    """labels.csv as rows of tagged: boxes are pixels of the upright image, whose size is in the
    files, not in the CSV.
    """
    labels = pd.read_csv(folder / "labels.csv", dtype={"filename": str})
    headers = {name: read_header(folder / "images" / name) for name in labels["filename"].unique()}
    height = labels["filename"].map({name: header.height for name, header in headers.items()})
    width = labels["filename"].map({name: header.width for name, header in headers.items()})
    return tables.make(
        "tagged",
        filename=labels["filename"],
        class_=["bird"] * len(labels),
        height=height,
        width=width,
        **{f"x{end}": (labels[f"x{end}"] / width).clip(0, 1) for end in ("min", "max")},
        **{f"y{end}": (labels[f"y{end}"] / height).clip(0, 1) for end in ("min", "max")},
    )


# What is known of an image as a whole


def test_the_embedding_of_a_model_comes_with_the_detections(tmp_path):
    detector = FrozenDetector(write_frozen_graph(tmp_path / "model.pb", embedding=True))
    assert detector.embeds
    found = run(
        detector,
        [
            photo(tmp_path / f"{name}.png", 60, 80, ((0, 0, 1, 1), colour))
            for name, colour in (("r", RED), ("g", GREEN))
        ],
    )
    np.testing.assert_allclose(found["r.png"].at_least(0.99).embedding, RED, atol=1)
    np.testing.assert_allclose(found["g.png"].embedding, GREEN, atol=1)


def test_a_model_without_embeddings_leaves_them_to_a_description_of_the_picture(graph, tmp_path):
    assert not graph.embeds
    paths = [photo(tmp_path / "a.png", 60, 80, ((0, 0, 1, 1), RED)), tmp_path / "gone.png"]
    found = run(graph, paths, describe=lambda picture: picture[0, 0])
    assert found["a.png"].embedding.tolist() == list(RED) and isinstance(
        found["gone.png"], Unreadable
    )


def test_in_tiles_the_embedding_is_the_mean_of_all_tiles(tmp_path):
    detector = FrozenDetector(write_frozen_graph(tmp_path / "model.pb", embedding=True))
    path = photo(tmp_path / "a.png", 100, 200, ((0, 0, 0.5, 1), RED), ((0.5, 0, 1, 1), GREEN))
    ((_, found),) = predict_tiled(detector, [("a", path)], side=100, batch_size=2)
    np.testing.assert_allclose(found.embedding, (np.array(RED) + GREEN) / 2, atol=8)


@pytest.mark.parametrize("tiled", [False, True])
def test_a_model_that_knows_no_left_and_right_agrees_with_itself_in_the_mirror(
    graph, tmp_path, tiled
):
    path = photo(tmp_path / "a.png", 60, 80, ((0.25, 0.5, 0.5, 1), RED))
    ((_, found),) = (
        predict_tiled(graph, [("a", path)], side=100, batch_size=2, mirror=True)
        if tiled
        else predict(graph, [("a", path)], batch_size=2, largest_side=99, mirror=True)
    )
    assert found.disagreement == pytest.approx(0, abs=0.01) and len(found) == 1
