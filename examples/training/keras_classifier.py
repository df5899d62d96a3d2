"""Keras: each epoch's metrics by a callback. Choose the backend by KERAS_BACKEND."""

import keras
import numpy as np

import mlgitops

mlgitops.autolog()

keras.utils.set_random_seed(0)
rows = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
labels = (rows.sum(axis=1) > 0).astype("int32")
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2, activation="softmax")],
    name="signs",
)
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(rows, labels, epochs=3, batch_size=32, validation_split=0.25, verbose=0)
