"""The label container: its tables, its commits, and the rules that every commit keeps.

May import the leaves, storage and images.
Others take open_labels, LabelStore, State and Change, and the functions of tables.
"""
