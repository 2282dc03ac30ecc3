"""From a folder of photos to the first box: a project beside it, photos taken in, the page.

May import every other room of utils but overview.
Others take start, Wanted and checked_classes.
"""
