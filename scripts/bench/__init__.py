"""What scripts/bench_step.py times: the same cases in jaxmm and in plain PyTorch."""
