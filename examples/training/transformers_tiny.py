"""Transformers: a tiny model made from a configuration, so that nothing is downloaded."""

import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

import mlgitops

mlgitops.autolog()

set_seed(0)
config = BertConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
tokens = torch.randint(1, 32, (64, 8))
examples = [{"input_ids": row, "labels": int(row[0] > 15)} for row in tokens]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        num_train_epochs=2,
        logging_steps=2,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=examples, eval_dataset=examples)
    trainer.train()
