"""LightGBM's own interface: a Booster, its rounds, and how much each feature mattered."""

import lightgbm
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import mlgitops

mlgitops.autolog()

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)
train = lightgbm.Dataset(X_train, y_train)
booster = lightgbm.train(
    {"objective": "regression", "learning_rate": 0.1, "verbose": -1},
    train,
    num_boost_round=200,
    valid_sets=[train.create_valid(X_val, y_val)],
    valid_names=["validation"],
    callbacks=[lightgbm.early_stopping(10, verbose=False)],
)
print(f"stopped after {booster.best_iteration} rounds")
