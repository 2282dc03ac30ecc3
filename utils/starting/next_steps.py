"""What a person can do next with a project that start.py has made, in lines."""

from collections.abc import Iterator

from utils.labels import tables
from utils.labels.store import LabelStore
from utils.python_check import quoted
from utils.starting.project import Project, beside


def as_typed(project: Project) -> str:
    """The command that goes on with this project."""
    elsewhere = project.folder != beside(project.photos)
    folder = f" --project {quoted(str(project.folder))}" if elsewhere else ""
    return f"python tag/start.py {quoted(str(project.photos))}{folder}"


def next_steps(project: Project, store: LabelStore) -> Iterator[str]:
    """How to train, here or elsewhere, and how labels move to Azure, where there are some."""
    config, state = quoted(str(project.config)), store.read()
    labelled = len(tables.image_set(store.table(state, "tagged")))
    when = "" if labelled else ", once photos are uploaded"
    yield f"to train here{when}:  bash train/active_learning_train.sh {config}"
    yield f"by itself, while you draw:  bash train/active_learning_auto.sh {config}"
    yield (
        "to train on another machine: copy this repository, the photos and the project there, side"
        " by side as they lie here; then the same"
    )
    if not labelled:
        yield "to move to Azure, with all that is labelled: tag/README.md says how"
        return
    tagged = quoted(str(project.folder / store.container.name / str(state.blob("tagged"))))
    yield (
        f"to move to Azure, with all {labelled} photos labelled so far: the photos into a"
        " container, active_learning_initialize.sh with a config.ini of that account, then"
    )
    yield f"    python tag/import_labels.py {tagged} AZURE_CONFIG   (see tag/README.md)"
