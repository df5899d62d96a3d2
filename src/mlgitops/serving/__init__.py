"""What runs in a serving pod: the fetcher, and the server with its worker.

    fetcher   init container: download a package, verify its digest, say why not
    server    container: HTTP on one port, metrics on another; never touches the model
      worker  a process of the server's: verifies, loads and runs the model

The server answers while the model hangs, crashes or loads, because the model is never
in its process. Requests wait in the server, one batch at a time goes to the worker, so
that whatever the worker does, only that batch is lost.
"""
