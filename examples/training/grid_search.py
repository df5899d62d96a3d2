"""scikit-learn, a grid search: one run with the best parameters, its best candidates as runs below it."""

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlgitops

mlgitops.autolog()

X, y = load_iris(return_X_y=True, as_frame=True)
pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
search = GridSearchCV(pipeline, {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}, cv=5)
search.fit(X, y)
print(f"best: {search.best_params_}, accuracy {search.best_score_:.3f}")
