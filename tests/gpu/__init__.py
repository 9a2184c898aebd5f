"""What only a card can show: run there with `pytest tests/gpu`; skipped elsewhere."""
