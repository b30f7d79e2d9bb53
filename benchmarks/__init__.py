"""What the product costs, beside the least that the same work can cost, in one run.

`python -m benchmarks` runs everything; `python -m benchmarks persistence startup` runs two. The machine is assumed to
be noisy, so every figure is a median, and whatever is compared takes turns with what it is compared to.
"""
