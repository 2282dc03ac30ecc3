"""Names are other people's text: they come back as they were, break no file system, leave no
folder, and no spreadsheet runs them.
"""

import csv
import json
import os
import unicodedata

import labelling_project as project
import pytest

from utils.config import load_config
from utils.labels import tables
from utils.storage.container import Blob
from utils.storage.sync import Listing, bring_images

NAMES = [
    "CON.jpg",
    "aux/nul.jpg",
    "dots./x..jpg",
    "A.jpg",
    "a.jpg",
    "b/A.JPG",
    "b/a.jpg",
    "=1+1.jpg",
    "@SUM(1).jpg",
    "+x.jpg",
    "-x.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "q'\"x,y;z.jpg",
    "${HOME} $(id) `id`.jpg",
    "%41#?&.jpg",
    "line\nfeed.jpg",
    "e\u0301.jpg",
    "\u00e9.jpg",
    "/".join(["d" * 60] * 4) + "/" + "e" * 200 + ".jpg",
    "\u202egpj.exe.jpg",
    "a../b...jpg",
]
CLASSES = ["=HYPERLINK(1)", "<script>alert(1)</script>", "@x", "-1", "${x}"]


def test_images_of_any_name_go_out_under_safe_names_and_come_back_under_their_own(store, tmp_path):
    for name in NAMES:
        store.images.write(name, project.photo(name))
    config = project.write_config(
        tmp_path / "home" / "config.ini",
        store.settings,
        tagger_name="anna",
        tagging_location="Tag",
        classes="'" + ",".join(["bird", "seal", *CLASSES]) + "'",
    )
    before = {path for path in tmp_path.rglob("*") if "store" not in path.parts}
    with project.Driver(
        {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    ) as driver:
        for program, *arguments in (("train/initialize.py",), ("tag/download_vott_json.py", "99")):
            said, code = driver.run(program, *arguments, config)
            assert code == 0, said
        local = [path.name for path in (tmp_path / "home" / "Tag" / "Images").iterdir()]
        assert len({unicodedata.normalize("NFC", name).casefold() for name in local}) == len(NAMES)
        for name in local:
            assert len(name) <= 100 and not set(name) & set('<>:"/\\|?*%#\n')
            assert name.split(".")[0].strip().lower() not in ("con", "nul", "aux")
        assert sorted(project.review(tmp_path / "home" / "Tag")) == sorted(NAMES)
        vott = tmp_path / "home" / "Tag" / "Images.json"
        document = json.loads(vott.read_text(encoding="utf-8"))
        for frame, name in zip(document["frames"].values(), CLASSES, strict=False):
            frame[0]["tags"] = [name]
        vott.write_text(json.dumps(document), encoding="utf-8")
        for program, *arguments in (("tag/upload_vott_json.py",), ("tag/status.py", "--check")):
            said, code = driver.run(program, config, *arguments)
            assert code == 0, said
    _, labels = project.open_project(config)
    tagged = labels.table(labels.read(), "tagged")
    assert sorted(tables.blob_names(tagged)) == sorted(NAMES) and set(CLASSES) <= set(
        tagged["class"]
    )
    new = {path for path in tmp_path.rglob("*") if "store" not in path.parts} - before
    assert all(path.is_relative_to(tmp_path / "home") for path in new)


@pytest.mark.parametrize(
    "name", ["../=1.jpg", "=1+1/../x.jpg", "@x\r.jpg", "+a\\b.jpg", "-a//b.jpg"]
)
def test_the_list_of_what_was_left_out_holds_no_formula(folder_store, tmp_path, monkeypatch, name):
    folder_store.images.write("good.jpg", project.photo("good.jpg"))
    config = load_config(
        project.write_config(tmp_path / "config.ini", folder_store.settings, data_dir="data")
    )
    listing = Listing(list(folder_store.images.list()), [(name, "=because")])
    monkeypatch.setattr("utils.storage.sync.list_images", lambda *arguments: listing)
    bring_images(folder_store.images, config)
    (row,) = list(csv.reader((tmp_path / "data" / "left_out.csv").read_text().splitlines()))[1:]
    assert all(cell[0] not in "=+-@" for cell in row) and isinstance(listing.blobs[0], Blob)
