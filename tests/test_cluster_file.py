"""devops/ray/cluster.yaml is what Ray takes, and holds no secret. Nothing is ever deployed."""

import json
import re
from pathlib import Path

import pytest

from utils.config import KEYS

ray = pytest.importorskip("ray", reason="needs requirements-cluster.txt")
yaml, jsonschema = pytest.importorskip("yaml"), pytest.importorskip("jsonschema")

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "devops" / "ray" / "cluster.yaml"


@pytest.fixture
def described() -> dict:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_the_cluster_file_fits_the_schema_of_the_ray_that_is_pinned(described):
    pinned = (ROOT / "requirements-cluster.txt").read_text()
    assert f"ray[data]=={ray.__version__}\n" in pinned
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(described, json.loads(schema.read_text()))
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(described))


def test_the_cluster_file_names_things_that_are_there(described):
    kinds = described["available_node_types"]
    assert described["head_node_type"] in kinds
    assert sum(kind["max_workers"] for kind in kinds.values()) <= described["max_workers"]
    commands = [line for key in described if key.endswith("commands") for line in described[key]]
    for name in re.findall(r"(?:bash|-r) (\S+\.(?:sh|txt))(?: (\S+\.txt))?", "\n".join(commands)):
        assert all((ROOT / part).is_file() for part in name if part), name
    others = "\n".join(commands) + (FILE.with_name("README.md")).read_text(encoding="utf-8")
    assert {ray.__version__} == set(re.findall(r"ray\[\w+\]==([\d.]+)", others))


def test_the_cluster_file_hands_on_no_secret(described):
    text = FILE.read_text(encoding="utf-8")
    secret = {spec.name for spec in KEYS.values() if spec.secret} | {"AZURE_STORAGE", "SharedKey"}
    assert not [name for name in secret if name in text]
    assert "runtime_env" not in text
    assert "config.ini" in described["rsync_exclude"]
