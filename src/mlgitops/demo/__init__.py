"""The main job as a show: from a training script to a rollback, on a local cluster.

Every step runs the commands that a person would type, as processes of their own,
in the folders of three people who share nothing but a git remote and a store: the
data scientist, the CI of the registry, and the platform engineer.
"""
