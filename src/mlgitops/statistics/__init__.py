"""What numbers from a sample say about where they came from: pure, standard library only."""

from mlgitops.statistics.student import Interval, mean_interval, quantile

__all__ = ["Interval", "mean_interval", "quantile"]
