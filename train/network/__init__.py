"""The detector: its weights, its records, its training and its export.

May import evaluation and utils.
Others take Settings, build_model and train, and from records read_records, write_records.
"""
