"""Predictions that go on where they were."""

import numpy as np
import pytest
from helpers_programs import ROOT  # noqa: F401  puts train/ on the path

from train.prediction.journal import PredictionJournal
from utils.boxes.detections import Detections
from utils.images.decoding import BadImage

NONE = Detections(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
ONE = Detections(np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([2]), np.array([0.9]))


def kept(path, key, etags):
    with PredictionJournal(path, key) as journal:
        return [
            (image, str(found) if isinstance(found, BadImage) else found.boxes.tolist())
            for image, found in journal.entries(etags)
        ]


def test_a_new_journal_is_empty(tmp_path):
    assert kept(tmp_path / "data" / "journal", "model", {"a.jpg": "1"}) == []


def test_what_was_found_is_there_again_for_the_same_model_and_content(tmp_path):
    path = tmp_path / "journal"
    with PredictionJournal(path, "model") as journal:
        journal.add("a.jpg", "1", ONE)
        journal.add("é/b.jpg", "1", BadImage("truncated"))
        journal.add("c.jpg", "1", NONE)
    assert kept(path, "model", {"a.jpg": "1", "é/b.jpg": "1", "c.jpg": "2", "d.jpg": "1"}) == [
        ("a.jpg", [[0.1, 0.2, 0.3, 0.4]]),
        ("é/b.jpg", "truncated"),
    ]
    assert kept(path, "another model", {"a.jpg": "1"}) == []
    assert kept(path, "model", {"a.jpg": "1"}) == [], "a journal for another model starts afresh"


def test_a_line_that_a_kill_cut_off_is_forgotten_and_the_next_one_takes_its_place(tmp_path):
    path = tmp_path / "journal"
    with PredictionJournal(path, "model") as journal:
        journal.add("a.jpg", "1", ONE)
    whole = path.read_bytes()
    with PredictionJournal(path, "model") as journal:
        journal.add("b.jpg", "1", ONE)
    for end in range(len(whole) + 1, path.stat().st_size):
        cut = tmp_path / f"cut{end}"
        cut.write_bytes(path.read_bytes()[:end])
        with PredictionJournal(cut, "model") as journal:
            assert journal.done == {"a.jpg": "1"}
            journal.add("c.jpg", "1", NONE)
        assert kept(cut, "model", {"a.jpg": "1", "c.jpg": "1"}) == [
            ("a.jpg", [[0.1, 0.2, 0.3, 0.4]]),
            ("c.jpg", []),
        ]


@pytest.mark.parametrize(
    "damaged",
    [
        b"[]",
        b"{}",
        b'{"image": ["x"], "etag": "1"}',
        b'{"image": "b.jpg", "etag": "1"}',
        b"\0" * 40,
        b'{"image": "b.jpg", "etag": "1", "boxes": 3}',
        b'{"image": "b.jpg", "etag": "1", "boxes": [[0, 0, 1, 1]], "classes": [], "scores": [1]}',
        (
            b'{"image": "b.jpg", "etag": "1", "boxes": [], "classes": [], "scores": [],'
            b' "embedding": ["<f2", "AAA"]}'
        ),
        (
            b'{"image": "b.jpg", "etag": "1", "boxes": [], "classes": [], "scores": [],'
            b' "embedding": ["<f4", "AAAA"]}'
        ),
        (
            b'{"image": "b.jpg", "etag": "1", "boxes": [], "classes": [], "scores": [],'
            b' "embedding": ["nothing", "AAAA"]}'
        ),
    ],
)
def test_from_a_damaged_line_on_everything_is_made_anew(tmp_path, damaged):
    path = tmp_path / "journal"
    with PredictionJournal(path, "model") as journal:
        journal.add("a.jpg", "1", ONE)
    path.write_bytes(path.read_bytes() + damaged + b"\n")
    with PredictionJournal(path, "model") as journal:
        assert journal.done == {"a.jpg": "1"}
        journal.add("c.jpg", "1", NONE)
    assert kept(path, "model", {"a.jpg": "1", "b.jpg": "1", "c.jpg": "1"}) == [
        ("a.jpg", [[0.1, 0.2, 0.3, 0.4]]),
        ("c.jpg", []),
    ]


def test_an_image_that_changed_is_noted_with_its_new_content(tmp_path):
    path = tmp_path / "journal"
    with PredictionJournal(path, "model") as journal:
        journal.add("a.jpg", "1", ONE)
        journal.add("a.jpg", "2", NONE)
    assert kept(path, "model", {"a.jpg": "2"}) == [("a.jpg", [])]
