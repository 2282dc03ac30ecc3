"""What a model found, as one page for people and as data for programs: gathered, drawn, published.

May import cycle, evaluation and utils, neither prediction nor network; no TensorFlow is needed.
Others take publish_report.
"""
