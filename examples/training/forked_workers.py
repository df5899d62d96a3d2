"""os.fork, as data loaders and pre-forking servers do it: a child logs on, its parent ends the run."""

import os

import mlgitops

with mlgitops.start_run("forked", experiment="processes"):
    mlgitops.log_metric("parent", 1.0)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            for step in range(10):
                mlgitops.log_metric(f"child_{number}", step / 10, step=step)
            os._exit(0)  # as multiprocessing's children end: no clean-up of what is the parent's
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
