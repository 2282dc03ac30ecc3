"""No secret leaves the place where a person put it: not into files, blobs, output or process
arguments, whatever the programs do.
"""

import base64
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote

import azurite
import labelling_project as project
import psutil
import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)
from helpers_colour_graph import write_frozen_graph
from helpers_proxy import Fault, through
from helpers_secrets import blobs, files, leaks

from utils.config import load_config
from utils.errors import InputError
from utils.storage.opening import open_containers

ROOT = Path(__file__).resolve().parent.parent


WRONG = base64.b64encode(b"a wrong key, which is somebody's right one").decode()
SOON = timedelta(hours=2)
PAGE = (ROOT / "utils" / "labels" / "README.md").read_text(encoding="utf-8")


def test_a_leak_in_any_form_is_found():
    for form in (
        azurite.KEY,
        quote(azurite.KEY),
        base64.b64encode(b"key=" + azurite.KEY.encode()).decode(),
        azurite.KEY[10:30],
    ):
        assert leaks(azurite.KEY, {"here": f"before {form} after".encode()}) == ["here"]
    assert leaks(azurite.KEY, {"here": b"nothing of it"}) == []


class Machine:
    """A user's folder with a config beside it. `seen`: all that was printed, and the command lines
    of what ran, by program.
    """

    def __init__(self, folder: Path, store: str, environment: dict[str, str]):
        self.work = folder / "desk"
        (self.work / "home").mkdir(parents=True)
        self.config = project.write_config(
            folder / "settings" / "config.ini",
            store,
            tagger_name="anna",
            train_iterations=1,
            tagging_location="../desk/Tag",
            data_dir="../desk/data",
        )
        self.environment = {
            **os.environ,
            **environment,
            "HOME": str(self.work / "home"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "ACTIVE_LEARNING_NOTICES_SHOWN": "",
        }
        self.driver = project.Driver(self.environment)
        self.seen: dict[str, bytes] = {}

    def run(
        self,
        program: str,
        *arguments: str,
        code: int = 0,
        config: Path | None = None,
        own_process: bool = False,
    ) -> bytes:
        """Run it to its end, expecting that exit code; what it printed."""
        path, config = str(ROOT / program), str(config or self.config)
        ordered = [*arguments, config] if program.endswith("json.py") else [config, *arguments]
        if own_process or program.endswith(".sh"):
            said, ended = self._process(
                [sys.executable if program.endswith(".py") else "bash", path, *ordered]
            )
        else:
            said, ended = self.driver.run(program, *ordered)
            said = said.encode()
        name = f"{program} {' '.join(arguments)}"
        assert ended == code and b"Traceback" not in said, f"{name}: {ended}: {said.decode()}"
        self.seen[f"output of {name} ({code}) {len(self.seen)}"] = said
        return said

    def _process(self, command: list[str]) -> tuple[bytes, int]:
        process = psutil.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        lines: set[str] = set()
        watch = threading.Thread(target=_command_lines, args=(process, lines))
        watch.start()
        said = process.communicate()[0]
        watch.join()
        self.seen[f"arguments of {command[1]} {len(self.seen)}"] = "\n".join(lines).encode()
        return said, process.returncode

    def change_environment(self, **values: str) -> None:
        self.driver.close()
        self.environment |= values

    def written(self) -> dict[str, bytes]:
        return self.seen | files(self.work)

    def loop(self, images) -> None:
        """What a project does: take images in, hand out, review, upload, draw a test set, publish a
        cycle, and look after it all.
        """
        for number in range(8):
            images.write(
                f"cam{number % 2}/img{number}.jpg",
                project.photo(f"cam{number % 2}/img{number}.jpg"),
            )
        self.run("train/active_learning_initialize.sh")
        self.run("tag/download_vott_json.py", "4", own_process=True)
        project.review(self.work / "Tag")
        self.run("tag/upload_vott_json.py", own_process=True)
        self.run("train/repartition_test_set.py")
        self.run("train/sync_images.py")
        project.leave_cycle(load_config(self.config, self.environment), 1)
        self.run("train/publish_cycle.py", "--anyway")
        self.run("train/publish_report.py")
        self.run("tag/download_vott_json.py", "2")
        self.run("tag/abandon.py")
        self.run("tag/change_classes.py", "--rename", "bird=gull")
        (self.work / "more.csv").write_text(
            "filename,class,xmin,xmax,ymin,ymax,height,width,folder\n"
            "img7.jpg,seal,0,.5,0,.5,100,200,cam1\n"
        )
        assert re.search(
            rb"\b1 images",
            self.run("tag/import_labels.py", str(self.config), config=self.work / "more.csv"),
        )
        self.run("tag/status.py", "--check")
        self.run("tag/status.py", "--json")
        self.run("tag/status.py", "--prune")

    def run_models(self, labels) -> None:
        """After `loop`: existing models predict and are measured, labelled images are reviewed, and
        the watcher's cycle fails.
        """
        graph = write_frozen_graph(self.work / "graph.pb")
        labels.write("model_7.pb", graph.read_bytes())
        self.config.write_text(
            f"{self.config.read_text()}pred_model_name=model_7.pb\ninit_model_graph={graph}\nauto_retrain_images=1\n"
            f"fine_tune_checkpoint={self.work / 'nowhere'}\nmodel_name=faster_rcnn_resnet18_fpn\n"
        )
        for name in ("init_pred", "predict_no_train", "eval", "update_label_map"):
            self.run(f"train/active_learning_{name}.sh")
        self.run("tag/download_vott_json.py", "2", "--review-random")
        self.run("tag/upload_vott_json.py", "--all")
        assert b"nowhere: no TensorFlow checkpoint" in self.run(
            "train/active_learning_auto.sh", "--once", code=1
        )
        # from watcher.json
        assert b"nowhere: no TensorFlow checkpoint" in self.run("tag/status.py")


@pytest.fixture
def machine_of():
    """Makes machines (arguments of Machine), and switches them off at the end."""
    made: list[Machine] = []

    def make(*arguments, **options) -> Machine:
        made.append(Machine(*arguments, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.driver.close()


def _command_lines(process: psutil.Popen, lines: set[str]) -> None:
    """Collect the command lines of a process and all it starts until it ends."""
    while process.poll() is None:
        try:
            lines.update(
                " ".join(each.cmdline()) for each in [process, *process.children(recursive=True)]
            )
        except psutil.Error:
            pass
        threading.Event().wait(0.05)


def without_key(store) -> str:
    return "".join(
        f"{line}\n" for line in store.settings.splitlines() if "AZURE_STORAGE_KEY" not in line
    )


def signature(token: str) -> str:
    return parse_qs(token)["sig"][0]


def rights_of(machine: str) -> tuple[ContainerSasPermissions, ContainerSasPermissions]:
    """The rights on both containers that the page's table gives this machine."""
    cells = re.search(rf"^\| {machine} \| (.*) \| (.*) \|$", PAGE, re.MULTILINE).groups()
    return tuple(
        ContainerSasPermissions(**{right: True for right in cell.split(", ")}) for cell in cells
    )


def container_sas(container, rights: ContainerSasPermissions) -> str:
    return generate_container_sas(
        azurite.ACCOUNT,
        container.name,
        azurite.KEY,
        permission=rights,
        expiry=datetime.now(UTC) + SOON,
    )


def test_the_key_in_the_config_appears_nowhere(azurite_store, azurite_url, tmp_path, machine_of):
    machine = machine_of(tmp_path, azurite_store.settings, {})
    machine.loop(azurite_store.images)
    machine.run_models(azurite_store.labels)
    settings = machine.config.read_text()
    wrong = {
        "wrong": settings.replace(azurite.KEY, WRONG),
        "no-key": settings.replace(azurite.KEY, azurite.KEY + "-!"),
        "twice": settings + f"AZURE_STORAGE_KEYS={azurite.KEY}\n{azurite.KEY}\nclasses=\n",
        "unclosed": settings.replace(azurite.KEY, "${x" + azurite.KEY + "}"),
    }
    with through(azurite_url) as proxy:
        proxy.faults.append(Fault("lost request", times=10**6))
        configs = {name: machine.config.with_name(f"{name}.ini") for name in (*wrong, "cut")}
        for name, text in (wrong | {"cut": settings.replace(azurite_url, proxy.url)}).items():
            configs[name].write_text(text)
        with ThreadPoolExecutor(1) as pool:  # the client is patient with a connection that is cut
            cut = pool.submit(
                machine.run,
                "tag/download_vott_json.py",
                "2",
                code=1,
                config=configs["cut"],
                own_process=True,
            )
            for name in wrong:
                said = machine.run("tag/status.py", code=2, config=configs[name])
                assert name == "twice" or len(said.splitlines()) == 1, said.decode()
            assert b"cannot be reached" in cut.result() and len(cut.result().splitlines()) == 1
    for secret in (azurite.KEY, WRONG):
        assert leaks(secret, machine.written() | blobs(azurite_store)) == []
    assert any(name.rpartition("/")[2].startswith("config_") for name in blobs(azurite_store))


def test_sas_tokens_with_the_rights_that_the_readme_names_are_enough_and_appear_nowhere(
    azurite_store, tmp_path, machine_of
):
    # so one machine may stand for both
    assert [*map(str, rights_of("annotator"))] == [*map(str, rights_of("training"))]
    tokens = {
        f"AZURE_STORAGE_SAS_TOKEN_{name}": container_sas(container, rights)
        for name, container, rights in zip(
            ("IMAGES", "LABELS"),
            (azurite_store.images, azurite_store.labels),
            rights_of("annotator"),
            strict=True,
        )
    }
    machine = machine_of(tmp_path, without_key(azurite_store), tokens)
    machine.loop(azurite_store.images)
    for token in tokens.values():
        assert leaks(signature(token), machine.written() | blobs(azurite_store)) == []


def test_a_sas_token_in_the_address_and_secrets_in_the_environment_appear_nowhere(
    azurite_store, azurite_url, tmp_path, machine_of
):
    project_of = {}
    token = generate_account_sas(
        azurite.ACCOUNT,
        azurite.KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, list=True, create=True, write=True),
        datetime.now(UTC) + SOON,
    )
    project_of["address"] = machine_of(
        tmp_path / "a",
        without_key(azurite_store).replace(azurite_url, f"{azurite_url}?{token}"),
        {},
    )
    project_of["key"] = machine_of(
        tmp_path / "k", without_key(azurite_store), {"AZURE_STORAGE_KEY": azurite.KEY}
    )
    connection = (
        f"AccountName={azurite.ACCOUNT};AccountKey={azurite.KEY};BlobEndpoint={azurite_url};"
    )
    names = "".join(
        f"{line}\n" for line in without_key(azurite_store).splitlines() if "container_name" in line
    )
    project_of["connection"] = machine_of(
        tmp_path / "c", names, {"AZURE_STORAGE_CONNECTION_STRING": connection}
    )
    for number in range(6):
        azurite_store.images.write(f"{number}.jpg", project.photo(f"{number}.jpg"))
    for kind, machine in project_of.items():
        machine.run("train/initialize.py")
        machine.run("tag/download_vott_json.py", "1")
        project.review(machine.work / "Tag")
        machine.run("tag/upload_vott_json.py")
        if kind == "address":
            machine.run("train/sync_images.py")
            machine.run("train/repartition_test_set.py", "--top-up")
            project.leave_cycle(load_config(machine.config, machine.environment), 1)
            machine.run("train/publish_cycle.py", "--anyway")
            machine.config.write_text(machine.config.read_text().replace("http://", "ftp://"))
        elif kind == "key":
            machine.change_environment(AZURE_STORAGE_KEY=WRONG)
        machine.run("tag/status.py", code=0 if kind == "connection" else 2)
        for secret in (azurite.KEY, WRONG, signature(token)):
            assert leaks(secret, machine.written() | blobs(azurite_store)) == []


@pytest.mark.parametrize("delete", [False, True])
def test_pruning_also_needs_the_right_to_delete(azurite_store, tmp_path, delete):
    assert "`tag/status.py --prune` also needs delete on the label container" in PAGE
    azurite_store.labels.write("tagged_1.csv", b"x")
    on_images, on_labels = rights_of("annotator")
    token = container_sas(
        azurite_store.labels, ContainerSasPermissions.from_string(str(on_labels) + "d" * delete)
    )
    config = project.write_config(tmp_path / "config.ini", without_key(azurite_store))
    _, labels = open_containers(
        load_config(
            config,
            {
                "AZURE_STORAGE_SAS_TOKEN_IMAGES": container_sas(azurite_store.images, on_images),
                "AZURE_STORAGE_SAS_TOKEN_LABELS": token,
            },
        )
    )
    if delete:
        labels.delete("tagged_1.csv")
        assert list(azurite_store.labels.list()) == []
    else:
        with pytest.raises(InputError, match="access refused"):
            labels.delete("tagged_1.csv")
