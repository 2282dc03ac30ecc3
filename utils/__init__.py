"""What the programs of both machines share: one room per subject, on leaves.

May import neither train nor tag, and neither TensorFlow, OpenCV nor pycocotools.
Others take the rooms by their whole names; pyproject.toml holds their order.
"""
