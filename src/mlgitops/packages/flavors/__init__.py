"""How each format is written and loaded; every module here imports its framework, so import it late."""
