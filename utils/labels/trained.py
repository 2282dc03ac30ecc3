"""Which images models were trained on, as far as the cycles of a state tell."""

from collections.abc import Iterable

from utils.labels.renamed import present_names
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.storage.container import Missing
from utils.terminal import say


def trained_images(
    store: LabelStore, state: State, cycles: Iterable[dict] | None = None
) -> set[str]:
    """Images that a published model or the candidate was trained on (or those of these cycles): of
    each cycle, what was tagged then without what was its test set.
    """
    trained: set[str] = set()
    for cycle in (
        [*state.cycles, state.document.get("candidate") or {}] if cycles is None else cycles
    ):
        try:
            tagged, test = (store.table_at(cycle.get(name), name) for name in ("tagged", "test"))
        except Missing as error:
            say(
                f"warning: {error}; what that cycle was trained on is known from the other cycles"
                " only",
                error=True,
            )
            continue
        names = present_names(store, state, cycle.get("tagged") or "")
        found = image_set(tagged) - image_set(test)
        trained |= {names.get(image, image) for image in found}
    return trained
