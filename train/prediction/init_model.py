"""The pretrained model of the cold start (init_model_name), fetched from init_pred_tf_url."""

from pathlib import Path

from train.network.fetch import fetch_archive, fetch_url, is_archive, place_for, shown
from utils.config import Config
from utils.errors import InputError


def init_model(config: Config) -> Path:
    """The model file or SavedModel folder of the cold start on this machine, fetched if it is not
    there.

    Raises InputError when the settings or the archive do not lead to one, OutsideError when it
    cannot be fetched.
    """
    if config.init_model_graph and config.init_model_graph.exists():
        return config.init_model_graph
    url = config.init_pred_tf_url
    if not url:
        named = (
            f"init_model_graph={config.init_model_graph} is not there and "
            if config.init_model_graph
            else ""
        )
        raise InputError(
            f"{config.path}: {named}init_pred_tf_url is not set; give the address of a pretrained"
            " model, or the path of one"
        )
    if not is_archive(shown(url)):
        return fetch_url(url, config.init_model_graph or place_for(url, config.download_location))
    folder = fetch_archive(url, config.download_location)
    found = [
        path
        for pattern in ("frozen_inference_graph.pb", "saved_model.pb")
        for path in sorted(folder.rglob(pattern))
    ]
    if not found:
        inside = (
            ", ".join(sorted(path.name for path in folder.rglob("*") if path.is_file())[:5])
            or "nothing"
        )
        raise InputError(
            f"{folder}: holds {inside}; expected a frozen_inference_graph.pb or a saved_model.pb"
        )
    return found[0].parent if found[0].name == "saved_model.pb" else found[0]
