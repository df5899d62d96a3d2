"""The operator: makes a cluster agree with the objects of git.

``python -m mlgitops.operator`` or ``kopf run -m mlgitops.operator`` starts it. Who does what:

    chassis       kopf's part: process life cycle, login, a second watch that checks ours
    app           from start to stop: session, caches, workers, probes
    controllers   the list of what is reconciled
    runtime       queue, workers, guard, lease; knows no kind of ours
    sources       RegistrySource: git → objects
"""

import kopf

from mlgitops.operator import chassis

# `kopf run -m mlgitops.operator` imports this module and runs what is registered then.
chassis.register(kopf.get_default_registry())
