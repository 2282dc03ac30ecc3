"""The cold start as people go through it: as init_pred_desription.md tells it, and with models that
a web server gives.
"""

import collections
import hashlib
import json
import re
import shlex
import tarfile

from helpers_colour_graph import write_frozen_graph
from helpers_cycle import GREEN, RED, CycleProject
from helpers_http import serving
from helpers_programs import ROOT, done, run, state_tables

from utils.config import load_config
from utils.labels.tables import blob_names


def test_the_description_of_the_cold_start_can_be_followed_word_by_word(tmp_path):
    text = (ROOT / "init_pred_desription.md").read_text(encoding="utf-8")
    settings, initialize, _, class_map, download = re.findall(
        r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    asked, people, horses, empty = map(
        int,
        re.search(
            r"Of the (\d+) images, (\d+) show what the model takes for a person, (\d+) a horse, and"
            r" in (\d+) it found nothing",
            text,
        ).groups(),
    )
    project = CycleProject(tmp_path)
    for number in range(30):
        project.photo(f"yard/{number}.png", RED)
        project.photo(f"stable/{number}.png", GREEN if number % 2 else None)
    changed = {
        "storage_url": tmp_path / "store",
        "image_container_name": "images",
        "label_container_name": "labels",
        "filetype": "*.png",
        "classes": "person,horse,other",
        "prelabel_confidence": 0.2,
        "random_share": 0,
    }
    template = (ROOT / "config.ini").read_text(encoding="utf-8")
    for key, value in changed.items():
        template, found = re.subn(rf"^{key}=.*$", f"{key}={value}", template, flags=re.MULTILINE)
        assert found == 1, key
    project.config.write_text(template + settings, encoding="utf-8")
    (tmp_path / "class_map.json").write_text(class_map, encoding="utf-8")
    write_frozen_graph(load_config(project.config).init_model_graph, classes=(1, 19))

    said = []
    for block in (initialize, download):
        _, program, *words = shlex.split(block)
        said.append(done(program, *words, cwd=tmp_path))
    assert re.search(
        r"^ +1 +person +30 boxes in 30 images\n +19 +horse +15 boxes in 15 images$",
        said[0],
        re.MULTILINE,
    )
    (handed_out,) = state_tables(project.config, "tagging")
    assert len(set(blob_names(handed_out))) == asked
    assert collections.Counter(handed_out["class"]) == {
        "person": people,
        "horse": horses,
        "NULL": empty,
    }
    done("tag/upload_vott_json.py", "config.ini", "--all", cwd=tmp_path)
    assert "person" in set(state_tables(project.config, "tagged")[0]["class"])


def test_a_model_from_a_web_server_with_classes_of_its_own_is_run_and_its_classes_mapped(tmp_path):
    project = CycleProject(tmp_path, min_confidence=0.2, classes="elk,truck")
    project.photo("a/0.png", RED)
    project.photo("a/1.png", GREEN)
    project.photo("a/2.png")
    served = tmp_path / "served"
    graph = write_frozen_graph(served / "plain" / "detector.pb")
    with tarfile.open(served / "detector_v1.0_2018.tar.gz", "w:gz") as archive:
        archive.add(graph, "detector_v1.0_2018/frozen_inference_graph.pb")
    checksum = hashlib.sha256((served / "detector_v1.0_2018.tar.gz").read_bytes()).hexdigest()
    (tmp_path / "classes.json").write_text('{"1": "animal", "2": "vehicle"}')
    (tmp_path / "classes.pbtxt").write_text(
        "item { id: 1 name: 'beast' }\nitem { id: 2 name: 'car' }\n"
    )
    (tmp_path / "map.json").write_text(
        json.dumps(
            {
                "classmap": [
                    {"initclass": "1", "map": "elk", "balance": 0.5},
                    {"initclass": "2", "map": "truck", "balance": 0.5},
                ],
                "unmapclass": [],
                "default_class": "elk",
            }
        )
    )
    (tmp_path / "coco.json").write_text((tmp_path / "map.json").read_text().replace("[]", '["16"]'))
    settings = project.config.read_text()

    def cold_start(**more) -> str:
        project.config.write_text(
            settings + "".join(f"{key}={value}\n" for key, value in more.items())
        )
        return done("train/active_learning_init_pred.sh", project.config)

    with serving(served) as address:
        said = cold_start(
            init_pred_tf_url=f"{address}/${{init_model_name}}.tar.gz#sha256={checksum}",
            init_model_name="detector_v1.0_2018",
            init_label_map="classes.json",
        )
        assert (
            "animal" in said
            and "vehicle" in said
            and "3 images (3 predicted now), 2 boxes" in said.splitlines()[-1]
        )
        said = cold_start(
            init_pred_tf_url=f"{address}/plain/detector.pb", init_label_map="classes.pbtxt"
        )
        assert "beast" in said and "3 images (0 predicted now), 2 boxes" in said.splitlines()[-1], (
            "it is the same model"
        )
    refused = run("tag/download_vott_json.py", 3, project.config, tmp_path / "coco.json")
    assert (
        refused.returncode == 2
        and "coco.json: the model has no class 16; its ids are 1, 2" in refused.stderr
    )
    done("tag/download_vott_json.py", 3, project.config, tmp_path / "map.json")
    tagging = project.table("tagging")
    assert dict(zip(blob_names(tagging), tagging["class"], strict=True)) == {
        "a/0.png": "elk",
        "a/1.png": "truck",
        "a/2.png": "NULL",
    }
