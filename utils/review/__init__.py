"""The review page: a batch on the annotator's disk, shown in the browser and saved at each change.

May import every other room of utils but overview.
Others take review.
"""
