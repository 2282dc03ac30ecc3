"""What annotation tools and labelled data sets write on disk, one module for each form.

May import labels, images and the leaves.
Others take Sheet and Box, and from each form what writes it and what reads it.
"""
