#!/usr/bin/env bash
# Makes a new project, or adds the images that are new: bash train/active_learning_initialize.sh config.ini
#
# Fetches the images of the image container to image_dir, reads their sizes and capture times, writes the label map, and puts every image
# that is new on the list of images to tag (totag) in the label container. Run it again whenever images were added; nothing else changes.
# Options after the config: --moved (the images lie in another container now), --other-images (all pictures were replaced), --as-new (images
# that have another name now are new ones).
bash "$(dirname -- "${BASH_SOURCE:-$0}")/run_steps.sh" "${BASH_SOURCE:-$0}" \
    "initialize.py @" \
    -- "$@"
