"""mlgitops: git is the model registry."""
