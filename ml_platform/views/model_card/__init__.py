"""The model card of a version: one typed read model (`card`), and its three forms: Markdown, a page, JSON.

What is on a card is read from records, blobs and tables here. What is measured belongs to `evaluation`.
"""
