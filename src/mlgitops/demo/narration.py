"""What the demo says, and what it remembers of each step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console


@dataclass(slots=True)
class Step:
    """One step of the story: how long it took (seconds), how it ended, what it found."""

    name: str
    seconds: float = 0.0
    ok: bool = False
    found: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the step as the demo's JSON shows it."""
        return {"name": self.name, "seconds": round(self.seconds, 2), "ok": self.ok, **self.found}


class Narrator:
    """Tells the story on a console and keeps its steps, whatever happens in them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []

    @contextlib.contextmanager
    def step(self, name: str, headline: str) -> Iterator[dict[str, Any]]:
        """Time one step; what the block puts into the yielded dict goes into the result."""
        step = Step(name)
        self.steps.append(step)
        self.console.print(f"\n[bold]{headline}[/bold]", highlight=False)
        began = time.monotonic()
        try:
            yield step.found
            step.ok = True
        finally:
            step.seconds = time.monotonic() - began
            mark = "[green]✓[/green]" if step.ok else "[red]✗[/red]"
            self.console.print(f"  {mark} {name} [dim]{step.seconds:.1f} s[/dim]", highlight=False)

    def command(self, line: str) -> None:
        """Show a command as the person who types it sees it."""
        self.console.print(f"  [dim]$[/dim] {line}", highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Add a line to the step; square brackets in it are text, not markup."""
        self.console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
