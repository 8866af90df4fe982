"""The REST service: requests, answers, health and metrics over HTTP.

What is HTTP belongs here. What answers a request is `serving.online`, what remembers it `serving.prediction_log`.
"""
