"""Train a tiny model on an exported data set for ten steps, as somebody does who has never heard of us.

Run: python train_on_export.py FOLDER TOKENIZER CACHE; prints the loss of each step.
"""

import sys

import torch
from datasets import load_dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

STEPS, BATCH, LENGTH = 10, 8, 32


def main(folder: str, tokenizer_file: str, cache: str) -> None:
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, eos_token="<|endoftext|>")
    tokenizer.pad_token = tokenizer.eos_token
    rows = load_dataset(folder, split="train", cache_dir=cache)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(STEPS):
        texts = rows[step * BATCH : (step + 1) * BATCH]["text"]
        batch = tokenizer(texts, truncation=True, max_length=LENGTH, padding=True, return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(loss.item(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
