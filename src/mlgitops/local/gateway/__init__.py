"""A small implementation of the Gateway API: HTTPRoutes on one loopback port, straight to ready pods.

``attachment`` judges which routes belong to which of our Gateways, ``routing`` makes a
table of them, ``backends`` finds the pods of a Service, ``proxy`` moves the bytes, and
``statuses`` tells the API server what became of it all. The first three are pure.
"""
