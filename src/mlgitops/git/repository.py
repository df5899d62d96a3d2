"""A repository on this machine, read and written through its object database."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock

import git
from gitdb.base import IStream
from gitdb.exc import BadObject
from gitdb.util import hex_to_bin

from mlgitops.errors import CheckFailedError, InputError, NotFoundError, OutsideError
from mlgitops.git import remote
from mlgitops.git.command import NETWORK_SECONDS, Output, run
from mlgitops.git.logins import Login, SshLogin, logged_in
from mlgitops.git.names import check_path, check_ref, check_url, public_url
from mlgitops.git.tree import Files

_PLAIN = ("100644", "100755")
_MOST_BRANCHES = 20  # that a message names
_FULL_NAME = re.compile(r"[0-9a-f]{40}")
_FIELDS = "%H%x1f%P%x1f%an%x1f%ae%x1f%ct%x1f%s%x1e"


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote a commit or made it."""

    name: str
    email: str


BOT = Person("mlgitops", "mlgitops@localhost")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit's name, parents, author, committer's time (UTC) and first line."""

    sha: str
    parents: tuple[str, ...]
    author: Person
    at: datetime
    subject: str


class Repository:
    """A git repository, bare or with a work tree that is never touched.

    Reading is safe from several threads, and so is everything that goes to a remote;
    two processes may share one repository.
    """

    def __init__(self, repository: git.Repo, login: Login | SshLogin | None = None) -> None:
        self._repository = repository
        self._lock = Lock()
        self.login = login

    @classmethod
    def open(cls, path: Path, *, login: Login | SshLogin | None = None) -> Repository:
        """Open the repository that holds a folder.

        Raises:
            NotFoundError: there is none.
        """
        try:
            return cls(git.Repo(path, search_parent_directories=True), login)
        except (git.exc.InvalidGitRepositoryError, git.exc.NoSuchPathError) as error:
            raise NotFoundError(f"{path} is not in a git repository; clone it, or run: git init") from error

    @classmethod
    def init(cls, path: Path, *, bare: bool = False, branch: str = "main") -> Repository:
        """Make an empty repository; an existing one is opened as it is."""
        path.mkdir(parents=True, exist_ok=True)
        check_ref(f"refs/heads/{branch}")
        options = ["--bare"] if bare else []
        _checked(run(path, ["init", "--quiet", "--template=", f"--initial-branch={branch}", *options, "--", "."]))
        return cls(git.Repo(path))

    @classmethod
    def clone(cls, url: str, path: Path, *, bare: bool = False, login: Login | SshLogin | None = None) -> Repository:
        """Clone a remote into a new folder.

        Raises:
            InputError: the address is none.
            OutsideError: the remote cannot be read.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        options = ["--bare"] if bare else []
        command = [
            "clone",
            "--quiet",
            "--template=",
            "--no-recurse-submodules",
            *options,
            "--",
            check_url(url),
            str(path),
        ]
        with logged_in(url, login) as variables:
            output = run(path.parent, command, variables=variables, timeout=NETWORK_SECONDS)
        if output.status != 0:
            raise OutsideError(f"cannot clone git repository {public_url(url)}: {output.reason}")
        return cls(git.Repo(path), login)

    @property
    def path(self) -> Path:
        """The folder that holds objects and refs."""
        return Path(self._repository.git_dir)

    @property
    def root(self) -> Path | None:
        """The top of the work tree; None for a bare repository."""
        return Path(self._repository.working_tree_dir) if self._repository.working_tree_dir else None

    def close(self) -> None:
        """End the processes through which objects are read; they start again when needed."""
        with self._lock:
            self._repository.close()

    def remote_url(self, name: str = "origin") -> str | None:
        """Return the address that the repository's own configuration gives a remote, if any."""
        output = self._run("config", "--get", f"remote.{name}.url")
        return output.text or None

    # --- reading

    def resolve(self, name: str) -> str:
        """Return the commit that a ref, a branch or a commit's name stands for.

        Raises:
            NotFoundError: it stands for none.
        """
        if self._is_commit(name):
            return name
        output = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if output.status != 0:
            raise NotFoundError(f"{name!r} names no commit; {self._told_branches(name)}")
        return output.text

    def _told_branches(self, name: str) -> str:
        """Say which branches there are, the nearest to a name first."""
        refs = (*self.refs("refs/heads/"), *self.refs("refs/remotes/"))
        branches = [ref.split("/", 2)[2] for ref in refs if not ref.endswith("/HEAD")]
        near = difflib.get_close_matches(name, branches, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        more = f" and {len(branches) - _MOST_BRANCHES} more" if len(branches) > _MOST_BRANCHES else ""
        return f"{hint}branches: {', '.join(branches[:_MOST_BRANCHES]) or 'none'}{more}"

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the refs below a prefix such as ``refs/heads/`` as full name → object name."""
        output = _checked(self._run("for-each-ref", "--format=%(refname)%09%(objectname)", prefix))
        return {name: sha for name, _, sha in (line.partition("\t") for line in output.text.splitlines())}

    def set_ref(self, name: str, sha: str | None) -> None:
        """Make a ref of this repository point to a commit, or delete it (None)."""
        arguments = [check_ref(name), sha] if sha else ["-d", check_ref(name)]
        _checked(self._run("update-ref", *arguments))

    def blobs(self, commit: str, prefix: str = "") -> dict[str, str]:
        """Return the plain files of a commit below a folder as path → object name."""
        wanted = [check_path(prefix.rstrip("/"))] if prefix else []
        output = self._run("ls-tree", "-r", "-z", "--full-tree", self.resolve(commit), "--", *wanted)
        found = {}
        for record in filter(None, _checked(output).text.split("\0")):
            kind, _, path = record.partition("\t")
            mode, _, sha = kind.split(" ")
            if mode in _PLAIN:
                found[path] = sha
        return found

    def tree(self, commit: str, prefix: str = "") -> Files:
        """Return the plain files of a commit below a folder, by their full path; read on access."""
        return Files(self._repository, self._lock, self.blobs(commit, prefix))

    def read(self, commit: str, path: str) -> bytes | None:
        """Return one plain file of a commit (its full name), or None; cheaper than ``tree`` for a single one."""
        with self._lock:
            try:
                found = self._repository.commit(commit).tree / check_path(path)
            except KeyError:
                return None
            return bytes(found.data_stream.read()) if f"{found.mode:o}" in _PLAIN else None

    def changed(self, before: str, after: str) -> dict[str, str]:
        """Return what differs as path → ``A`` added, ``M`` modified, ``D`` deleted, ``T`` retyped."""
        output = self._run(
            "diff-tree", "-r", "-z", "--no-renames", "--name-status", self.resolve(before), self.resolve(after)
        )
        fields = [part for part in _checked(output).text.split("\0") if part]
        return dict(zip(fields[1::2], fields[::2], strict=True))

    def uncommitted(self, prefix: str) -> tuple[str, ...]:
        """Return the files below a folder of the work tree that differ from HEAD, new ones too; none if bare."""
        if self.root is None:
            return ()
        options = ["--porcelain", "-z", "--no-renames", "--untracked-files=all"]
        output = _checked(run(self.root, ["status", *options, "--", check_path(prefix)]))
        return tuple(record[3:] for record in output.text.split("\0") if record)

    def diff(self, before: str, after: str) -> str:
        """Return the difference between two commits as a patch."""
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
        output = _checked(self._run("diff", *options, self.resolve(before), self.resolve(after), "--"))
        return output.stdout.decode("utf-8", "replace")

    def log(
        self, ref: str, path: str | None = None, *, first_parent: bool = False, limit: int | None = None
    ) -> tuple[Commit, ...]:
        """Return the commits that led to a ref, newest first: all, or those that touched a path."""
        options = [*(["--first-parent"] if first_parent else []), *([f"--max-count={limit}"] if limit else [])]
        wanted = [f":(literal){check_path(path)}"] if path else []
        output = self._run("log", f"--format={_FIELDS}", "--topo-order", *options, self.resolve(ref), "--", *wanted)
        records = (record.lstrip("\n").split("\x1f") for record in _checked(output).text.split("\x1e"))
        return tuple(_commit(fields) for fields in records if len(fields) == 6)

    def arrivals(self, ref: str, folder: str) -> tuple[str, ...]:
        """Return the files below a folder in the order in which commits added them, newest first.

        The order is git ancestry, never a clock; a file that a later commit changed counts
        where it was first added.
        """
        options = ("--format=", "--name-only", "--diff-filter=A", "--no-renames", "--topo-order", "-z")
        wanted = f":(literal){check_path(folder)}"
        output = self._run("log", *options, self.resolve(ref), "--", wanted)
        paths = (path.strip("\n") for path in _checked(output).text.split("\0"))
        return tuple(dict.fromkeys(path for path in paths if path))

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits, or None when they share none."""
        output = self._run("merge-base", self.resolve(one), self.resolve(other))
        return output.text if output.status == 0 else None

    @property
    def is_shallow(self) -> bool:
        """Whether the history that is here ends before its beginning."""
        return _checked(self._run("rev-parse", "--is-shallow-repository")).text == "true"

    # --- writing objects

    def commit(
        self,
        parent: str | None,
        changes: Mapping[str, bytes | None],
        message: str,
        author: Person = BOT,
        committer: Person = BOT,
        *,
        replace: bool = False,
    ) -> str:
        """Make a commit from its parent's files and some changes; no ref and no work tree moves.

        Args:
            parent: the commit before; None for a root commit.
            changes: path → new content, or None to remove the file.
            message: the commit's message.
            author: who wrote the change.
            committer: who made the commit.
            replace: start from no files instead of the parent's.

        Raises:
            InputError: a path leaves the tree, or is a file and a folder at once.
        """
        parents = [self.resolve(parent)] if parent else []
        tree = self._tree(None if replace or not parents else parents[0], changes)
        return self._commit_tree(tree, parents, message, author, committer)

    def merge(self, base: str, head: str, message: str, author: Person = BOT, committer: Person = BOT) -> str:
        """Make the merge commit of two commits.

        Raises:
            CheckFailedError: they conflict; the message names the files.
        """
        ours, theirs = self.resolve(base), self.resolve(head)
        output = self._run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        if output.status not in (0, 1):
            raise OutsideError(f"cannot merge {head} into {base}: {output.reason}")
        tree, *conflicts = [part for part in output.text.split("\0") if part]
        if output.status == 1:
            names = ", ".join(sorted(set(conflicts))[:10])
            raise CheckFailedError(f"{head[:12]} conflicts with {base[:12]} in {names}; merge the base branch into it")
        return self._commit_tree(tree, [ours, theirs], message, author, committer)

    # --- remotes

    def fetch(
        self,
        url: str,
        *refspecs: str,
        depth: int | None = None,
        prune: bool = False,
        timeout: float = NETWORK_SECONDS,
    ) -> None:
        """Fetch refspecs such as ``+refs/heads/main:refs/remotes/origin/main``, within a number of seconds.

        Raises:
            NotFoundError: the remote has no ref of that name.
            OutsideError: the remote cannot be read.
        """
        options = [*([f"--depth={depth}"] if depth else []), *(["--prune"] if prune else [])]
        remote.fetch(self.path, url, refspecs, *options, login=self.login, timeout=timeout)

    def deepen(self, url: str, ref: str) -> None:
        """Fetch all of a ref's history into a shallow repository; nothing happens in a whole one.

        Raises:
            OutsideError: the remote cannot be read.
        """
        if self.is_shallow:
            remote.fetch(self.path, url, (check_ref(ref),), "--unshallow", login=self.login)

    def push(self, url: str, updates: Mapping[str, str | None], expected: Mapping[str, str | None]) -> None:
        """Change a remote's refs by compare-and-swap, all or none; see ``mlgitops.git.remote.push``.

        Raises:
            ConflictError: a ref was not as expected; nothing changed.
            OutsideError: refused for another reason, or not answered: fetch and look before a retry.
        """
        remote.push(self.path, url, updates, expected, login=self.login)

    # --- inside

    def _run(self, *arguments: str, stdin: bytes | None = None, variables: Mapping[str, str] | None = None) -> Output:
        return run(self.path, [f"--git-dir={self.path}", *arguments], stdin=stdin, variables=variables)

    def _is_commit(self, name: str) -> bool:
        """Say whether a text is a commit's full name; costs no process, and most names are one."""
        if not _FULL_NAME.fullmatch(name):
            return False
        try:
            with self._lock:
                return bool(self._repository.odb.info(hex_to_bin(name)).type == b"commit")
        except (BadObject, ValueError):
            return False

    def _store(self, data: bytes) -> str:
        with self._lock:
            return str(self._repository.odb.store(IStream("blob", len(data), BytesIO(data))).hexsha.decode())

    def _tree(self, start: str | None, changes: Mapping[str, bytes | None]) -> str:
        written = {path for path, data in changes.items() if data is not None}
        if both := [path for path in written if any(str(parent) in written for parent in PurePosixPath(path).parents)]:
            raise InputError(f"{both[0]} lies in a folder that is written as a file too; name one of them")
        lines = []
        for path, data in changes.items():
            entry = f"100644 {self._store(data)}" if data is not None else f"0 {'0' * 40}"
            lines.append(f"{entry}\t{check_path(path)}\0".encode())
        # An index file of its own: git builds the trees, and the repository's index stays as it is.
        with tempfile.TemporaryDirectory(prefix="mlgitops-index-") as scratch:
            variables = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            _checked(self._run("read-tree", start if start else "--empty", variables=variables))
            _checked(self._run("update-index", "-z", "--index-info", stdin=b"".join(lines), variables=variables))
            return _checked(self._run("write-tree", variables=variables)).text

    def _commit_tree(self, tree: str, parents: Iterable[str], message: str, author: Person, committer: Person) -> str:
        variables = {
            "GIT_AUTHOR_NAME": _clean(author.name) or BOT.name,
            "GIT_AUTHOR_EMAIL": _clean(author.email),
            "GIT_COMMITTER_NAME": _clean(committer.name) or BOT.name,
            "GIT_COMMITTER_EMAIL": _clean(committer.email),
        }
        options = [part for parent in parents for part in ("-p", parent)]
        output = self._run("commit-tree", tree, *options, stdin=message.encode(), variables=variables)
        return _checked(output).text


def _checked(output: Output) -> Output:
    if output.status != 0:
        raise OutsideError(f"git failed: {output.reason}")
    return output


def _clean(text: str) -> str:
    """Return what git itself would keep of a name, so that none is refused as empty."""
    return "".join(character for character in text if character.isprintable() and character not in "<>").strip()


def _commit(fields: list[str]) -> Commit:
    sha, parents, name, email, seconds, subject = fields
    return Commit(sha, tuple(parents.split()), Person(name, email), datetime.fromtimestamp(int(seconds), UTC), subject)
