"""XGBoost with early stopping: each round's scores, where it stopped, and the model."""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

import mlgitops

mlgitops.autolog()

X, y = load_breast_cancer(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)
model = XGBClassifier(n_estimators=200, learning_rate=0.3, early_stopping_rounds=5, random_state=0)
with mlgitops.start_run("boosted", experiment="breast-cancer"):
    model.fit(X_train, y_train, eval_set=[(X_val, y_val)], verbose=False)
    mlgitops.log_metric("validation_accuracy", model.score(X_val, y_val))
