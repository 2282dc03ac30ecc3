"""What a model found in an image: boxes and scores, and what is done with them.

May import labels and what labels may import.
Others take Detections and totag_rows.
"""
