"""Publishes the predictions of an existing model: totag gets new rows for the images that were
predicted and are nobody's now.

The rows of all other images stay as they are. The model's embeddings join those of the same model,
or replace those of another when they are of more images. Nothing else is published: no model, no
performance, no cycle.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/publish_predictions.py config.ini   (after create_predictions.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import read_cycle, read_working
    from train.cycle.merging import check_classes, merged_listings, merged_predicted, models_of
    from train.cycle.shortlisting import publish_shortlist
    from train.prediction.embedding_file import FILE
    from utils.labels.assignments import outdated, publish_totag
    from utils.labels.class_changes import with_present_names
    from utils.labels.state import Change, PublishedFile, State
    from utils.labels.store import open_labels
    from utils.labels.tables import image_set, without
    from utils.reserved import NULL
    from utils.selection.embeddings import merged, published_embeddings, read_parquet, to_parquet

    images, failed, predicted, predictions = (
        read_working(config, name) for name in ("images", "failed", "predicted", "totag")
    )
    cycle = read_cycle(config)
    _, store = open_labels(config)
    base = {
        table: store.table_at(cycle["base_tables"].get(table), table)
        for table in ("images", "failed")
    }

    def embeddings(now: State) -> dict[str, PublishedFile]:
        """The file of embeddings to use from now on; none when it stays the present one."""
        file, present = config.data_dir / FILE, published_embeddings(store, now)
        new = read_parquet(file) if file.exists() else None
        if new is None or (
            present is not None
            and present.model != new.model
            and len(present.names) > len(new.names)
        ):
            return {}
        data = to_parquet(merged(new, present))
        return {"embeddings": PublishedFile("embeddings", ".parquet", data)}

    def change(now: State) -> Change:
        present = {
            table: store.table(now, table)
            for table in ("images", "failed", "totag", "tagged", "tagging", "predicted")
        }
        files = embeddings(now)
        check_classes(now, cycle)
        all_images, all_failed = merged_listings(base, present, images, failed, cycle["pred_dir"])
        stale = outdated(predicted, all_images)
        named = without(with_present_names("totag", predictions, now.classes), stale)
        totag = publish_totag(
            all_images,
            named,
            totag=present["totag"],
            tagged=present["tagged"],
            tagging=present["tagging"],
            failed=all_failed,
            hours=config.reservation_hours,
            now=store.now(),
        )
        all_predicted = merged_predicted(without(predicted, stale), present["predicted"], totag)
        return Change(
            {
                "images": all_images,
                "failed": all_failed,
                "totag": totag,
                "predicted": all_predicted,
            },
            lambda names: {
                "live": {**now.live, **{word: names[word] for word in files}},
                "predicted_by": models_of(all_predicted, now, predicted, cycle.get("model_blob")),
            },
            files=files,
        )

    state, _ = store.commit(change, what="publishing predictions")
    if said := publish_shortlist(config, store):
        say(said)
    boxes = int((predictions["class"] != NULL).sum())
    say(
        f"{len(image_set(predictions))} images, {boxes} boxes by"
        f" {cycle.get('model_blob', 'the model')} → {state.blob('totag')}"
    )


if __name__ == "__main__":
    run_program(main)
