"""What a machine is made of and how busy it is, as far as it tells without a package of ours."""

from __future__ import annotations

import os
import subprocess

PATIENCE = 10.0  # seconds for one answer of the graphics driver
_READ = ("index", "utilization.gpu", "memory.used", "memory.total", "power.draw", "temperature.gpu")
_UNITS = {"memory.used": 1 << 20, "memory.total": 1 << 20}  # bytes of what the driver counts in


def memory() -> int:
    """Return the machine's memory in bytes, 0 when it does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def gpus() -> list[str]:
    """Return each GPU of NVIDIA as its name, memory and driver; none without ``nvidia-smi``."""
    return [", ".join(fields) for fields in _ask("name", "memory.total", "driver_version", units=True)]


def gpu_load() -> dict[str, float]:
    """Return what each GPU of NVIDIA does now, by names such as ``gpu.0.utilization_percent``.

    Memory is in bytes, power in watts, temperature in degrees Celsius.
    """
    names = ("utilization_percent", "memory_used_bytes", "memory_bytes", "power_watts", "celsius")
    found = {}
    for index, *values in _ask(*_READ):
        for name, field, value in zip(names, _READ[1:], values, strict=False):
            try:
                found[f"gpu.{index}.{name}"] = float(value) * _UNITS.get(field, 1)
            except ValueError:  # "[N/A]"
                continue
    return found


def _ask(*fields: str, units: bool = False) -> list[list[str]]:
    form = "csv,noheader" if units else "csv,noheader,nounits"
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={','.join(fields)}", f"--format={form}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return []
    if done.returncode:
        return []
    return [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
