"""Bytes by digest: sealed folders in a file or S3 store, verified whenever they are read.

A sealed folder (``mlgitops.digest.seal``) lies in a store at ``<root>/<name>/sha256-<hex>``,
its manifest written last: where the manifest is, everything else is. Whoever names
the digest gets exactly those bytes or an error, from whichever store or mirror.

    open_store(uri)      one store: put, get, open, download, exists, list, entries, delete
    upload(folder, …)    a sealed folder into a store
    fetch(uri, digest)   out of it again, every byte verified
    check(uri, digest)   is it there and whole
    within(uri, …)       does it lie below one of these prefixes
"""

from mlgitops.artifacts.locations import Location, join, within
from mlgitops.artifacts.stores import ForbiddenError, Reader, Store, Stored, open_store
from mlgitops.artifacts.transfer import check, fetch, upload

__all__ = [
    "ForbiddenError",
    "Location",
    "Reader",
    "Store",
    "Stored",
    "check",
    "fetch",
    "join",
    "open_store",
    "upload",
    "within",
]
