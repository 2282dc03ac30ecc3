"""A batch on the annotator's disk: handed out, looked at, brought back.

May import every other room of utils.
Others take HandOut and Request, read_batch and at_work.
"""
