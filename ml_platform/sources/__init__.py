"""Where rows come from: one protocol for what a source has and how it is read, and `raw.<table>` with every version.

What knows files, formats and databases belongs here, one module a kind. What a row must look like belongs to
`validation`.
"""
