"""Where rows come from: finding what landed, reading it, and keeping every version in `raw.<table>` as it came.

What knows files and formats belongs here. What a row must look like belongs to `validation`.
"""
