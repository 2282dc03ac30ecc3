"""Image embeddings: from the model's output to the published file and back."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.prediction.embedding_file import EmbeddingFile
from utils.boxes.detections import Detections
from utils.errors import InputError
from utils.images.perceptual_hash import perceptual_hash
from utils.selection.embeddings import (
    HASH,
    MODEL,
    Basis,
    Embeddings,
    fit_basis,
    merged,
    only,
    read_parquet,
    to_parquet,
)

BASIS = Basis(MODEL, np.zeros(2, np.float32), np.eye(2, dtype=np.float32))


def made(names, vectors, model="m", basis=BASIS):
    vectors = np.array(vectors, np.float16).reshape(len(names), -1 if len(names) else 2)
    return Embeddings(
        pa.array(names, pa.large_string()),
        vectors,
        np.full(len(names), np.nan, np.float32),
        model,
        basis,
    )


def found(vector, disagreement=None):
    return Detections(
        np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0), np.array(vector), disagreement
    )


def test_embeddings_come_back_from_the_file_and_take_at_most_128_bytes_an_image():
    draw = np.random.default_rng(0)
    basis = fit_basis([draw.normal(size=(200, 300))], MODEL)
    vectors = basis.reduce(draw.normal(size=(1000, 300)))
    assert vectors.nbytes <= 128 * 1000
    before = made([f'a b/{n}, "x".jpg' for n in range(1000)], vectors, basis=basis)
    data = to_parquet(before)
    after = read_parquet(data)
    assert after.names.equals(before.names) and after.model == "m" and after.basis.kind == MODEL
    np.testing.assert_array_equal(after.vectors, before.vectors)
    np.testing.assert_array_equal(after.basis.components, basis.components)
    # the basis stands there twice, once as text
    assert len(data) < 128 * 1000 + basis.components.nbytes * 2.4 + 30_000


def test_no_embeddings_are_a_file_too_and_something_else_is_one_line(tmp_path):
    assert len(read_parquet(to_parquet(made([], np.zeros((0, 2))))).names) == 0
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="no embeddings of this program"):
        read_parquet(tmp_path / "x.parquet")


def test_the_basis_keeps_the_distances_of_what_varies_in_few_directions():
    draw = np.random.default_rng(1)
    raw = draw.normal(size=(500, 10)) @ draw.normal(size=(10, 200)) + draw.normal(size=200)
    basis = fit_basis(np.array_split(raw, 7), MODEL)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    reduced = basis.reduce(raw).astype(np.float32)
    for one, other in draw.integers(0, 500, (50, 2)):
        assert np.linalg.norm(reduced[one] - reduced[other]) == pytest.approx(
            np.linalg.norm(unit[one] - unit[other]), abs=0.01
        )


def test_an_image_that_is_not_there_has_a_row_of_nan():
    rows = made(["a", "b"], [[1, 2], [3, 4]]).of(pa.array(["b", "c"], pa.large_string()))
    np.testing.assert_array_equal(rows, [[3, 4], [np.nan, np.nan]])


def test_embeddings_of_the_same_model_join_and_those_of_another_replace():
    new, old = made(["a"], [[1, 1]]), made(["a", "b"], [[5, 5], [6, 6]])
    joined = merged(new, old)
    assert joined.names.to_pylist() == ["a", "b"] and joined.vectors.tolist() == [[1, 1], [6, 6]]
    assert merged(new, made(["b"], [[6, 6]], model="other")) is new
    assert only(joined, {"b"}).vectors.tolist() == [[6, 6]]


def test_a_prediction_keeps_the_basis_of_what_its_model_has_published(tmp_path):
    path = tmp_path / "embeddings.parquet"
    draw = np.random.default_rng(2)
    raw = {f"{n}": draw.normal(size=100).astype(np.float16) for n in range(80)}
    with EmbeddingFile(path, "m", None) as file:
        for name, vector in raw.items():
            file.add(name, found(vector, 0.5), "e")
        assert file.finish(set(raw)) == 80
    first = read_parquet(path)
    assert first.vectors.shape == (80, 64) and set(first.disagreement) == {0.5}
    with EmbeddingFile(path, "m", first) as file:
        file.add("new", found(raw["3"]), "f")
        file.add("none", Detections(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0)), "e")
        assert file.finish({*raw, "new", "none"} - {"5"}) == 80
    second = read_parquet(path)
    both = second.of(pa.array(["new", "3", "5", "none"], pa.large_string()))
    np.testing.assert_array_equal(both[0], both[1])
    assert second.current({"new": "e", "3": "e", "none": "e", "4": "other"}) == {"3"}
    assert np.isnan(both[2:]).all() and list(tmp_path.iterdir()) == [path]


def test_a_basis_of_a_few_images_is_fitted_anew_when_all_images_come_again(tmp_path):
    path = tmp_path / "embeddings.parquet"
    draw = np.random.default_rng(2)
    raw = {f"{n}": draw.normal(size=100) for n in range(300)}

    def written(names, present):
        with EmbeddingFile(path, "m", present) as file:
            for name in names:
                file.add(name, found(raw[name]), "e")
            file.finish(set(names) | set(present.names.to_pylist() if present else ()))
        return read_parquet(path)

    few = written(list(raw)[:6], None)
    assert few.basis.fitted == 6 and few.basis.serves(12) and not few.basis.serves(13)
    part, whole = written(list(raw)[6:], few), written(list(raw), few)
    assert part.basis.fitted == 6 and len(part.names) == 300, "without those six it cannot"
    assert whole.basis.fitted == 300 and len(whole.names) == 300
    assert merged(whole, part) is whole and len(merged(part, few).names) == 300


def test_nothing_to_write_removes_an_older_file(tmp_path):
    path = tmp_path / "embeddings.parquet"
    path.write_bytes(b"old")
    with EmbeddingFile(path, "m", None) as file:
        assert file.finish(set()) == 0
    assert not path.exists()


def test_perceptual_hashes_stay_as_they_are_and_near_copies_are_near(tmp_path):
    draw = np.random.default_rng(3)
    blocks = draw.integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    one, other = (np.kron(block, np.ones((16, 16, 1), np.uint8)) for block in blocks)
    noisy = np.clip(one + draw.normal(0, 4, one.shape), 0, 255).astype(np.uint8)
    with EmbeddingFile(tmp_path / "e.parquet", "m", None) as file:
        for name, picture in (("one", one), ("noisy", noisy[::2, ::2]), ("other", other)):
            file.add(name, found(perceptual_hash(picture)), "e")
        file.finish({"one", "noisy", "other"})
    hashes = read_parquet(tmp_path / "e.parquet")
    assert hashes.basis.kind == HASH and set(np.unique(hashes.vectors)) == {0, 1}
    near, far = (np.abs(hashes.vectors[0] - hashes.vectors[place]).sum() for place in (1, 2))
    assert near <= 6 < 16 <= far


@settings(max_examples=30)
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1),
        unique=True,
        max_size=6,
    )
)
def test_any_names_come_back(names):
    names = [name for name in names if not name.startswith("/")]
    after = read_parquet(to_parquet(made(names, np.arange(2 * len(names)))))
    assert after.names.to_pylist() == names and after.vectors.shape == (len(names), 2)
