"""Figures that the project is held to. Each module measures one, over real processes: `python -m tests.benchmarks`."""

NAMES = (
    "cli_start", "idle_agent", "join", "blob", "merge_memory", "first_update", "round_overhead", "crash",
    "worker_vs_bare", "engines", "exchange", "fit_error", "billion", "data_wait", "resume", "yield",
    "data_dedup", "data_pii", "data_read", "data_throughput", "data_cores", "data_memory", "data_resume",
)  # fmt: skip
