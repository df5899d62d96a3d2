"""A deployment that is new, and one that has served for long."""

from __future__ import annotations

import pytest

from worlds.rollout import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def serving(world: World) -> World:
    """Version 1 serves, and its first roll-out is long over."""
    world.run(3600, every=600)
    world.traffic.clear()
    return world
