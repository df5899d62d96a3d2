"""The process node: runs pods as processes of this machine (Linux).

It registers as a Node, watches the pods that are bound to it and runs their containers
as processes in sessions of their own, each pod on a loopback address of its own.
**It isolates nothing**: a container can read what its user can read. Use it for your own
code only.

    agent         the pods of this node, one ``PodRunner`` each
    registration  the Node object and its lease
    pod           the life of one pod: volumes, init containers, containers, its end
    container     the life of one container: start, restart with back-off, hooks, probes, end
    launch        what a container runs: command, environment, folder
    probes        startup, readiness and liveness
    programs      which command an image stands for
    volumes       volumes as folders
    mounts        a container's paths, rewritten to those folders
    variables     a container's environment
    status        what the API server is told; pure
    output        a container's output with times, and how it is read again
    kubelet       the HTTPS endpoint behind ``kubectl logs``
    leftovers     what a node that was killed has left running is ended
    guard         the process that does so at once
"""
