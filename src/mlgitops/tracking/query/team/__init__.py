"""A team's index: the runs of many roots as Parquet in a store, asked by DuckDB in the same language.

``parts`` turns an index of this machine into Parquet, ``shelf`` keeps that in a store and mirrors it
from there, ``duck`` asks it. docs/design/0015 says how the files lie.
"""
