"""A CloudWatch that holds metrics in memory and computes their statistics exactly; started by `cloudwatch_server.py`."""
