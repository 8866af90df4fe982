"""Tests of ml_platform.serving."""
