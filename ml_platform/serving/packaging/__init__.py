"""Packages: one version of a pipeline as a wheel, a serverless function, an image or ONNX.

How a package is built belongs here. What runs inside of one belongs to `packaged`.
"""
