"""Measurements that decide how the pipeline is built. Run them as modules: ``python -m benchmarks.spelling``."""
