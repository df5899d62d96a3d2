"""Questions about run records: a filter, an order, and an index that answers in a blink.

``search`` is the way in. ``lexer``, ``fields`` and ``parser`` turn text into the tree of
``language``; ``compiler`` turns that into SQL over the tables of ``index``, which ``refresh``
brings up to date from the records (``reading``; many at once by ``readers``), reading of a live run
only what is new (``tails``).
"""
