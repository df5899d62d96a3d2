"""The embedded cluster: a real control plane, a process node and a gateway on this machine (Linux)."""
