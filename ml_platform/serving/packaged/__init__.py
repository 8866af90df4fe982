"""What answers inside a package, without a lake: modules that `packaging` copies into wheels and functions.

What it imports must run beside the model's library and polars alone. How packages are built belongs to `packaging`.
"""
