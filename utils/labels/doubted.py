"""Images whose content an annotator's machine found to be broken: the member `doubted` of
label_state.json, {blob name: ETag}.

They stay in the pool until the training machine has looked at them: it lists them as failed or not.
"""

from collections.abc import Mapping

from utils.labels.state import State

_MOST = 1000  # images


def doubted(state: State) -> dict[str, str]:
    """{blob name: ETag} of the images that are to be looked at."""
    return dict(state.document.get("doubted") or {})


def with_doubted(state: State, broken: Mapping[str, str]) -> dict:
    """The member with these besides."""
    known = {**doubted(state), **broken}
    return {"doubted": dict(list(known.items())[-_MOST:])}
